//! `smolvlm quantize`: a checkpoint in few bits, on disk.

use crate::error::{Error, one_line};
use crate::options::{ColumnArgs, ComputeArgs, ModelName, parts, read_text, sources};
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::json;
use smolvlm_engine::FewBits;
use smolvlm_processor::MAX_LONGEST_EDGE;
use smolvlm_quantise::{Calibration, Observer, calibrate, quantise, quantise_gguf};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  smolvlm quantize -m MODEL --quant q8 -o model-q8                              half the bytes
  smolvlm quantize -m MODEL --quant q4 --calibrate questions.jsonl -o model-q4  losing less, by what the model will see
  smolvlm quantize -m MODEL --quant q8 --calibrate-text book.txt -o model.gguf  for llama.cpp, with mmproj-model.gguf
  smolvlm compare MODEL model-q4 --text other.txt --data more.jsonl             what is lost

A folder is opened by every command as it is. Samples should be like what the model will be asked, and others than those \
that its loss is measured on; a hundred are enough.";

/// Bring a model to 8 or 4 bits for good, with little loss where samples are given
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelName,
    /// What weights are brought to: q8, q4 (of the head 8), or part by part as text=q4,vision=q8,head=q8; a part that is not
    /// named stays as it is
    #[arg(long, value_name = "BITS", value_parser = parts)]
    quant: FewBits,
    /// What is written: a folder, or a name that ends in .gguf (the tower goes beside it): Q8_0 for 8 bits, Q4_1 for 4
    #[arg(short, long, value_name = "FOLDER|FILE.gguf")]
    output: PathBuf,
    /// Samples of what the model will see, in any form that train reads: channels are brought level by how loud they are in
    /// them, and roundings make up for each other; may be repeated
    #[arg(long, value_name = "DATA")]
    calibrate: Vec<PathBuf>,
    /// The same with the text of a file; may be repeated
    #[arg(long, value_name = "FILE")]
    calibrate_text: Vec<String>,
    /// Read N rows of the data, and N windows of 512 tokens of each text
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Bring the longer side of the data's pictures to N pixels first; less is faster [default: the model's own]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_LONGEST_EDGE)))]
    max_edge: Option<u32>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let is_gguf = args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    if args.calibrate.is_empty() && args.max_edge.is_some() {
        return Error::usage("--max-edge is of the pictures of --calibrate");
    }
    // Before the long work: nothing is overwritten.
    if args.output.exists() {
        return Err(smolvlm_quantise::Error::Exists { path: args.output.clone() }.into());
    }
    let files = args.model.files()?;
    let calibration = Calibration {
        texts: args.calibrate_text.iter().map(|file| read_text(file, 64)).collect::<Result<_, _>>()?,
        sources: sources(&args.calibrate, &args.columns.columns())?,
        limit: args.limit as usize,
        longest_edge: args.max_edge,
    };
    let mut shown = Shown { progress: Progress::new(), stage: "loading", bad: 0 };
    let machine = (args.compute.threads(), args.compute.isa()?);
    let known = !calibration.texts.is_empty() || !calibration.sources.is_empty();
    let statistics = if known { Some(calibrate(&files, machine, &calibration, &mut shown)?) } else { None };
    shown.stage = "writing";
    let quants = args.quant.into();
    if is_gguf {
        let made = quantise_gguf(&files, machine, &args.output, quants, statistics.as_ref(), &mut shown)?;
        shown.progress.clear();
        let paths = [Some(made.text), made.mmproj].into_iter().flatten().map(|path| path.display().to_string());
        let paths: Vec<String> = paths.collect();
        return if args.json {
            print_line(&json!({ "output": paths }).to_string())
        } else {
            print_line(&paths.join("\n"))
        };
    }
    let made = quantise(&files, machine, &args.output, quants, statistics.as_ref(), &mut shown)?;
    shown.progress.clear();
    let (bytes, numbers) = made.few_bits;
    let bits = 8.0 * bytes as f64 / numbers.max(1) as f64;
    if args.json {
        return print_line(
            &json!({
                "output": args.output, "bytes": made.bytes, "few_bits": { "weights": numbers, "bits_per_weight": bits },
                "calibrated": known, "unusable_rows": shown.bad,
            })
            .to_string(),
        );
    }
    print_line(&format!(
        "{}: {:.0} MB; {:.0} million weights in {bits:.2} bits each{}",
        one_line(&args.output.display().to_string()),
        made.bytes as f64 / 1e6,
        numbers as f64 / 1e6,
        if known { ", calibrated" } else { "" }
    ))
}

/// How far it is.
struct Shown {
    progress: Progress,
    stage: &'static str,
    bad: usize,
}

impl Observer for Shown {
    fn tensors(&mut self, done: usize, of: usize) {
        self.progress.show(self.stage, done, of);
    }

    fn samples(&mut self, done: usize, of: usize) {
        self.progress.show("samples", done, of);
    }

    fn bad(&mut self, name: &str, why: &str) {
        self.bad += 1;
        self.progress.note(&format!("{}: {}", one_line(name), one_line(why)));
    }
}
