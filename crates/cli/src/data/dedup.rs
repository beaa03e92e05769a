//! `smolvlm data dedup`: training pictures that stand in a test set, and a training set without them.

use crate::error::{Error, one_line};
use crate::options::ColumnArgs;
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::{Value, json};
use smolvlm_data::{
    Columns, Error as DataError, Fingerprint, JsonLines, LIMIT, MOST_LIMIT, PictureAt, PictureIndex, Source,
    fingerprints, open,
};
use smolvlm_kernels::Pool;
use smolvlm_processor::DecodeOptions;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  smolvlm data dedup train.jsonl --against test.parquet
  smolvlm data dedup train.jsonl --against test.parquet -o clean.jsonl      and write the rest
  smolvlm data dedup cauldron/*.parquet --against docvqa.parquet --against chartqa.tar --limit 4
  smolvlm data dedup train.jsonl --against test.jsonl --json

A line a pair, rows and pictures counted from 1: = for the same pixels, ~ and in how many of 64 bits they differ for \
nearly the same: JPEG of another quality, another size, a little crop, more or less light. Some of the latter differ in \
what is small, as charts of one template may: look at those that matter. Of a training picture that is found more than 8 \
times the nearest 8 are named.

With -o all rows but those with such a picture are written in their order, as messages and images, which train reads: \
pictures that are files by their paths, others with their bytes. Rows that cannot be read, or have a picture that cannot, \
are left out too, as nothing is known of them. --limit 0 leaves out the same pixels and hashes alone. What --question, \
--answer, --image, --system and --prompt say is done then, and need not be said again.";

/// Find training pictures that also stand in a test set, the same or nearly so; write the training set without them
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The training data, as for smolvlm data show
    #[arg(value_name = "TRAIN", required = true)]
    train: Vec<PathBuf>,
    /// A test set; may be repeated
    #[arg(long, value_name = "TEST", required = true)]
    against: Vec<PathBuf>,
    /// In how many of 64 bits nearly the same pictures may differ: 0 to 16, more finds more and errs more
    #[arg(long, value_name = "BITS", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_LIMIT)))]
    limit: u32,
    /// Write the rows without such a picture to this new file, which ends in .jsonl
    #[arg(short, long, value_name = "CLEAN")]
    output: Option<PathBuf>,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Print one JSON object; rows and pictures in it are counted from 1, too
    #[arg(long)]
    json: bool,
}

/// Of a training picture's matches the most that are named.
const MOST_NAMED: usize = 8;

/// A source and a row of it.
type RowAt = (u32, u32);

/// What went through [`scan`].
#[derive(Default)]
struct Totals {
    rows: usize,
    pictures: usize,
    /// Pictures, and rows whose pictures could not be found.
    bad: usize,
    /// The rows of those.
    bad_rows: BTreeSet<RowAt>,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// Training pictures beside those of the test set, and in how many bits they differ.
    pairs: Vec<(PictureAt, PictureAt, Option<u32>)>,
    same: usize,
    near: usize,
    /// Rows with such a picture.
    rows: BTreeSet<RowAt>,
}

impl Found {
    /// Looks for a training picture in the test set.
    fn look(&mut self, index: &PictureIndex, at: PictureAt, print: &Fingerprint) {
        let found = index.find(print);
        match found.first().map(|nearest| nearest.distance) {
            None => return,
            Some(None) => self.same += 1,
            Some(Some(_)) => self.near += 1,
        }
        self.rows.insert((at.source, at.row));
        self.pairs.extend(found.iter().take(MOST_NAMED).map(|found| (at, found.at, found.distance)));
    }
}

/// The cleaned set.
struct Clean<'a> {
    path: &'a Path,
    rows: usize,
    /// Rows left out that could not be read.
    unread: usize,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let pool = Pool::new(smolvlm_sys::threads());
    let columns = args.columns.columns();
    let progress = Progress::new();
    // What cannot be written is told before the work.
    let file = args.output.as_deref().map(|path| JsonLines::create(path).map(|file| (path, file))).transpose()?;
    let (training, testing) = (open_all(&args.train, &columns)?, open_all(&args.against, &columns)?);
    let mut tests = Vec::new();
    let test = scan("test", &args.against, &testing, &pool, &progress, &mut |at, print| tests.push((at, print)))?;
    let index = PictureIndex::new(tests, args.limit);
    let mut found = Found::default();
    let mut look = |at: PictureAt, print: Fingerprint| found.look(&index, at, &print);
    let train = scan("train", &args.train, &training, &pool, &progress, &mut look)?;
    let clean = file.map(|(path, file)| clean(args, path, file, &training, (&found, &train), &progress)).transpose()?;
    progress.clear();
    if args.json {
        return print_line(&as_json(args, &train, &test, &found, clean.as_ref()).to_string());
    }
    print_pairs(args, &found)?;
    let bad = match train.bad + test.bad {
        0 => String::new(),
        bad => format!("; {bad} could not be read"),
    };
    print_line(&format!(
        "of {} training pictures {} stand in the test set of {} and {} nearly so, in {} of {} rows{bad}",
        train.pictures,
        found.same,
        test.pictures,
        found.near,
        found.rows.len(),
        train.rows
    ))?;
    let Some(Clean { path, rows, unread }) = clean else { return Ok(()) };
    let unread = if unread == 0 { String::new() } else { format!(" and {unread} that could not be read") };
    let path = one_line(&path.display().to_string());
    print_line(&format!("{path}: {rows} rows, without {} with such pictures{unread}", found.rows.len()))
}

/// Writes the rows in which nothing was found.
fn clean<'a>(
    args: &Args,
    path: &'a Path,
    mut file: JsonLines,
    sources: &[Box<dyn Source>],
    (found, train): (&Found, &Totals),
    progress: &Progress,
) -> Result<Clean<'a>, Error> {
    let mut clean = Clean { path, rows: 0, unread: train.bad_rows.difference(&found.rows).count() };
    let rows =
        (0u32..).zip(sources).flat_map(|(number, source)| (0..source.len()).map(move |row| (number, source, row)));
    for (done, (number, source, row)) in rows.enumerate() {
        progress.show("writing", done, train.rows);
        let at = (number, row as u32);
        if !found.rows.contains(&at) && !train.bad_rows.contains(&at) {
            let named = || name(&args.train, PictureAt { source: number, row: row as u32, picture: 0 });
            let changed = |what| DataError::Format { path: format!("{}:{}", named(), row + 1), what };
            let sample = source.read(row).map_err(changed)?;
            file.push(&sample)?;
            clean.rows += 1;
        }
    }
    if clean.rows == 0 {
        return Error::usage(format!("{}: no row would be left", path.display()));
    }
    file.finish()?;
    Ok(clean)
}

fn name(files: &[PathBuf], at: PictureAt) -> String {
    files.get(at.source as usize).map_or(String::new(), |file| file.display().to_string())
}

fn as_json(args: &Args, train: &Totals, test: &Totals, found: &Found, clean: Option<&Clean<'_>>) -> Value {
    let place = |files: &[PathBuf], at: PictureAt| json!({ "file": name(files, at), "row": at.row + 1, "picture": at.picture + 1 });
    let pair = |(train, test, distance): &(PictureAt, PictureAt, Option<u32>)| {
        json!({ "train": place(&args.train, *train), "test": place(&args.against, *test),
                "same": distance.is_none(), "distance": distance.unwrap_or(0) })
    };
    let totals = |t: &Totals| json!({ "rows": t.rows, "pictures": t.pictures, "bad": t.bad });
    let clean = clean.map(|c| json!({ "file": c.path.display().to_string(), "rows": c.rows, "unread": c.unread }));
    json!({ "limit": args.limit, "train": totals(train), "test": totals(test), "same": found.same, "near": found.near,
            "rows_found": found.rows.len(), "pairs": found.pairs.iter().map(pair).collect::<Vec<_>>(), "clean": clean })
}

fn print_pairs(args: &Args, found: &Found) -> Result<(), Error> {
    let place = |files: &[PathBuf], at: PictureAt| {
        format!("{}:{} picture {}", one_line(&name(files, at)), at.row + 1, at.picture + 1)
    };
    for (train, test, distance) in &found.pairs {
        let (train, test) = (place(&args.train, *train), place(&args.against, *test));
        print_line(&match distance {
            None => format!("{train}  =  {test}"),
            Some(bits) => format!("{train}  ~  {test} ({bits})"),
        })?;
    }
    Ok(())
}

fn open_all(files: &[PathBuf], columns: &Columns) -> Result<Vec<Box<dyn Source>>, Error> {
    let mut sources = Vec::new();
    for file in files {
        let source = open(file, columns)?;
        if u32::try_from(source.len()).is_err() {
            return Error::usage(format!("{}: more than 2^32 - 1 rows; give its files in parts", file.display()));
        }
        sources.push(source);
    }
    Ok(sources)
}

/// Hands on all pictures of some files that can be decoded, and names the others on stderr.
fn scan(
    stage: &'static str,
    files: &[PathBuf],
    sources: &[Box<dyn Source>],
    pool: &Pool,
    progress: &Progress,
    each: &mut dyn FnMut(PictureAt, Fingerprint),
) -> Result<Totals, Error> {
    let all = sources.iter().map(|source| source.len()).sum();
    let mut totals = Totals::default();
    for (number, (file, source)) in (0..).zip(files.iter().zip(sources)) {
        fingerprints(&**source, &DecodeOptions::default(), pool, |row, prints| {
            progress.show(stage, totals.rows, all);
            totals.rows += 1;
            let mut bad = |picture: Option<u32>, error: &str| {
                totals.bad += 1;
                totals.bad_rows.insert((number, row as u32));
                let picture = picture.map_or(String::new(), |picture| format!(" picture {}", picture + 1));
                progress.note(&one_line(&format!("{}:{}{picture}: {error}", file.display(), row + 1)));
            };
            let prints = match prints {
                Ok(prints) => prints,
                Err(error) => {
                    bad(None, &error);
                    return Ok(());
                }
            };
            for (picture, print) in (0..).zip(prints) {
                totals.pictures += 1;
                match print {
                    Ok(print) => each(PictureAt { source: number, row: row as u32, picture }, print),
                    Err(error) => bad(Some(picture), &error),
                }
            }
            Ok::<(), Error>(())
        })?;
    }
    Ok(totals)
}
