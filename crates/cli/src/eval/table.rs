//! Scores as they are printed.

use crate::error::one_line;
use serde_json::{Value, json};
use smolvlm_eval::{Difference, Outcome, Score};
use std::io::Write;
use std::path::Path;

/// What is not the result, on stderr.
pub(super) fn notes(outcome: &Outcome) {
    let mut err = std::io::stderr();
    if outcome.stopped {
        let _ = writeln!(err, "stopped: these are the answers so far; the same command goes on");
    }
    if outcome.bad > 0 {
        let _ = writeln!(err, "{} rows or questions could not be used", outcome.bad);
    }
    let speed = &outcome.speed;
    let each = speed.seconds / speed.questions.max(1) as f64;
    let tokens = speed.tokens as f64 / speed.questions.max(1) as f64;
    let _ = writeln!(err, "{each:.3} s and {tokens:.1} tokens a question, {:.2} GB at most", speed.peak as f64 / 1e9);
    let (page, answers) = (outcome.page.display(), outcome.answers.display());
    let _ = writeln!(err, "every answer in {answers}; right and wrong ones with their pictures in {page}");
}

fn text<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    outcome.json.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn percent(part: f64) -> String {
    format!("{:.1} %", 100.0 * part)
}

/// One evaluation.
pub(super) fn table(outcome: &Outcome) -> String {
    let control = match text(outcome, "control") {
        "blank" => ", blank pictures",
        "shuffle" => ", exchanged pictures",
        _ => "",
    };
    let mut rows: Vec<(String, &Score)> = outcome.skills.iter().map(|score| (name(score), score)).collect();
    if outcome.skills.len() > 1 {
        rows.push(("all".to_owned(), &outcome.total));
    }
    rows.extend(outcome.sources.iter().map(|score| (format!("from {}", name(score)), score)));
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(8);
    let (metric, questions, of) = (outcome.metric.name(), outcome.total.count, outcome.rows);
    let task = match text(outcome, "task") {
        "" => String::new(),
        task => format!("{task}, prompts of {}: ", text(outcome, "prompts")),
    };
    let mut lines = vec![
        format!("{task}{metric}{control}: {questions} questions of {of} rows"),
        format!(
            "{:width$} {:>10} {:>8} {:>15} {:>9} {:>11}  constant answer",
            "", "questions", "score", "95 %", "constant", "by wording"
        ),
    ];
    for (name, score) in rows {
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
    lines.extend(outcome.own.iter().map(|(name, value)| format!("{value:>8.2}  {}", one_line(name))));
    lines.extend(published(outcome).map(|(model, value)| format!("{value:>8.2}  published for {model}")));
    lines.join("\n")
}

/// The published score of this model, or of all where it is none of those.
fn published(outcome: &Outcome) -> impl Iterator<Item = (String, f64)> {
    let all: Vec<(String, f64)> = match outcome.json.get("published") {
        Some(Value::Object(all)) => {
            all.iter().filter_map(|(model, score)| Some((model.clone(), score.as_f64()?))).collect()
        }
        _ => Vec::new(),
    };
    let model = text(outcome, "model").rsplit('/').next().unwrap_or_default().to_owned();
    let own = all.iter().any(|(named, _)| named.eq_ignore_ascii_case(&model));
    all.into_iter().filter(move |(named, _)| !own || named.eq_ignore_ascii_case(&model))
}

/// How far one evaluation is from another.
pub(super) fn differences(differences: &[Difference], other: Option<&Path>) -> String {
    let width = differences.iter().map(|difference| difference.name.chars().count()).max().unwrap_or(0).max(3);
    let other = other.map_or_else(String::new, |other| other.display().to_string());
    let mut lines = vec![format!("against {other}, question by question:")];
    for Difference { name, count, difference, interval: (low, high) } in differences {
        let (difference, low, high) = (100.0 * difference, 100.0 * low, 100.0 * high);
        let clear = if low > 0.0 || high < 0.0 { "" } else { "  (may be chance)" };
        lines.push(format!("{name:width$} {count:>8} {difference:>+7.2}  {low:+.2} to {high:+.2}{clear}"));
    }
    lines.join("\n")
}

pub(super) fn differences_json(differences: &[Difference]) -> Value {
    let one = |of: &Difference| json!({ "name": of.name, "questions": of.count, "difference": of.difference, "low": of.interval.0, "high": of.interval.1 });
    differences.iter().map(one).collect()
}

/// A name short enough for the table.
fn name(score: &Score) -> String {
    const MOST: usize = 32;
    let name = one_line(&score.name);
    if name.chars().count() <= MOST { name } else { name.chars().take(MOST - 1).chain(['…']).collect() }
}
