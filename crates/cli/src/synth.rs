//! `smolvlm synth`: drawn pictures with questions, written for others or laid out to be looked at.

use crate::error::Error;
use crate::output::{NewFile, print_line};
use crate::progress::Progress;
use clap::ValueEnum;
use smolvlm_data::{Format, Writer};
use smolvlm_processor::Picture;
use smolvlm_synth::{Kit, Mix, SETS, SKILLS, Sample, Set, Split, Stream, sheet};
use std::path::PathBuf;

const EXAMPLES: &str = "\
What is drawn follows from the seed and a sample's number alone. Training draws it as it goes, without files: \
smolvlm train --data synth:single,count=2 learns from these skills, and --data synth from all of them.

Examples:
  smolvlm synth --list                                        skills, groups and test sets
  smolvlm synth -o shapes --skills shapes --count 1000        pictures/ and data.jsonl
  smolvlm synth -o count --test count --format parquet        a test set, 2,000 questions
  smolvlm synth --sheet look.png --skills relation --count 24 pictures with their questions, to look at";

/// Draw pictures with questions and answers, as an endless supply of data to train and test on
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder to make; its parent must be there, and it must not
    #[arg(short, long, value_name = "FOLDER", required_unless_present_any = ["sheet", "list"])]
    output: Option<PathBuf>,
    /// Skills or groups of them, each with its weight if it is not its own: single,count=2
    #[arg(long, value_name = "SKILLS", default_value = "", hide_default_value = true, conflicts_with = "test")]
    skills: String,
    /// How many samples [default: 1000; of a test set all; 24 for a sheet alone]
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// The number of the first sample
    #[arg(long, value_name = "N", default_value_t = 0)]
    start: u64,
    /// Where random numbers begin; training draws from 1
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "test")]
    seed: u64,
    /// A test set instead of skills
    #[arg(long, value_name = "SET")]
    test: Option<String>,
    /// How samples are written
    #[arg(long, value_enum, default_value_t = Written::Jsonl)]
    format: Written,
    /// Write the samples onto one PNG, pictures with questions and answers below
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Samples beside each other on the sheet
    #[arg(long, value_name = "N", default_value_t = 6)]
    columns: u32,
    /// Name the skills, their groups and the test sets
    #[arg(long)]
    list: bool,
}

/// `--format`
#[derive(Clone, Copy, ValueEnum)]
enum Written {
    /// data.jsonl, pictures as PNG files
    Jsonl,
    /// data.parquet, pictures within
    Parquet,
}

/// The most samples on a sheet.
const SHEET: u64 = 240;

/// What samples come from.
enum Drawn {
    Stream(Stream),
    Set(Set),
}

impl Drawn {
    fn open(args: &Args) -> Result<Drawn, Error> {
        let kit = Kit::shared()?;
        Ok(match &args.test {
            Some(name) => Drawn::Set(Set::open(kit, name)?),
            None => Drawn::Stream(Stream::new(kit, Mix::parse(&args.skills)?, Split::Train, args.seed)?),
        })
    }

    fn len(&self) -> u64 {
        match self {
            Drawn::Stream(_) => Stream::LEN,
            Drawn::Set(_) => Set::LEN as u64,
        }
    }

    fn sample(&self, index: u64) -> Sample {
        match self {
            Drawn::Stream(stream) => stream.sample(index),
            Drawn::Set(set) => set.sample(index as usize),
        }
    }
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if args.list {
        return list();
    }
    let drawn = Drawn::open(args)?;
    let room = drawn.len().saturating_sub(args.start);
    let usual = match (&args.output, &args.test) {
        (None, _) => 24,
        (Some(_), Some(_)) => room,
        (Some(_), None) => 1000,
    };
    let count = args.count.unwrap_or(usual).min(room);
    if count == 0 {
        return Error::usage("--start and --count leave no sample; there are samples from 0 on");
    }
    if args.sheet.is_some() && count > SHEET {
        return Error::usage(format!("a sheet holds at most {SHEET} samples; --count {SHEET} would be right"));
    }
    let sheet_file = args.sheet.as_deref().map(NewFile::begin).transpose()?;
    let format = match args.format {
        Written::Jsonl => Format::JsonLines,
        Written::Parquet => Format::Parquet,
    };
    let mut writer = args.output.as_deref().map(|output| Writer::begin(output, format)).transpose()?;
    let progress = Progress::new();
    let (mut shown, mut questions) = (Vec::new(), 0);
    for index in 0..count {
        progress.show("samples", index as usize, count as usize);
        let sample = drawn.sample(args.start + index);
        questions += sample.turns.len();
        if let Some(writer) = &mut writer {
            writer.push(&sample)?;
        }
        if sheet_file.is_some() {
            shown.push(sample);
        }
    }
    if let Some(writer) = writer {
        writer.finish()?;
    }
    if let Some(file) = sheet_file {
        let drawn = sheet(&shown, args.columns, Kit::shared()?.fonts.built_in());
        let picture = Picture { width: drawn.width, height: drawn.height, rgb: drawn.data };
        file.finish(&picture.to_png()?)?;
    }
    progress.clear();
    let made = [&args.output, &args.sheet].into_iter().flatten().map(|path| path.display().to_string());
    print_line(&format!("{}: {count} samples, {questions} questions", made.collect::<Vec<_>>().join(", ")))
}

/// A line a skill, with its group, its weight and whether it can be drawn here; then the test sets.
fn list() -> Result<(), Error> {
    let kit = Kit::shared()?;
    for skill in SKILLS {
        let missing: Vec<&str> = skill.needs.iter().filter(|need| !kit.has(**need)).map(|need| need.name()).collect();
        let missing = if missing.is_empty() { String::new() } else { format!("  ({} missing)", missing.join(", ")) };
        print_line(&format!("{:<14} {:<9} {:.1}{missing}", skill.name, skill.group, skill.weight))?;
    }
    let sets: Vec<&str> = SETS.iter().map(|set| set.name).collect();
    print_line(&format!("\ntest sets: {}", sets.join(", ")))
}
