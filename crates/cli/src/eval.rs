//! `smolvlm eval`: how many questions of a data set a model answers rightly.

use crate::clips::FrameArgs;
use crate::error::{Error, one_line};
use crate::options::{ColumnArgs, ModelArgs, PictureArgs, sources};
use crate::output::print_line;
use crate::progress::Progress;
use crate::signals::stop_on_signals;
use clap::ValueEnum;
use indicatif::HumanDuration;
use smolvlm_eval::{Control, Evaluation, Metric, Observer, Options, Outcome, Score, SoFar};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EXAMPLES: &str = "\
Examples:
  smolvlm eval -m MODEL --data questions.jsonl
  smolvlm eval -m MODEL --adapter out/latest --data val.parquet --metric vqa --limit 500
  smolvlm eval -m MODEL --data docvqa/validation --metric anls --prompt \"Give a short answer.\" -o out
  smolvlm eval -m MODEL --data clips.jsonl --metric choice      clips, as the first SmolVLM's script shows them
  smolvlm eval -m MODEL --data questions.jsonl --blank          what can be guessed

Every answer of the assistant in the data is a question, asked behind all that stands before it. The folder gets \
answers.jsonl, scores.json and report.html, a page of pictures with right and wrong answers.";

/// Score a model's answers to the questions of a data set
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// What to ask: any data that smolvlm train reads; may be repeated
    #[arg(long, value_name = "DATA", required = true)]
    data: Vec<PathBuf>,
    /// How answers are scored
    #[arg(long, value_enum, default_value_t)]
    metric: MetricArg,
    /// Ask about N rows, drawn by --seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Show grey of the same size in the place of every picture
    #[arg(long, conflicts_with = "shuffle")]
    blank: bool,
    /// Show every question another row's pictures
    #[arg(long)]
    shuffle: bool,
    /// Where draws begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The most tokens of an answer
    #[arg(short = 'n', long, visible_alias = "max-new-tokens", value_name = "N", default_value_t = 128)]
    max_tokens: usize,
    /// Questions that are answered side by side; more are faster and need more memory
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=512))]
    batch: u16,
    /// The column of skills, by which scores are grouped [default: skill]
    #[arg(long, value_name = "COLUMN")]
    skill_column: Option<String>,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    #[command(flatten)]
    clips: FrameArgs,
    /// Where answers, scores and the page go; what an earlier evaluation left there is replaced
    /// [default: eval/MODEL-DATA-METRIC]
    #[arg(short, long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// `--metric`
#[derive(Clone, Copy, Default, ValueEnum)]
enum MetricArg {
    /// the same words, but for case, punctuation, articles and numbers written out
    #[default]
    Exact,
    /// VQAv2's accuracy over ten annotators' answers
    Vqa,
    /// how many letters are right, as in DocVQA
    Anls,
    /// numbers less than 5 % off, as in ChartQA
    Relaxed,
    /// the letter of an option
    Choice,
    /// the option whose letter is the likeliest; nothing is written
    Likelihood,
}

impl From<MetricArg> for Metric {
    fn from(metric: MetricArg) -> Metric {
        match metric {
            MetricArg::Exact => Metric::Exact,
            MetricArg::Vqa => Metric::Vqa,
            MetricArg::Anls => Metric::Anls,
            MetricArg::Relaxed => Metric::Relaxed,
            MetricArg::Choice => Metric::Choice,
            MetricArg::Likelihood => Metric::Likelihood,
        }
    }
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let mut columns = args.columns.columns();
    columns.skill.clone_from(&args.skill_column);
    let options = options(&args);
    let evaluation = Evaluation::open(&sources(&args.data, &columns)?, options)?;
    let engine = args.model.open()?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_on_signals(&stop, "stopping; the answers so far are kept")?;
    let start = Instant::now();
    let mut shown = Shown { progress: Progress::new(), stop, start, lines: start, bad: 0 };
    let outcome = evaluation.run(&engine, &mut shown)?;
    shown.progress.clear();
    report(&outcome, &args)
}

fn options(args: &Args) -> Options {
    let control = match (args.blank, args.shuffle) {
        (true, _) => Some(Control::Blank),
        (_, true) => Some(Control::Shuffle),
        _ => None,
    };
    let metric = Metric::from(args.metric);
    Options {
        model: args.model.names().collect::<Vec<_>>().join(" + "),
        metric,
        control,
        limit: args.limit,
        seed: args.seed,
        batch: args.batch.into(),
        max_tokens: args.max_tokens,
        plan: args.pictures.plan(),
        clips: args.clips.choice(),
        decode: args.pictures.decode(),
        output: args.output.clone().unwrap_or_else(|| folder(args, metric, control)),
    }
}

/// `eval/MODEL-DATA-METRIC`, of the names' last parts.
fn folder(args: &Args, metric: Metric, control: Option<Control>) -> PathBuf {
    let last = |name: &Path| name.file_stem().map(|stem| stem.to_string_lossy().replace([':', '='], "-"));
    let names = args.model.names().map(Path::new).chain(args.data.iter().map(PathBuf::as_path));
    let mut parts: Vec<String> = names.filter_map(last).collect();
    parts.push(metric.name().to_owned());
    parts.extend(control.map(|control| control.name().to_owned()));
    Path::new("eval").join(parts.join("-"))
}

/// An evaluation as it is seen on stderr.
struct Shown {
    progress: Progress,
    stop: Arc<AtomicBool>,
    start: Instant,
    /// When the last line was written where stderr is no terminal.
    lines: Instant,
    /// What could not be used so far.
    bad: usize,
}

/// Where stderr is no terminal, so often a line is written.
const LINES: Duration = Duration::from_secs(10);

/// So much that cannot be used is named on stderr.
const NAMED: usize = 20;

impl Observer for Shown {
    fn exchanging(&mut self, done: usize, of: usize) {
        self.progress.show("exchanging", done, of);
        self.start = Instant::now();
    }

    fn answered(&mut self, so_far: SoFar) {
        let SoFar { rows, of, questions, score } = so_far;
        let spent = self.start.elapsed().as_secs_f64();
        let left = Duration::from_secs_f64((of - rows) as f64 * spent / rows.max(1) as f64);
        let rate = questions as f64 / spent.max(1e-9);
        let text =
            format!("row {rows}/{of}: {:.1} % right, {rate:.1} answers/s, {} left", 100.0 * score, HumanDuration(left));
        if std::io::stderr().is_terminal() {
            self.progress.line(&text, rows as u64, of as u64);
        } else if self.lines.elapsed() >= LINES {
            self.lines = Instant::now();
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    fn bad(&mut self, name: &str, why: &str) {
        self.bad += 1;
        match self.bad {
            0..=NAMED => self.progress.note(&format!("{}: {}", one_line(name), one_line(why))),
            bad if bad == NAMED + 1 => self.progress.note("and more, which the file of answers names"),
            _ => {}
        }
    }

    fn stops(&mut self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The scores on stdout, and where the rest is on stderr.
fn report(outcome: &Outcome, args: &Args) -> Result<(), Error> {
    let mut err = std::io::stderr();
    if outcome.stopped {
        let _ = writeln!(err, "stopped: these are the answers so far");
    }
    if outcome.bad > 0 {
        let _ = writeln!(err, "{} rows or questions could not be used", outcome.bad);
    }
    let (page, answers) = (outcome.page.display(), outcome.answers.display());
    let _ = writeln!(err, "every answer in {answers}; right and wrong ones with their pictures in {page}");
    if args.json {
        return print_line(&outcome.json.to_string());
    }
    print_line(&table(outcome, args))
}

fn table(outcome: &Outcome, args: &Args) -> String {
    let control = match (args.blank, args.shuffle) {
        (true, _) => ", blank pictures",
        (_, true) => ", exchanged pictures",
        _ => "",
    };
    let mut rows: Vec<(String, &Score)> = outcome.skills.iter().map(|score| (name(score), score)).collect();
    if outcome.skills.len() > 1 {
        rows.push(("all".to_owned(), &outcome.total));
    }
    rows.extend(outcome.sources.iter().map(|score| (format!("from {}", name(score)), score)));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(8);
    let (metric, questions, of) = (Metric::from(args.metric).name(), outcome.total.count, outcome.rows);
    let mut lines = vec![
        format!("{metric}{control}: {questions} questions of {of} rows"),
        format!(
            "{:width$} {:>10} {:>8} {:>15} {:>9} {:>11}  constant answer",
            "", "questions", "score", "95 %", "constant", "by wording"
        ),
    ];
    for (name, score) in rows {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        let (low, high) = score.interval;
        let interval = format!("{:.1} – {}", 100.0 * low, percent(high));
        let (of, chance) = (percent(score.score), &score.chance);
        let mut line = format!(
            "{name:width$} {:>10} {of:>8} {interval:>15} {:>9} {:>11}",
            score.count,
            percent(chance.score),
            percent(chance.by_wording)
        );
        if !chance.answer.is_empty() {
            line.push_str(&format!("  {}", one_line(&chance.answer)));
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// A name short enough for the table.
fn name(score: &Score) -> String {
    const MOST: usize = 32;
    let name = one_line(&score.name);
    if name.chars().count() <= MOST { name } else { name.chars().take(MOST - 1).chain(['…']).collect() }
}
