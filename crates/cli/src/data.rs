//! `smolvlm data`: training data, looked at before it is learnt.

use crate::error::{Error, one_line};
use crate::options::ColumnArgs;
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::{Value, json};
use smolvlm_data::{
    Columns, Content, Fingerprint, LIMIT, MOST_LIMIT, PictureAt, PictureFile, PictureIndex, Sample, fingerprints, open,
};
use smolvlm_kernels::Pool;
use smolvlm_processor::{DecodeOptions, Part, Picture};
use std::path::{Path, PathBuf};

const SHOW_EXAMPLES: &str = "\
Examples:
  smolvlm data show train.jsonl
  smolvlm data show train.parquet -n 10 --question query --answer multiple_choice_answer
  smolvlm data show photos/ --prompt \"Caption the picture.\" --json";

const DEDUP_EXAMPLES: &str = "\
Examples:
  smolvlm data dedup train.jsonl --against test.parquet
  smolvlm data dedup cauldron/*.parquet --against docvqa.parquet --against chartqa.tar --limit 4
  smolvlm data dedup train.jsonl --against test.jsonl --json

A line a pair, rows and pictures counted from 1: = for the same pixels, ~ and in how many of 64 bits they differ for \
nearly the same: JPEG of another quality, another size, a little crop, more or less light. Some of the latter differ in \
what is small, as charts of one template may: look at those that matter. Of a training picture that is found more than 8 \
times the nearest 8 are named.";

/// Look at training data as the readers see it, and find training pictures that stand in a test set
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Show(ShowArgs),
    Dedup(DedupArgs),
}

/// Show the first samples as the readers see them: who says what, and the pictures with their sizes
#[derive(clap::Args)]
#[command(after_help = SHOW_EXAMPLES)]
struct ShowArgs {
    /// .json, .jsonl, .parquet, .csv, .tsv, .tar, .txt, or a folder of them or of pictures with their metadata
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How many samples of each file
    #[arg(short, long, value_name = "N", default_value_t = 3)]
    number: usize,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Print one JSON object a line for each sample, texts in full
    #[arg(long)]
    json: bool,
}

/// Find training pictures that also stand in a test set, the same or nearly so
#[derive(clap::Args)]
#[command(after_help = DEDUP_EXAMPLES)]
struct DedupArgs {
    /// The training data, as for smolvlm data show
    #[arg(value_name = "TRAIN", required = true)]
    train: Vec<PathBuf>,
    /// A test set; may be repeated
    #[arg(long, value_name = "TEST", required = true)]
    against: Vec<PathBuf>,
    /// In how many of 64 bits nearly the same pictures may differ: 0 to 16, more finds more and errs more
    #[arg(long, value_name = "BITS", default_value_t = LIMIT, value_parser = clap::value_parser!(u32).range(..=i64::from(MOST_LIMIT)))]
    limit: u32,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Print one JSON object; rows and pictures in it are counted from 1, too
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    match args.command {
        Command::Show(args) => show(&args),
        Command::Dedup(args) => dedup(&args),
    }
}

fn show(args: &ShowArgs) -> Result<(), Error> {
    for file in &args.files {
        let source = open(file, &args.columns.columns())?;
        let name = one_line(&file.display().to_string());
        if !args.json {
            print_line(&format!("{name}: {} samples", source.len()))?;
        }
        for row in 0..source.len().min(args.number) {
            let sample = source.read(row);
            if args.json {
                let mut object = json!({ "file": file.display().to_string(), "row": row + 1 });
                let fields = sample.map_or_else(|error| json!({ "error": error }), |sample| as_json(&sample));
                if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
                    object.extend(fields);
                }
                print_line(&object.to_string())?;
            } else {
                let text = sample.map_or_else(|e| format!("  error: {}", one_line(&e)), |sample| as_text(&sample));
                print_line(&format!("\n{name}:{}\n{text}", row + 1))?;
            }
        }
    }
    Ok(())
}

/// A picture's (width, height), from its header.
fn size(file: &PictureFile) -> Result<(u32, u32), String> {
    let options = DecodeOptions::default();
    match file {
        PictureFile::Path(path) => Picture::size_of(path, &options).map_err(|e| e.to_string()),
        PictureFile::Bytes(bytes) => Picture::size(bytes, &options).map_err(|e| e.to_string()),
        PictureFile::Pixels(picture) => Ok((picture.width, picture.height)),
    }
}

/// Who says what; a document is nobody's.
fn turns(sample: &Sample) -> Vec<(&str, &[Part])> {
    match &sample.content {
        Content::Chat(messages) => messages.iter().map(|m| (m.role.as_str(), m.content.as_slice())).collect(),
        Content::Document(parts) => vec![("document", parts.as_slice())],
    }
}

/// A line a turn.
fn as_text(sample: &Sample) -> String {
    const MOST: usize = 300;
    let mut pictures = sample.pictures.iter();
    let mut shown = |part: &Part| match part {
        Part::Text(text) => {
            let short: String = text.chars().take(MOST).collect();
            let rest = text.chars().count().saturating_sub(MOST);
            let more = if rest == 0 { String::new() } else { format!("… ({rest} more)") };
            format!("{}{more}", one_line(&short))
        }
        Part::Image(_) => match pictures.next().map(size) {
            Some(Ok((width, height))) => format!("[picture {width}x{height}]"),
            Some(Err(error)) => format!("[picture: {}]", one_line(&error)),
            None => "[picture: there is none for this place]".to_owned(),
        },
    };
    let mut lines = Vec::new();
    for (role, parts) in turns(sample) {
        let parts: Vec<String> = parts.iter().map(&mut shown).collect();
        lines.push(format!("  {role:<10} {}", parts.join(" ")));
    }
    lines.join("\n")
}

fn as_json(sample: &Sample) -> Value {
    let mut pictures = sample.pictures.iter();
    let mut part = |part: &Part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Image(_) => {
            let file = pictures.next();
            let mut object = match file.map(size) {
                Some(Ok((width, height))) => json!({ "type": "image", "width": width, "height": height }),
                Some(Err(error)) => json!({ "type": "image", "error": error }),
                None => json!({ "type": "image", "error": "there is none for this place" }),
            };
            if let (Some(object), Some(PictureFile::Path(path))) = (object.as_object_mut(), file) {
                object.insert("path".into(), path.display().to_string().into());
            }
            object
        }
    };
    let mut messages = Vec::new();
    for (role, parts) in turns(sample) {
        messages.push(json!({ "role": role, "content": parts.iter().map(&mut part).collect::<Vec<_>>() }));
    }
    match (&sample.content, messages.as_mut_slice()) {
        (Content::Document(_), [document]) => json!({ "document": document.get_mut("content").map(Value::take) }),
        _ => json!({ "messages": messages }),
    }
}

/// Of a training picture's matches the most that are named.
const MOST_NAMED: usize = 8;

/// What went through [`scan`].
#[derive(Default)]
struct Totals {
    rows: usize,
    pictures: usize,
    /// Pictures, and rows whose pictures could not be found.
    bad: usize,
}

fn dedup(args: &DedupArgs) -> Result<(), Error> {
    let pool = Pool::new(smolvlm_sys::threads());
    let columns = args.columns.columns();
    let progress = Progress::new();
    let mut tests = Vec::new();
    let mut push = |at, print| tests.push((at, print));
    let test = scan("test", &args.against, &columns, &pool, &progress, &mut push)?;
    let index = PictureIndex::new(tests, args.limit);
    let mut pairs: Vec<(PictureAt, PictureAt, Option<u32>)> = Vec::new();
    let (mut same, mut near) = (0usize, 0usize);
    let (mut rows, mut last) = (0usize, None);
    let mut find = |at: PictureAt, print: Fingerprint| {
        let found = index.find(&print);
        match found.first().map(|nearest| nearest.distance) {
            None => return,
            Some(None) => same += 1,
            Some(Some(_)) => near += 1,
        }
        let row = Some((at.source, at.row));
        rows += usize::from(last != row);
        last = row;
        pairs.extend(found.iter().take(MOST_NAMED).map(|found| (at, found.at, found.distance)));
    };
    let train = scan("train", &args.train, &columns, &pool, &progress, &mut find)?;
    progress.clear();
    let name = |files: &[PathBuf], at: PictureAt| {
        files.get(at.source as usize).map_or(String::new(), |file| file.display().to_string())
    };
    if args.json {
        let place = |files: &[PathBuf], at: PictureAt| json!({ "file": name(files, at), "row": at.row + 1, "picture": at.picture + 1 });
        let pairs: Vec<Value> = pairs
            .iter()
            .map(|(train, test, distance)| {
                json!({ "train": place(&args.train, *train), "test": place(&args.against, *test),
                        "same": distance.is_none(), "distance": distance.unwrap_or(0) })
            })
            .collect();
        let totals = |t: &Totals| json!({ "rows": t.rows, "pictures": t.pictures, "bad": t.bad });
        return print_line(
            &json!({ "limit": args.limit, "train": totals(&train), "test": totals(&test), "same": same, "near": near,
                     "rows_found": rows, "pairs": pairs })
            .to_string(),
        );
    }
    let place = |files: &[PathBuf], at: PictureAt| {
        format!("{}:{} picture {}", one_line(&name(files, at)), at.row + 1, at.picture + 1)
    };
    for (train, test, distance) in &pairs {
        let (train, test) = (place(&args.train, *train), place(&args.against, *test));
        print_line(&match distance {
            None => format!("{train}  =  {test}"),
            Some(bits) => format!("{train}  ~  {test} ({bits})"),
        })?;
    }
    let bad = match train.bad + test.bad {
        0 => String::new(),
        bad => format!("; {bad} could not be read"),
    };
    print_line(&format!(
        "of {} training pictures {same} stand in the test set of {} and {near} nearly so, in {rows} of {} rows{bad}",
        train.pictures, test.pictures, train.rows
    ))
}

/// Hands on all pictures of some files that can be decoded, and names the others on stderr.
fn scan(
    stage: &'static str,
    files: &[PathBuf],
    columns: &Columns,
    pool: &Pool,
    progress: &Progress,
    each: &mut dyn FnMut(PictureAt, Fingerprint),
) -> Result<Totals, Error> {
    let mut sources = Vec::new();
    for file in files {
        let source = open(file, columns)?;
        if u32::try_from(source.len()).is_err() {
            return Error::usage(format!("{}: more than 2^32 - 1 rows; give its files in parts", file.display()));
        }
        sources.push(source);
    }
    let all = sources.iter().map(|source| source.len()).sum();
    let mut totals = Totals::default();
    for (number, (file, source)) in (0..).zip(files.iter().zip(&sources)) {
        fingerprints(&**source, &DecodeOptions::default(), pool, |row, prints| {
            progress.show(stage, totals.rows, all);
            totals.rows += 1;
            let prints = match prints {
                Ok(prints) => prints,
                Err(error) => {
                    totals.bad += 1;
                    progress.note(&bad(file, row, None, &error));
                    return Ok(());
                }
            };
            for (picture, print) in (0..).zip(prints) {
                totals.pictures += 1;
                match print {
                    Ok(print) => each(PictureAt { source: number, row: row as u32, picture }, print),
                    Err(error) => {
                        totals.bad += 1;
                        progress.note(&bad(file, row, Some(picture), &error));
                    }
                }
            }
            Ok::<(), Error>(())
        })?;
    }
    Ok(totals)
}

fn bad(file: &Path, row: usize, picture: Option<u32>, error: &str) -> String {
    let picture = picture.map_or(String::new(), |picture| format!(" picture {}", picture + 1));
    one_line(&format!("{}:{}{picture}: {error}", file.display(), row + 1))
}
