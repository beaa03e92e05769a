//! `smolvlm compare`: how far one model is from another, or from itself in fewer bits.

use crate::error::{Error, one_line};
use crate::options::{ColumnArgs, ComputeArgs, DType, PictureArgs, PrecisionArgs, read_text, sources};
use crate::output::print_line;
use crate::pictures::{Source, SourceArgs};
use crate::progress::Progress;
use serde_json::{Value, json};
use smolvlm_engine::{Apart, Compared, DTypeChoice, Engine, EngineOptions};
use smolvlm_eval::{Evaluation, Metric, Observer, Options, Outcome, Shard, SoFar};
use smolvlm_processor::ClipChoice;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  smolvlm compare MODEL --quant q4 --text book.txt --picture photo.jpg    what fewer bits lose
  smolvlm compare MODEL --quant q8 --data questions.jsonl --limit 500     scores side by side
  smolvlm compare MODEL --first-dtype f32 --text book.txt                 what bfloat16 loses
  smolvlm compare MODEL MODEL.gguf --text book.txt --json

The first model is as its checkpoint has it (or as --dtype says); the second is the other that is named, or the same, \
in as many bits as --quant and --kv say. Both are in memory at once.";

/// Measure how far one model is from another, or from itself in fewer bits
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The model that is the measure: as -m of other commands
    #[arg(value_name = "MODEL")]
    first: String,
    /// The one that is held against it [default: the same]
    #[arg(value_name = "OTHER")]
    second: Option<String>,
    /// A text that both foretell: their perplexities, the divergence of what they hold for likely, and how often the likeliest
    /// token is the same; may be repeated
    #[arg(long = "text", value_name = "FILE")]
    texts: Vec<String>,
    /// A picture that both see: how far the tower's features are apart; may be repeated
    #[arg(long = "picture", value_name = "PICTURE")]
    seen: Vec<String>,
    /// Questions that both answer, scored by the same words as eval's metric exact; may be repeated
    #[arg(long, value_name = "DATA")]
    data: Vec<PathBuf>,
    /// Ask about N rows of the data
    #[arg(long, value_name = "N", requires = "data", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// The most tokens of an answer
    #[arg(short = 'n', long, value_name = "N", default_value_t = 128, requires = "data")]
    max_tokens: usize,
    /// Tokens of a text seen together; every one but a window's first is scored
    #[arg(long, value_name = "N", default_value_t = 512)]
    window: usize,
    /// Score the first N windows of a text only
    #[arg(long, value_name = "N")]
    chunks: Option<usize>,
    /// The precision of the first model [default: as --dtype says]
    #[arg(long, value_enum)]
    first_dtype: Option<DType>,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if args.texts.is_empty() && args.seen.is_empty() && args.data.is_empty() {
        return Error::usage("nothing to compare by: --text FILE, --picture PICTURE or --data DATA would be right");
    }
    if args.window < 2 {
        return Error::usage("--window must be at least 2: a window's first token is not scored");
    }
    let texts = args.texts.iter().map(|file| Ok((file, read_text(file, 64)?))).collect::<Result<Vec<_>, Error>>()?;
    let pictures = args.seen.iter().map(|word| SourceArgs::default().open(&Source::of(word), &args.pictures.decode()));
    let pictures = pictures.collect::<Result<Vec<_>, Error>>()?;
    // The page and the answers of an evaluation are of no use here.
    let folder = tempfile::tempdir().map_err(|source| Error::File { path: "a temporary folder".into(), source })?;
    let evaluation = if args.data.is_empty() { None } else { Some(evaluation(args, folder.path())?) };
    let plain = args.precision.plain()?;
    let first = open(args, &args.first, args.first_dtype.map_or(plain, DType::into), false)?;
    let narrow_kv = args.precision.narrow_kv();
    let second = open(args, args.second.as_ref().unwrap_or(&args.first), args.precision.choice()?, narrow_kv)?;
    let mut report = Report::default();
    for (file, text) in &texts {
        report.texts.push((one_line(file), foretell(args, &first, &second, text)?));
    }
    if !pictures.is_empty() {
        let mut apart = Apart::default();
        for picture in &pictures {
            first.see_beside(&second, picture, &args.pictures.plan(), &mut apart)?;
        }
        report.features = Some(apart.relative());
    }
    if let Some(evaluation) = &evaluation {
        report.scores = Some([score(evaluation, &first)?, score(evaluation, &second)?]);
    }
    if args.json { print_line(&report.json().to_string()) } else { print_line(&report.table()) }
}

fn open(args: &Args, name: &str, dtype: DTypeChoice, narrow_kv: bool) -> Result<Engine, Error> {
    let options = EngineOptions {
        threads: args.compute.threads(),
        isa: args.compute.isa()?,
        dtype,
        narrow_kv,
        adapters: Vec::new(),
    };
    let (files, progress) = (crate::pull::files(name, None)?, Progress::new());
    Ok(Engine::open(files, &options, &mut |done, total| progress.show("loading", done, total))?)
}

fn foretell(args: &Args, first: &Engine, second: &Engine, text: &str) -> Result<Compared, Error> {
    let [ids, others] = [first, second].map(|engine| engine.processor().tokenizer().encode_plain(text));
    let ids = ids?;
    if ids != others? {
        return Error::usage("the models cut the text into different tokens: what they foretell cannot be compared");
    }
    let most = args.chunks.map_or(ids.len(), |chunks| chunks.saturating_mul(args.window));
    let ids = ids.get(..most).unwrap_or(&ids);
    let progress = Progress::new();
    let compared = first.compare(second, ids, args.window, &mut |done, of| progress.show("scoring", done, of))?;
    progress.clear();
    Ok(compared)
}

/// The questions.
fn evaluation(args: &Args, folder: &Path) -> Result<Evaluation, Error> {
    let options = Options {
        model: args.first.clone(),
        precision: String::new(),
        shard: Shard { index: 0, of: 1 },
        metric: Metric::Exact,
        control: None,
        limit: args.limit,
        seed: 0,
        batch: 8,
        max_tokens: args.max_tokens,
        plan: args.pictures.plan(),
        clips: ClipChoice::default(),
        decode: args.pictures.decode(),
        output: folder.to_owned(),
    };
    Ok(Evaluation::open(&sources(&args.data, &args.columns.columns())?, options)?)
}

/// A model's scores, as `smolvlm eval` has them.
fn score(evaluation: &Evaluation, engine: &Engine) -> Result<Outcome, Error> {
    let mut shown = Shown(Progress::new());
    let outcome = evaluation.run(engine, &mut shown)?;
    shown.0.clear();
    Ok(outcome)
}

/// Answers as they come.
struct Shown(Progress);

impl Observer for Shown {
    // The folder is new.
    fn goes_on(&mut self, _: usize) {}

    fn exchanging(&mut self, _: usize, _: usize) {}

    fn answered(&mut self, so_far: SoFar) {
        self.0.show("rows", so_far.rows, so_far.of);
    }

    fn bad(&mut self, name: &str, why: &str) {
        self.0.note(&format!("{}: {}", one_line(name), one_line(why)));
    }

    fn stops(&mut self) -> bool {
        false
    }
}

/// All that was compared.
#[derive(Default)]
struct Report {
    texts: Vec<(String, Compared)>,
    features: Option<f64>,
    scores: Option<[Outcome; 2]>,
}

impl Report {
    fn json(&self) -> Value {
        let text = |(file, compared): &(String, Compared)| {
            json!({
                "file": file, "tokens": compared.first.scored,
                "perplexity": [compared.first.perplexity(), compared.second.perplexity()],
                "divergence": compared.divergence(), "divergence_99": compared.quantile(0.99),
                "agreement": compared.agreement(),
            })
        };
        json!({
            "texts": self.texts.iter().map(text).collect::<Vec<_>>(), "features": self.features,
            "scores": self.scores.as_ref().map(|both| both.each_ref().map(|outcome| outcome.json.clone())),
        })
    }

    fn table(&self) -> String {
        let mut lines = Vec::new();
        for (file, compared) in &self.texts {
            let [first, second] = [compared.first.perplexity(), compared.second.perplexity()];
            lines.push(format!("{file}: {} tokens", compared.first.scored));
            lines.push(format!("  perplexity   {first:.4} and {second:.4} ({:+.2} %)", 100.0 * (second / first - 1.0)));
            let (mean, most) = (compared.divergence(), compared.quantile(0.99));
            lines.push(format!("  divergence   {mean:.5} nats a token, 99 of 100 below {most:.4}"));
            lines.push(format!("  agreement    the same likeliest token in {:.2} %", 100.0 * compared.agreement()));
        }
        if let Some(features) = self.features {
            lines.push(format!("features: {:.2} % apart", 100.0 * features));
        }
        if let Some([first, second]) = &self.scores {
            let name = |skill: &str| if skill.is_empty() { "all".to_owned() } else { one_line(skill) };
            let width = first.skills.iter().map(|score| name(&score.name).chars().count()).max().unwrap_or(0).max(8);
            lines.push(format!("{:width$} {:>9} {:>8} {:>8} {:>8}", "right", "questions", "first", "second", ""));
            let several = first.skills.len() > 1;
            let pairs = first.skills.iter().zip(&second.skills).map(|(a, b)| (name(&a.name), a, b));
            for (name, a, b) in pairs.chain(several.then_some(("all".to_owned(), &first.total, &second.total))) {
                let [a_part, b_part] = [a, b].map(|score| 100.0 * score.score);
                let change = b_part - a_part;
                lines.push(format!("{name:width$} {:>9} {a_part:>6.1} % {b_part:>6.1} % {change:>+8.1}", a.count));
            }
        }
        lines.join("\n")
    }
}
