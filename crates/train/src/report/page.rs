//! The page around the curves.

use super::curves::curves;
use super::line::{default_window, drawable, points, smoothed};
use super::number::{grouped, number};
use super::{Report, SampleAnswer};
use std::{borrow::Cow, fmt::Write};

const TEMPLATE: &str = include_str!("page.html");

/// The page.
pub(crate) fn html(run: &Report) -> String {
    let (state, _) = run.status.split_once(':').unwrap_or((&run.status, ""));
    fill(TEMPLATE, |name| match name {
        "title" => escape(&run.title).into(),
        "status" => escape(&run.status).into(),
        "state" => escape(state.trim()).into(),
        "tiles" => tiles(run),
        "notice" => notice(run),
        "curves" => curves(run),
        "answers" => answers(&run.answers),
        "facts" => facts(&run.facts),
        "settings" => escape(&run.settings).into(),
        _ => String::new(),
    })
}

/// Puts values for `{{name}}`, once through, so that a value may hold braces itself.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        page.push_str(&value(name));
        page.push_str(rest);
    }
    page
}

/// Text for an element or a quoted attribute.
pub(super) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>', '"', '\'']) {
        return text.into();
    }
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;").into()
}

fn tiles(run: &Report) -> String {
    let mut out = String::new();
    let mut tile = |name: &str, value: String, detail: String| {
        let _ = write!(out, "<div class=tile><dt>{name}</dt><dd>{value}</dd><p>{detail}</p></div>");
    };
    let loss = points(run.rows.iter().map(|row| (row.step, row.loss)), usize::MAX);
    let smooth = smoothed(&loss, default_window(loss.len()).1);
    let drawn = |value: &&f64| drawable(**value);
    if let (Some(first), Some(last)) = (smooth.iter().find(drawn), smooth.iter().rev().find(drawn)) {
        tile("Training loss", number(*last), format!("smoothed; at first {}", number(*first)));
    }
    let held: Vec<_> = run.validation.iter().filter(|(_, loss)| drawable(*loss)).collect();
    if let (Some((_, last)), Some((step, best))) = (held.last(), held.iter().min_by(|a, b| a.1.total_cmp(&b.1))) {
        tile("Validation loss", number(*last), format!("lowest {} at step {}", number(*best), grouped(*step as f64)));
    }
    if let Some(last) = run.rows.last() {
        tile(
            "Step",
            grouped(last.step as f64),
            match run.rows.len() {
                1 => "1 row logged".to_owned(),
                rows => format!("{} rows logged", grouped(rows as f64)),
            },
        );
        let speeds = median(run.rows.iter().map(|row| row.tokens_per_second));
        let pictures = median(run.rows.iter().map(|row| row.pictures_per_second));
        let pictures = pictures.filter(|speed| *speed > 0.0).map(|speed| format!("; {} pictures/s", number(speed)));
        if let Some(speed) = speeds {
            tile("Tokens per second", number(speed), format!("median{}", pictures.unwrap_or_default()));
        }
        if let Some(mfu) = median(run.rows.iter().filter_map(|row| row.mfu)) {
            tile("MFU", format!("{} %", number(mfu * 100.0)), "median; of peak arithmetic".into());
        }
    }
    out
}

/// What went wrong with the numbers.
fn notice(run: &Report) -> String {
    let mut bad = run.rows.iter().filter(|row| !row.loss.is_finite());
    let Some(first) = bad.next() else { return String::new() };
    format!(
        "<p class=notice role=note>The loss was not a finite number in {} of {} logged rows, first at step {}.</p>",
        grouped(bad.count() as f64 + 1.0),
        grouped(run.rows.len() as f64),
        grouped(first.step as f64)
    )
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.filter(|value| drawable(*value)).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn answers(answers: &[SampleAnswer]) -> String {
    /// So many answers of a sample stand open, the newest.
    const OPEN: usize = 4;
    let mut samples: Vec<(&SampleAnswer, Vec<&SampleAnswer>)> = Vec::new();
    for answer in answers {
        let same = |other: &SampleAnswer| other.sample == answer.sample && other.question == answer.question;
        match samples.iter_mut().find(|(first, _)| same(first)) {
            Some((_, all)) => all.push(answer),
            None => samples.push((answer, vec![answer])),
        }
    }
    let mut out = String::new();
    for (first, mut all) in samples {
        all.sort_by_key(|answer| std::cmp::Reverse(answer.step));
        let name = escape(&first.sample);
        out += "<article>";
        let picture = all.iter().find_map(|answer| answer.picture.as_deref());
        if let Some(url) = picture.filter(|url| url.starts_with("data:image/")) {
            let _ = write!(out, "<img src=\"{}\" alt=\"Picture of {name}\" loading=lazy>", escape(url));
        }
        let _ = write!(out, "<div><p class=name>{name}</p><h3>{}</h3>", escape(&first.question));
        let _ = write!(
            out,
            "<table><thead><tr><th>Step<th>Answer<tbody><tr class=want><td>wanted<td>{}",
            escape(&first.want)
        );
        let (open, earlier) = all.split_at(all.len().min(OPEN));
        out += &answer_rows(open);
        out += "</table>";
        if !earlier.is_empty() {
            let _ = write!(out, "<details><summary>{} earlier</summary><table>", earlier.len());
            out += &answer_rows(earlier);
            out += "</table></details>";
        }
        out += "</div></article>";
    }
    if out.is_empty() { out } else { format!("<section><h2>Sample answers</h2>{out}</section>") }
}

fn answer_rows(answers: &[&SampleAnswer]) -> String {
    let mut out = String::new();
    for answer in answers {
        let right = answer.answer.trim() == answer.want.trim();
        let mark = if right { " <b title=\"equals what is wanted\">✓</b>" } else { "" };
        let _ = write!(out, "<tr><td>{}<td>{}{mark}", grouped(answer.step as f64), escape(&answer.answer));
    }
    out
}

fn facts(facts: &[(String, String)]) -> String {
    let mut out = String::new();
    for (name, value) in facts {
        let _ = write!(out, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::LogRow;
    use super::super::tests::{charts, row, run};
    use super::*;

    #[test]
    fn texts_are_escaped() {
        let evil = "</script><b a=\"'&{{settings}}".to_owned();
        let answer = SampleAnswer {
            sample: evil.clone(),
            question: evil.clone(),
            want: evil.clone(),
            answer: evil.clone(),
            picture: Some(format!("data:image/png;base64,{evil}")),
            ..SampleAnswer::default()
        };
        let page = html(&Report {
            title: evil.clone(),
            status: evil.clone(),
            facts: vec![(evil.clone(), evil.clone())],
            settings: "SETTINGS".into(),
            rows: vec![LogRow { by_source: vec![(0, 1.0), (7, 1.0)], ..row(1, 2.0) }],
            answers: vec![answer],
            sources: vec![evil.clone()],
            ..Report::default()
        });
        assert!(!page.contains("<b a") && !page.contains("a=\"'"));
        assert_eq!(page.matches("&lt;/script&gt;&lt;b a=&quot;&#39;&amp;{{settings}}").count(), 13);
        assert_eq!(page.matches("SETTINGS").count(), 1);
        assert_eq!(charts(&page)[0]["lines"][1]["name"], evil.as_str());
    }

    #[test]
    fn nothing_is_loaded_from_outside() {
        let picture = |url: &str| SampleAnswer { picture: Some(url.into()), ..SampleAnswer::default() };
        let mut report = run(vec![row(1, 2.0)]);
        report.answers = vec![picture("https://example.org/a.png")];
        let page = html(&report);
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("<img"));
        report.answers = vec![picture("data:image/png;base64,AAAA")];
        assert!(html(&report).contains("<img src=\"data:image/png;base64,AAAA\""));
    }

    #[test]
    fn few_rows() {
        assert!(html(&Report::default()).contains("Nothing is logged yet"));
        let page = html(&run(vec![row(5, 2.5)]));
        assert!(page.contains("M500.0 500.0h0"), "a dot in the middle");
        let page = html(&Report { validation: vec![(10, 1.0), (20, 0.5)], ..Report::default() });
        assert!(page.contains("lowest 0.5 at step 20"));
    }

    #[test]
    fn answers_stand_together_newest_first() {
        let answer = |step, text: &str| SampleAnswer {
            step,
            sample: "s".into(),
            want: "yes".into(),
            answer: text.into(),
            ..SampleAnswer::default()
        };
        let page = answers(&(1..7).map(|step| answer(step, if step > 4 { " yes" } else { "no" })).collect::<Vec<_>>());
        assert_eq!(page.matches("<article>").count(), 1);
        assert_eq!(page.matches('✓').count(), 2);
        assert!(page.contains("2 earlier"));
        assert!(page.find("<td>6").unwrap() < page.find("<td>1").unwrap());
    }
}
