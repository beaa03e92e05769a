//! Several benchmarks at a glance: one table in Markdown, and one page with all their answers.

use crate::Error;
use crate::page::{escape, fill, published, table, title};
use crate::results::Outcome;
use crate::run_state::Folder;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 8] =
    ["benchmark", "questions", "score", "95 %", "published", "differs by", "seconds, tokens a question", "memory"];

/// A benchmark's row of the table.
fn row(outcome: &Outcome) -> [String; 8] {
    let (low, high) = outcome.total.interval;
    let score = outcome.own.first().map_or(100.0 * outcome.total.score, |(_, value)| *value);
    let known = outcome.task.as_ref().and_then(|task| published(task, &outcome.model));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let each = |sum: f64| sum / outcome.speed.questions.max(1) as f64;
    [
        outcome.task.as_ref().map_or_else(String::new, |task| task.title.clone()),
        outcome.total.count.to_string(),
        format!("{score:.1}"),
        format!("{:.1} – {:.1}", 100.0 * low, 100.0 * high),
        or_none(known.map(|known| format!("{known:.1}"))),
        or_none(known.map(|known| format!("{:+.1}", score - known))),
        format!("{:.2}, {:.1}", each(outcome.speed.seconds), each(outcome.speed.tokens as f64)),
        format!("{:.2} GB", outcome.speed.peak as f64 / 1e9),
    ]
}

/// The table in Markdown.
pub fn markdown(outcomes: &[Outcome]) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let mut lines = vec![format!("| {} |", COLUMNS.join(" | ")), format!("|{}", "---|".repeat(COLUMNS.len()))];
    lines.extend(outcomes.iter().map(|outcome| line(&row(outcome))));
    lines.join("\n")
}

/// Writes `report.md` and `report.html` of several benchmarks into a folder; the page.
///
/// # Errors
/// A file cannot be written.
pub fn overview(folder: &Path, outcomes: &[Outcome]) -> Result<PathBuf, Error> {
    let folder = Folder::new(folder);
    folder.put("report.md", format!("{}\n", markdown(outcomes)).as_bytes())?;
    let mut scores = "<table><thead><tr>".to_owned();
    COLUMNS.iter().for_each(|name| _ = write!(scores, "<th>{name}"));
    scores.push_str("<tbody>");
    let mut sections = String::new();
    for outcome in outcomes {
        let name = outcome.task.as_ref().map_or("", |task| task.name.as_str());
        let [benchmark, cells @ ..] = row(outcome);
        let _ = write!(scores, "<tr><td><a href=\"#{}\">{}</a>", escape(name), escape(&benchmark));
        cells.iter().for_each(|cell| _ = write!(scores, "<td>{}", escape(cell)));
        let _ = write!(
            sections,
            "<section id=\"{}\"><h1>{}</h1><div class=table>{}</div></section>{}",
            escape(name),
            escape(&benchmark),
            table(outcome, &format!("{name}-")),
            outcome.sections
        );
    }
    scores.push_str("</table>");
    let model = outcomes.first().map_or("", |outcome| outcome.model.as_str());
    let html = fill(&[
        ("title", &escape(&title(model))),
        ("chips", ""),
        ("data", &escape(&format!("{model} on {} benchmarks", outcomes.len()))),
        ("tiles", ""),
        (
            "legend",
            "The score is what each benchmark is reported by; the interval is that of the mean over its answers.",
        ),
        ("scores", &scores),
        ("examples", &sections),
    ]);
    folder.put("report.html", html.as_bytes())
}
