//! The numbers that a benchmark is reported by, where they are more than the mean of its answers' scores, and those that other
//! programs would give of the same answers.

use crate::metrics::Truth;
use crate::official::{anls, gqa, hallusion, mathvista, mmbench, mmmu, ocrbench, open, relaxed, video, vqa, yorn};
use crate::rule::{Rule, is_formula, is_yes, of_mathvista, options};
use crate::scores::Record;

/// Names and points of a hundred.
type Table = Vec<(String, f64)>;

/// A benchmark's own numbers over all answers, the one that is published first.
pub(crate) fn tables(rule: Rule, records: &[Record]) -> Table {
    match rule {
        Rule::Mmbench => mmbench_tables(records),
        Rule::Pope => pope_tables(records),
        Rule::Hallusion => hallusion_tables(records),
        Rule::Captions => crate::captioned::tables(records),
        Rule::Mathvista => {
            let of = |rule: fn(&str, &mathvista::Question<'_>) -> bool| {
                move |answer: &str, truth: &Truth| right(of_mathvista(truth, |question| rule(answer, question)))
            };
            let mut table = means(records, "by VLMEvalKit's rules, no judge", &of(mathvista::kit));
            table.extend(means(records, "and texts, which these never count", &of(mathvista::kit_mended)));
            table.extend(means(records, "of which no judge would be asked", &of(mathvista::kit_fetches)));
            table.extend(means(records, "by its makers' rules", &of(mathvista::is_right)));
            table
        }
        rule => {
            let mut table = means(records, rule.name(), &|answer, truth| rule.score(answer, truth));
            for (name, score) in others(rule) {
                table.extend(means(records, name, score));
            }
            if table.len() == 1 { Table::new() } else { table }
        }
    }
}

/// What other programs score.
fn others(rule: Rule) -> Vec<(&'static str, Score)> {
    match rule {
        Rule::Vqa | Rule::VqaKit => vec![
            ("as VQA's own evaluation has it", &|answer, truth| vqa::gt(answer, &accepted(truth))),
            ("as lmms-eval has it", &|answer, truth| vqa::evalai(answer, &accepted(truth))),
            ("as m4 has it", &|answer, truth| vqa::m4(answer, &accepted(truth), vqa::Part::Whole)),
            ("as m4 has it, first words", &|answer, truth| vqa::m4(answer, &accepted(truth), vqa::Part::FirstWord)),
            ("as m4 has it, by VQA's words", &|answer, truth| vqa::m4_gt(answer, &accepted(truth), vqa::Part::Whole)),
        ],
        Rule::Anls => vec![("as m4 has it", &|answer, truth| anls::m4(answer, &accepted(truth)))],
        Rule::RelaxedKit => {
            vec![("as m4 has it, its sign at fault", &|answer, truth| right(relaxed::m4(answer, &accepted(truth))))]
        }
        Rule::Mmmu => vec![
            ("as its makers have it, no lots drawn", &mmmu_own),
            ("as m4 has it", &|answer, truth| right(open::m4(answer, &accepted(truth), true))),
        ],
        Rule::Ocrbench => vec![("as lmms-eval has it", &|answer, truth| {
            right(ocrbench::lmms(answer, &accepted(truth), is_formula(truth)))
        })],
        Rule::Gqa => vec![("as lmms-eval has it", &|answer, truth| right(gqa::lmms(answer, &truth.expected)))],
        Rule::VideoMme | Rule::Mlvu => {
            vec![("as lmms-eval has it", &|answer, truth| right(video::lmms_letter(answer) == letter(truth)))]
        }
        Rule::Mvbench => vec![("as lmms-eval has it", &|answer, truth| {
            right(letter(truth).is_some_and(|letter| video::mvbench_lmms(answer, letter)))
        })],
        _ => Vec::new(),
    }
}

type Score = &'static dyn Fn(&str, &Truth) -> f64;

fn right(right: bool) -> f64 {
    f64::from(u8::from(right))
}

fn letter(truth: &Truth) -> Option<char> {
    truth.expected.chars().next()
}

/// The annotators' answers, or all that are right.
fn accepted(truth: &Truth) -> Vec<&str> {
    match truth.annotators.is_empty() {
        true => truth.accepted().collect(),
        false => truth.annotators.iter().map(String::as_str).collect(),
    }
}

/// MMMU's own evaluation; an answer for which it would draw lots is wrong.
fn mmmu_own(answer: &str, truth: &Truth) -> f64 {
    right(match truth.choices.is_empty() {
        true => open::is_right(&open::parse(answer), &accepted(truth)),
        false => mmmu::multi_choice(answer, &options(truth)) == letter(truth),
    })
}

fn means(records: &[Record], name: &str, score: &dyn Fn(&str, &Truth) -> f64) -> Table {
    let sum: f64 = records.iter().map(|record| score(&record.answer, &record.truth)).sum();
    let mean = (!records.is_empty()).then(|| 100.0 * sum / records.len() as f64);
    mean.into_iter().map(|mean| (name.to_owned(), mean)).collect()
}

fn mmbench_tables(records: &[Record]) -> Table {
    let row = |record: &Record| Some((record.truth.id.as_deref()?.parse::<f64>().ok()? as u64, record.score > 0.5));
    let rows: Vec<(u64, bool)> = records.iter().filter_map(row).collect();
    let all = [
        ("right in every turn of the options", mmbench::circular(&rows)),
        ("each turn by itself", mmbench::vanilla(&rows)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), 100.0 * value?))).collect()
}

fn pope_tables(records: &[Record]) -> Table {
    let asked = |said: fn(&str) -> Option<bool>| {
        let one = |record: &'_ Record| yorn::Asked {
            category: "",
            gold: is_yes(&record.truth.expected),
            said: said(&record.answer),
        };
        let of_category = |record| yorn::Asked { category: category(record), ..one(record) };
        records.iter().map(of_category).collect::<Vec<_>>()
    };
    let mut tables = Table::new();
    let mut put = |name: &str, scores: yorn::Pope| {
        let all = [
            ("F1", scores.f1),
            ("accuracy", scores.accuracy),
            ("precision", scores.precision),
            ("recall", scores.recall),
            ("right answers that are yes", scores.yes),
        ];
        tables.extend(all.map(|(what, value)| (format!("{name}: {what}"), 100.0 * value)));
    };
    for (name, scores) in yorn::pope_kit(&asked(yorn::kit)) {
        put(&name, scores);
    }
    put("as lmms-eval has it", yorn::pope_lmms(&asked(yorn::lmms)));
    tables
}

fn category(record: &Record) -> &str {
    record.skill.as_deref().unwrap_or_default()
}

fn hallusion_tables(records: &[Record]) -> Table {
    // VLMEvalKit's table has the three numbers in its index: VD_chart_SET_FIGURE_QUESTION, with two words in front.
    let rows: Vec<[String; 5]> = records
        .iter()
        .map(|record| {
            let more = |name: &str| record.truth.more.get(name).cloned().unwrap_or_default();
            let id = record.truth.id.clone().unwrap_or_default();
            let part = |at: usize| id.split('_').nth(at).unwrap_or_default().to_owned();
            match record.truth.more.contains_key("set_id") {
                true => ["category", "subcategory", "set_id", "figure_id", "question_id"].map(more),
                false => [more("category"), more("l2-category"), part(3), part(4), part(5)],
            }
        })
        .collect();
    let figured: Vec<hallusion::Figured<'_>> = records
        .iter()
        .zip(&rows)
        .map(|(record, [category, kind, set, figure, question])| hallusion::Figured {
            category,
            kind,
            set,
            figure,
            question,
            gold: is_yes(&record.truth.expected),
            said: yorn::kit(&record.answer),
        })
        .collect();
    let mut tables = Table::new();
    for (whose, scores) in [("", hallusion::kit(&figured)), (" as lmms-eval has it", hallusion::lmms(&figured))] {
        let all = [("aAcc", scores.answers), ("fAcc", scores.figures), ("qAcc", scores.questions)];
        tables.extend(all.into_iter().filter_map(|(name, value)| Some((format!("{name}{whose}"), 100.0 * value?))));
    }
    tables
}
