//! An evaluation as one HTML page: scores, and pictures with wrong and right answers. It needs nothing outside itself.

use crate::evaluation::{Control, Options, Outcome};
use crate::metrics::Metric;
use crate::picture::Shown;
use crate::question::Question;
use crate::scores::Score;
use crate::thumbnail;
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
    /// The examples with the lowest numbers are kept: a draw, so that they are not all from the data's beginning.
    draw: u64,
    name: String,
    question: String,
    /// Data URLs.
    pictures: Vec<String>,
    answer: String,
    expected: String,
    also: Vec<String>,
    score: f64,
    /// How many turns of the chat stand before the question.
    before: usize,
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

/// The page while answers come.
pub(crate) struct Page {
    seed: u64,
    metric: Metric,
    pool: Pool,
    groups: Vec<Group>,
    count: u64,
}

impl Page {
    pub(crate) fn new(seed: u64, metric: Metric) -> Page {
        Page { seed, metric, pool: Pool::new(1), groups: Vec::new(), count: 0 }
    }

    /// Keeps the answer if it is drawn.
    pub(crate) fn offer(
        &mut self,
        group: usize,
        question: &Question,
        answer: &str,
        score: f64,
        decode: &DecodeOptions,
    ) {
        let draw = hash(self.seed, &[self.count]);
        self.count += 1;
        if self.groups.len() <= group && group < GROUPS {
            self.groups.resize_with(group + 1, Group::default);
        }
        let Some(group) = self.groups.get_mut(group) else { return };
        let (kept, most) = if is_right(score) { (&mut group.right, RIGHT) } else { (&mut group.wrong, WRONG) };
        if kept.len() == most && kept.last().is_some_and(|last| last.draw <= draw) {
            return;
        }
        let pictures = chosen(&question.pictures).filter_map(|shown| {
            let picture = shown.open(decode).ok()?;
            thumbnail::data_url(&picture, &self.pool).ok()
        });
        let truth = &question.truth;
        let mut also: Vec<String> = Vec::new();
        for other in truth.accepted().skip(1) {
            if other != truth.expected && !also.iter().any(|seen| seen == other) {
                also.push(other.to_owned());
            }
        }
        let example = Example {
            draw,
            name: format!("row {}{}", question.row, turn(question.turn)),
            question: truth.question.clone(),
            pictures: pictures.collect(),
            answer: answer.to_owned(),
            expected: truth.expected.clone(),
            also,
            score,
            before: question.messages.iter().filter(|message| message.role == "assistant").count(),
        };
        let at = kept.partition_point(|other| other.draw < draw);
        kept.insert(at, example);
        kept.truncate(most);
    }

    /// The page.
    pub(crate) fn html(&self, options: &Options, data: &[String], outcome: &Outcome) -> String {
        let mut chips = format!("<span class=chip>{}</span>", self.metric.name());
        let mut chip = |text: &str| {
            let _ = write!(chips, "<span class=\"chip warn\">{text}</span>");
        };
        match options.control {
            Some(Control::Blank) => chip("blank pictures"),
            Some(Control::Shuffle) => chip("exchanged pictures"),
            None => {}
        }
        if outcome.stopped {
            chip("ended early");
        }
        fill(&[
            ("title", &escape(&title(&options.model))),
            ("chips", &chips),
            ("data", &escape(&format!("{} on {}", options.model, data.join(", ")))),
            ("tiles", &tiles(outcome)),
            ("legend", &legend(self.metric)),
            ("scores", &table(outcome)),
            ("examples", &self.examples(&outcome.skills)),
        ])
    }

    fn examples(&self, scores: &[Score]) -> String {
        let mut out = String::new();
        for (index, (score, group)) in scores.iter().zip(&self.groups).enumerate() {
            let _ = write!(
                out,
                "<section><h2 id=g{index}>{}</h2><p class=soft>{} of {}</p>",
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
        let before = match example.before {
            0 => String::new(),
            1 => ", behind one answered question".to_owned(),
            more => format!(", behind {more} answered questions"),
        };
        let _ = write!(out, "</dl><p class=\"name soft\">{}{before}</p></div></article>", escape(&example.name));
        out
    }
}

/// The last part of the path of a model, and of each of its adapters.
fn title(model: &str) -> String {
    let last = |name: &str| Path::new(name).file_name().map_or(name.to_owned(), |last| last.to_string_lossy().into());
    model.split(" + ").map(last).collect::<Vec<_>>().join(" + ")
}

/// Graded answers count as right from a half on.
fn is_right(score: f64) -> bool {
    score >= 0.5
}

fn turn(turn: usize) -> String {
    if turn == 1 { String::new() } else { format!(", answer {turn}") }
}

fn tiles(outcome: &Outcome) -> String {
    let mut out = String::new();
    let mut tile = |name: &str, value: &str, note: &str| {
        let _ = write!(out, "<div class=tile><dt>{name}</dt><dd>{value}</dd><p>{note}</p></div>");
    };
    let Score { score, interval: (low, high), count, chance, .. } = &outcome.total;
    tile("Score", &percent(*score), &format!("{} to {} in 95 of 100", percent(*low), percent(*high)));
    let answer = if chance.answer.is_empty() { "one for each skill" } else { &chance.answer };
    tile("Best constant answer", &percent(chance.score), &escape(answer));
    let bad = if outcome.bad == 0 { String::new() } else { format!(", {} not usable", grouped(outcome.bad)) };
    tile("Questions", &grouped(*count), &format!("of {} rows{bad}", grouped(outcome.rows)));
    let rate = *count as f64 / outcome.seconds.max(1e-9);
    tile("Answers a second", &format!("{rate:.2}"), &format!("{:.0} s in all", outcome.seconds));
    out
}

fn legend(metric: Metric) -> String {
    let interval = if metric.is_graded() { "normal, of the answers' scores" } else { "Wilson's" };
    format!(
        "The thin line is the 95 % interval ({interval}), the upright mark what the best constant answer scores. \
         By wording: one constant answer for each question that is asked at least 20 times in the same words."
    )
}

fn table(outcome: &Outcome) -> String {
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
        row("", &if index < GROUPS { format!("<a href=#g{index}>{name}</a>") } else { name }, score);
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
fn fill(values: &[(&str, &str)]) -> String {
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
fn escape(text: &str) -> String {
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
    use crate::scores::Record;
    use smolvlm_processor::ClipChoice;

    fn options(model: &str) -> Options {
        Options {
            model: model.into(),
            metric: Metric::Exact,
            control: Some(Control::Blank),
            limit: None,
            seed: 0,
            batch: 1,
            max_tokens: 1,
            plan: smolvlm_processor::PlanOptions::default(),
            clips: ClipChoice::default(),
            decode: DecodeOptions::default(),
            output: "out".into(),
        }
    }

    fn page(name: &str, answers: &[(&str, f64)]) -> (Page, Outcome) {
        let mut page = Page::new(1, Metric::Exact);
        let mut records = Vec::new();
        for (row, (answer, score)) in (1..).zip(answers) {
            let truth =
                Truth { question: name.into(), expected: name.into(), also: vec![name.into()], ..Truth::default() };
            let pictures = vec![Arc::new(Shown::Grey(4, 3))];
            let question = Question {
                source: 0,
                row,
                turn: 2,
                messages: Vec::new(),
                pictures,
                clips: Vec::new(),
                truth: truth.clone(),
                skill: None,
            };
            page.offer(0, &question, answer, *score, &DecodeOptions::default());
            records.push(Record { group: 0, source: 0, score: *score, truth });
        }
        let skills = scores::by(Metric::Exact, &[name.to_owned()], &records, |record| record.group);
        let outcome = Outcome {
            total: scores::total(Metric::Exact, &records, &skills),
            skills,
            sources: Vec::new(),
            rows: answers.len(),
            bad: 0,
            stopped: false,
            seconds: 1.0,
            json: serde_json::Value::Null,
            page: "report.html".into(),
            answers: "answers.jsonl".into(),
        };
        (page, outcome)
    }

    #[test]
    fn texts_are_escaped_and_nothing_is_loaded() {
        let evil = "</script><b a=\"'&{{data}}";
        let (page, outcome) = page(evil, &[(evil, 0.0)]);
        let html = page.html(&options(evil), &[evil.to_owned()], &outcome);
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
        let html = page.html(&options("m"), &["d".to_owned()], &outcome);
        assert_eq!(html.matches("<article class=wrong>").count(), WRONG);
        assert_eq!(html.matches("<article class=right>").count(), RIGHT);
        let shown = |i: i32| html.contains(&format!(">w{i}."));
        assert!((50..100).any(shown) && !(0..20).all(shown));
        assert_eq!(html, page.html(&options("m"), &["d".to_owned()], &outcome));
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!([1, 999, 1000, 1_234_567].map(grouped), ["1", "999", "1,000", "1,234,567"]);
    }
}
