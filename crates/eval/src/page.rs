//! An evaluation as one HTML page: scores, and pictures with wrong and right answers. It needs nothing outside itself.

use crate::evaluation::Control;
use crate::metrics::Metric;
use crate::picture::Shown;
use crate::records::Line;
use crate::results::{Outcome, draw};
use crate::scores::{Record, Score};
use crate::task::Task;
use crate::thumbnail;
use smolvlm_data::Draw;
use smolvlm_data::random::hash;
use smolvlm_kernels::Pool;
use smolvlm_processor::DecodeOptions;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

const TEMPLATE: &str = include_str!("page.html");
/// The most wrong answers of a group.
const WRONG: usize = 12;
/// The most right ones.
const RIGHT: usize = 6;
/// The most groups that are shown with answers: the pictures are what makes the page heavy.
const GROUPS: usize = 40;
/// The most pictures of a question.
const PICTURES: usize = 4;

/// A question with its answer.
struct Example {
    name: String,
    question: String,
    /// Data URLs.
    pictures: Vec<String>,
    answer: String,
    expected: String,
    also: Vec<String>,
    score: f64,
}

/// Who shows the pictures of a question again.
pub(crate) trait Pictures {
    /// Those of a row's question; none where they are not to be had.
    fn of(&self, row: Draw, turn: usize) -> Vec<Arc<Shown>>;
}

/// Some of a question's pictures: the last ones; of a clip frames from all over it.
fn chosen(pictures: &[Arc<Shown>]) -> impl Iterator<Item = &Arc<Shown>> {
    let count = pictures.len();
    let is_clip = pictures.iter().any(|shown| matches!(**shown, Shown::Frame(_)));
    let step = if is_clip { count.saturating_sub(1) as f64 / (PICTURES - 1) as f64 } else { 1.0 };
    let first = if is_clip { 0 } else { count.saturating_sub(PICTURES) };
    let place = move |at: usize| first + (at as f64 * step).round() as usize;
    (0..PICTURES.min(count)).filter_map(move |at| pictures.get(if count <= PICTURES { at } else { place(at) }))
}

/// The examples of a group.
#[derive(Default)]
struct Group {
    wrong: Vec<Example>,
    right: Vec<Example>,
}

/// The page.
pub(crate) struct Page {
    metric: Metric,
    groups: Vec<Group>,
}

impl Page {
    /// Of these answers; of each group some wrong and some right ones, drawn by the seed.
    pub(crate) fn new(
        seed: u64,
        metric: Metric,
        groups: &[String],
        records: &[Record],
        lines: &[Line],
        (pictures, decode): (&dyn Pictures, &DecodeOptions),
        sources: &[String],
    ) -> Page {
        let pool = Pool::new(1);
        let example = |record: &Record| {
            let line = lines.get(record.line)?;
            let turn = line.turn.unwrap_or(1);
            let shown = pictures.of(draw(line, sources), turn);
            let pictures =
                chosen(&shown).filter_map(|shown| thumbnail::data_url(&shown.open(decode).ok()?, &pool).ok());
            Some(Example::of(record, line.row, turn, pictures.collect()))
        };
        let of_group = |group: usize, right: bool, most: usize| {
            let mut drawn: Vec<(u64, &Record)> = records
                .iter()
                .enumerate()
                .filter(|(_, record)| record.group == group && is_right(record.score) == right)
                .map(|(at, record)| (hash(seed, &[at as u64]), record))
                .collect();
            drawn.sort_by_key(|(draw, _)| *draw);
            drawn.into_iter().take(most).filter_map(|(_, record)| example(record)).collect()
        };
        let count = groups.len().min(GROUPS);
        let group = |group| Group { wrong: of_group(group, false, WRONG), right: of_group(group, true, RIGHT) };
        Page { metric, groups: (0..count).map(group).collect() }
    }

    /// The page.
    pub(crate) fn html(
        &self,
        (model, control): (&str, Option<Control>),
        data: &[String],
        task: Option<&Task>,
        outcome: &Outcome,
    ) -> String {
        let mut chips = format!("<span class=chip>{}</span>", self.metric.name());
        let mut chip = |text: &str| {
            let _ = write!(chips, "<span class=\"chip warn\">{text}</span>");
        };
        match control {
            Some(Control::Blank) => chip("blank pictures"),
            Some(Control::Shuffle) => chip("exchanged pictures"),
            None => {}
        }
        if outcome.stopped {
            chip("ended early");
        }
        fill(&[
            ("title", &escape(&title(model))),
            ("chips", &chips),
            (
                "data",
                &escape(&format!("{model} on {}", task.map_or_else(|| data.join(", "), |task| task.title.clone()))),
            ),
            ("tiles", &tiles(outcome, model, task)),
            ("legend", &legend(self.metric)),
            ("scores", &table(outcome, &prefix(task))),
            ("examples", &self.sections(task, outcome)),
        ])
    }

    /// A benchmark's own numbers, and the examples of each group.
    pub(crate) fn sections(&self, task: Option<&Task>, outcome: &Outcome) -> String {
        let mut out = own(outcome);
        out.push_str(&self.examples(&outcome.skills, &prefix(task)));
        out
    }

    fn examples(&self, scores: &[Score], prefix: &str) -> String {
        let mut out = String::new();
        for (index, (score, group)) in scores.iter().zip(&self.groups).enumerate() {
            let _ = write!(
                out,
                "<section><h2 id=\"{prefix}g{index}\">{}</h2><p class=soft>{} of {}</p>",
                escape(&score.name),
                percent(score.score),
                grouped(score.count)
            );
            for (kind, title, examples) in [("wrong", "Wrong", &group.wrong), ("right", "Right", &group.right)] {
                if !examples.is_empty() {
                    let _ = write!(out, "<h3 class={kind}>{title}</h3><div class=cards>");
                    examples.iter().for_each(|example| out.push_str(&self.card(kind, example)));
                    out.push_str("</div>");
                }
            }
            out.push_str("</section>");
        }
        if scores.len() > GROUPS {
            let _ = write!(out, "<p class=soft>Answers of the first {GROUPS} groups are shown.</p>");
        }
        out
    }

    fn card(&self, kind: &str, example: &Example) -> String {
        let mut out = format!("<article class={kind}>");
        if !example.pictures.is_empty() {
            out.push_str("<div class=pictures>");
            for url in &example.pictures {
                let _ = write!(out, "<img src=\"{}\" alt=\"\" loading=lazy>", escape(url));
            }
            out.push_str("</div>");
        }
        let said = if example.answer.is_empty() { "(nothing)" } else { &example.answer };
        let _ = write!(
            out,
            "<div><p class=question>{}</p><dl><dt>said<dd class=said>{}<dt>right<dd>{}",
            escape(&example.question),
            escape(said),
            escape(&example.expected)
        );
        if !example.also.is_empty() {
            let _ = write!(out, "<dt>also<dd>{}", escape(&example.also.join(", ")));
        }
        if self.metric.is_graded() {
            let _ = write!(out, "<dt>score<dd>{:.2}", example.score);
        }
        let _ = write!(out, "</dl><p class=\"name soft\">{}</p></div></article>", escape(&example.name));
        out
    }
}

impl Example {
    fn of(record: &Record, row: u64, turn: usize, pictures: Vec<String>) -> Example {
        let truth = &record.truth;
        let mut also: Vec<String> = Vec::new();
        for other in truth.accepted().skip(1) {
            if *other != truth.expected && !also.iter().any(|seen| seen == other) {
                also.push(other.to_owned());
            }
        }
        let listed: String = truth.choices.iter().map(|(letter, text)| format!("\n{letter}. {text}")).collect();
        Example {
            name: format!("row {row}{}", if turn == 1 { String::new() } else { format!(", answer {turn}") }),
            question: format!("{}{listed}", truth.question),
            pictures,
            answer: record.answer.clone(),
            expected: truth.expected.clone(),
            also,
            score: record.score,
        }
    }
}

/// The last part of the path of a model, and of each of its adapters.
pub(crate) fn title(model: &str) -> String {
    let last = |name: &str| Path::new(name).file_name().map_or(name.to_owned(), |last| last.to_string_lossy().into());
    model.split(" + ").map(last).collect::<Vec<_>>().join(" + ")
}

/// Graded answers count as right from a half on.
fn is_right(score: f64) -> bool {
    score >= 0.5
}

fn tiles(outcome: &Outcome, model: &str, task: Option<&Task>) -> String {
    let mut out = String::new();
    let mut tile = |name: &str, value: &str, note: &str| {
        let _ = write!(out, "<div class=tile><dt>{name}</dt><dd>{value}</dd><p>{note}</p></div>");
    };
    let Score { score, interval: (low, high), count, chance, .. } = &outcome.total;
    tile("Score", &percent(*score), &format!("{} to {} in 95 of 100", percent(*low), percent(*high)));
    if let Some((name, value)) = outcome.own.first() {
        tile(&escape(name), &format!("{value:.2}"), "as the benchmark counts");
    }
    if let Some(published) = task.and_then(|task| published(task, model)) {
        let own = outcome.own.first().map_or(score * 100.0, |(_, value)| *value);
        tile("Published", &format!("{published:.1}"), &format!("{:+.1} here", own - published));
    }
    let answer = if chance.answer.is_empty() { "one for each skill" } else { &chance.answer };
    tile("Best constant answer", &percent(chance.score), &escape(answer));
    let bad = if outcome.bad == 0 { String::new() } else { format!(", {} not usable", grouped(outcome.bad)) };
    tile("Questions", &grouped(*count), &format!("of {} rows{bad}", grouped(outcome.rows)));
    let speed = &outcome.speed;
    let each = |sum: f64| sum / speed.questions.max(1) as f64;
    let tokens = format!("{:.1} tokens, {:.0} s in all", each(speed.tokens as f64), speed.seconds);
    tile("A question", &format!("{:.2} s", each(speed.seconds)), &tokens);
    if speed.peak > 0 {
        tile("Memory", &format!("{:.2} GB", speed.peak as f64 / 1e9), "at most");
    }
    out
}

/// The published score of a model.
pub(crate) fn published(task: &Task, model: &str) -> Option<f64> {
    let named = |(of, _): &(&String, &f64)| title(model).eq_ignore_ascii_case(of);
    task.published.iter().find(named).map(|(_, score)| *score)
}

/// What the places of a benchmark's groups begin with, on a page of several.
fn prefix(task: Option<&Task>) -> String {
    task.map_or_else(String::new, |task| format!("{}-", task.name))
}

/// A benchmark's own numbers, and those that others' code gives of the same answers.
fn own(outcome: &Outcome) -> String {
    if outcome.own.is_empty() {
        return String::new();
    }
    let row = |(name, value): &(String, f64)| format!("<tr><td>{}<td>{value:.2}", escape(name));
    let rows: String = outcome.own.iter().map(row).collect();
    format!(
        "<section><h2>As the benchmark counts</h2><p class=soft>Points of a hundred.</p>\
         <div class=table><table><tbody>{rows}</table></div></section>"
    )
}

fn legend(metric: Metric) -> String {
    let interval = if metric.is_graded() { "normal, of the answers' scores" } else { "Wilson's" };
    format!(
        "The thin line is the 95 % interval ({interval}), the upright mark what the best constant answer scores. \
         By wording: one constant answer for each question that is asked at least 20 times in the same words."
    )
}

pub(crate) fn table(outcome: &Outcome, prefix: &str) -> String {
    let mut out =
        "<table><thead><tr><th><th>questions<th class=meter><th>score<th>95 %<th>constant<th>by wording<tbody>"
            .to_owned();
    let mut row = |class: &str, name: &str, score: &Score| {
        let (low, high) = score.interval;
        let (chance, wide) = (score.chance.score * 100.0, (high - low) * 100.0);
        let _ = write!(
            out,
            "<tr class=\"{class}\"><td>{name}<td>{}<td class=meter><span class=bar><i style=\"width:{:.2}%\"></i>\
             <b style=\"left:{:.2}%;width:{wide:.2}%\"></b><u style=\"left:{chance:.2}%\"></u></span>\
             <td>{}<td>{:.1} – {}<td>{}<td>{}",
            grouped(score.count),
            score.score * 100.0,
            low * 100.0,
            percent(score.score),
            low * 100.0,
            percent(high),
            percent(score.chance.score),
            percent(score.chance.by_wording),
        );
    };
    for (index, score) in outcome.skills.iter().enumerate() {
        let name = escape(&score.name);
        row("", &if index < GROUPS { format!("<a href=\"#{prefix}g{index}\">{name}</a>") } else { name }, score);
    }
    if outcome.skills.len() > 1 {
        row("all", "all", &outcome.total);
    }
    outcome.sources.iter().for_each(|score| row("", &format!("from {}", escape(&score.name)), score));
    out + "</table>"
}

fn percent(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// Digits in threes.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The template with its places filled, in one pass: what is put in is not looked through again.
pub(crate) fn fill(values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    let mut parts = TEMPLATE.split("{{");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let Some((name, rest)) = part.split_once("}}") else { continue };
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| *value);
        out.push_str(value);
        out.push_str(rest);
    }
    out
}

/// Text in HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Truth;
    use crate::scores;

    struct Grey;

    impl Pictures for Grey {
        fn of(&self, _: Draw, _: usize) -> Vec<Arc<Shown>> {
            vec![Arc::new(Shown::Grey(4, 3))]
        }
    }

    fn page(name: &str, answers: &[(&str, f64)]) -> (Page, Outcome) {
        let (mut records, mut lines) = (Vec::new(), Vec::new());
        for (line, (answer, score)) in answers.iter().enumerate() {
            let truth =
                Truth { question: name.into(), expected: name.into(), also: vec![name.into()], ..Truth::default() };
            let what = Err(String::new());
            lines.push(Line { source: "d".into(), row: line as u64 + 1, turn: Some(2), what });
            let answer = (*answer).to_owned();
            records.push(Record { group: 0, skill: None, source: 0, score: *score, answer, truth, line });
        }
        let names = [name.to_owned()];
        let page = Page::new(
            1,
            Metric::Exact,
            &names,
            &records,
            &lines,
            (&Grey, &DecodeOptions::default()),
            &["d".to_owned()],
        );
        let skills = scores::by(Metric::Exact, &names, &records, |record| record.group);
        let outcome = Outcome {
            metric: Metric::Exact,
            total: scores::total(Metric::Exact, &records, &skills),
            own: Vec::new(),
            skills,
            sources: Vec::new(),
            rows: answers.len(),
            bad: 0,
            stopped: false,
            speed: crate::run_state::Speed::default(),
            json: serde_json::Value::Null,
            sections: String::new(),
            task: None,
            model: "m".into(),
            page: "report.html".into(),
            answers: "answers.jsonl".into(),
        };
        (page, outcome)
    }

    #[test]
    fn texts_are_escaped_and_nothing_is_loaded() {
        let evil = "</script><b a=\"'&{{data}}";
        let (page, outcome) = page(evil, &[(evil, 0.0)]);
        let html = page.html((evil, Some(Control::Blank)), &[evil.to_owned()], None, &outcome);
        assert!(!html.contains("<b a") && !html.contains("a=\"'"));
        assert!(html.matches("&lt;/script&gt;&lt;b a=&quot;&#39;&amp;{{data}}").count() >= 6, "{html}");
        assert!(!html.contains("http:") && !html.contains("https:"));
        assert!(html.contains("<img src=\"data:image/") && html.contains("blank pictures"));
        assert_eq!(title("/models/a + out/b/"), "a + b");
    }

    #[test]
    fn examples_are_few_and_drawn() {
        let answers: Vec<(String, f64)> =
            (0..100).map(|i| (format!("w{i}."), f64::from(u8::from(i % 2 == 0)))).collect();
        let answers: Vec<(&str, f64)> = answers.iter().map(|(answer, score)| (answer.as_str(), *score)).collect();
        let (page, outcome) = page("skill", &answers);
        let html = page.html(("m", None), &["d".to_owned()], None, &outcome);
        assert_eq!(html.matches("<article class=wrong>").count(), WRONG);
        assert_eq!(html.matches("<article class=right>").count(), RIGHT);
        let shown = |i: i32| html.contains(&format!(">w{i}."));
        assert!((50..100).any(shown) && !(0..20).all(shown));
        assert_eq!(html, page.html(("m", None), &["d".to_owned()], None, &outcome));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([1, 999, 1000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
    }
}
