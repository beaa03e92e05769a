//! `smolvlm bench`: how fast a model is here, stage by stage.

use crate::error::Error;
use crate::explain::parse_size;
use crate::options::{ComputeArgs, ModelName, PrecisionArgs};
use crate::output::print_line;
use crate::progress::Progress;
use serde_json::{Value, json};
use smolvlm_backend::{Cpu, Quant};
use smolvlm_engine::bench::{Bench, BenchOptions, BenchReport, Spread};
use smolvlm_engine::{DTypeChoice, Engine, EngineOptions};
use smolvlm_model::published::PUBLISHED;
use smolvlm_model::{Config, Quants};
use smolvlm_processor::Preset;

const EXAMPLES: &str = "\
Examples:
  smolvlm bench
  smolvlm bench --random smolvlm-256m
  smolvlm bench -m MODEL --size 640x480 --context 512 -t 1 --json";

/// Time loading, pictures, vision, prefill and decoding apart
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelName,
    /// Random weights of a published shape instead, made in memory: smolvlm-256m, smolvlm-500m or smolvlm-2b
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    random: Option<String>,
    #[command(flatten)]
    compute: ComputeArgs,
    /// The picture's size in pixels
    #[arg(long, value_name = "WxH", default_value = "1920x1080")]
    size: String,
    /// Do not cut the picture into tiles
    #[arg(long)]
    no_split: bool,
    /// Tokens of the prompt, the picture's among them, and of the context that decoding reads
    #[arg(long, value_name = "N", default_value_t = 1100)]
    context: usize,
    /// In turns with decoded tokens, time reading as many bytes from a plain buffer (which counts in the peak memory)
    #[arg(long)]
    bandwidth: bool,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Runs that are counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    runs: u16,
    /// Runs before them that are not
    #[arg(long, value_name = "N", default_value_t = 1)]
    warmup: u16,
    /// Print one JSON object: times in seconds, sizes in bytes
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let options = BenchOptions {
        size: parse_size(&args.size)?,
        context: args.context,
        runs: usize::from(args.runs),
        warmup: usize::from(args.warmup),
        bandwidth: args.bandwidth,
    };
    if args.context == 0 {
        return Error::usage("--context must be at least 1");
    }
    let before = smolvlm_sys::held().unwrap_or(0);
    let mut bench = open(&args, &options)?;
    if args.no_split {
        bench.one_tile();
    }
    let progress = Progress::new();
    let report = bench.measure(&options, &mut |done, total| progress.show("runs", done, total))?;
    progress.clear();
    if args.json { print_line(&as_json(&report, before).to_string()) } else { print_line(&as_text(&report)) }
}

fn open(args: &Args, options: &BenchOptions) -> Result<Bench, Error> {
    let threads = args.compute.threads();
    if let Some(name) = &args.random {
        let unknown =
            || Error::Usage(format!("--random: no model is named '{name}'; there are {}", PUBLISHED.join(", ")));
        let config = Config::published(name).ok_or_else(unknown)?;
        let preset = Preset::named(name.strip_prefix("smolvlm-").unwrap_or(name)).ok_or_else(unknown)?;
        // The random weights are bfloat16, as the published ones are.
        let quant: Quants = match args.precision.choice()? {
            DTypeChoice::F32 => Quant::F32.into(),
            DTypeChoice::Few(bits) => bits.into(),
            DTypeChoice::Bf16 | DTypeChoice::Auto | DTypeChoice::Fitting => Quant::Bf16.into(),
        };
        let quant = Quants { narrow_kv: args.precision.narrow_kv(), ..quant };
        return Ok(Bench::random(&config, preset.pictures, quant, Cpu::with(threads, args.compute.isa()?))?);
    }
    let files = args.model.files()?;
    let dtype = args.precision.choice()?;
    let engine_options = EngineOptions {
        threads,
        isa: args.compute.isa()?,
        dtype,
        narrow_kv: args.precision.narrow_kv(),
        adapters: Vec::new(),
    };
    let progress = Progress::new();
    let open = || Engine::open(&files, &engine_options, &mut |done, total| progress.show("loading", done, total));
    Ok(Bench::checkpoint(open, options.runs)?)
}

/// `before`: the memory that the program held before the model was loaded.
fn as_json(report: &BenchReport, before: u64) -> Value {
    let spread = |s: &Spread| json!({ "median": s.median, "min": s.min, "max": s.max });
    json!({
        "weight_bytes": report.weight_bytes, "kv_bytes": report.kv_bytes, "context": report.context,
        "tiles": report.tiles, "load": spread(&report.load), "pixels": spread(&report.pixels),
        "vision": spread(&report.vision), "prefill": spread(&report.prefill),
        "decode_token": spread(&report.decode_token), "first_token": spread(&report.first_token),
        "read": report.read.as_ref().map(spread),
        "peak_rss": smolvlm_sys::peak_rss(), "foreseen": before + report.estimate,
    })
}

fn as_text(report: &BenchReport) -> String {
    let line = |name: &str, s: &Spread, note: String| {
        format!("{name:12} {:9.4} s  ({:.4} to {:.4}){note}\n", s.median, s.min, s.max)
    };
    let per_second = |count: f64, s: &Spread| count / s.median.max(1e-12);
    let token_bytes = (report.weight_bytes + report.kv_bytes) as f64;
    let mut text = String::new();
    text += &line("load", &report.load, String::new());
    text += &line("pixels", &report.pixels, format!("  {} tiles", report.tiles));
    let tiles = per_second(report.tiles as f64, &report.vision);
    text += &line("vision", &report.vision, format!("  {tiles:.2} tiles/s"));
    let tokens = per_second(report.context as f64, &report.prefill);
    text += &line("prefill", &report.prefill, format!("  {} tokens, {tokens:.0} tokens/s", report.context));
    let (tokens, bytes) = (per_second(1.0, &report.decode_token), per_second(token_bytes, &report.decode_token) / 1e9);
    text += &line("decode", &report.decode_token, format!("  {tokens:.1} tokens/s, reads {bytes:.1} GB/s"));
    if let Some(read) = &report.read {
        let part = 100.0 * read.median / report.decode_token.median.max(1e-12);
        let bytes = per_second(token_bytes, read) / 1e9;
        text += &line(
            "read",
            read,
            format!("  the same bytes from a buffer, {bytes:.1} GB/s: decoding reaches {part:.0} %"),
        );
    }
    text += &line("first token", &report.first_token, String::new());
    let peak = smolvlm_sys::peak_rss().map_or("unknown".into(), |b| format!("{:.2} GB", b as f64 / 1e9));
    text + &format!("peak memory  {peak}")
}
