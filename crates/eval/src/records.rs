//! Answers as `answers.jsonl` has them.

use crate::metrics::Truth;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A question that was answered, or a row that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// The source's name.
    pub(crate) source: String,
    /// The row, counted from 1.
    pub(crate) row: u64,
    /// Which of its answers, counted from 1; none where the row cannot be used.
    pub(crate) turn: Option<usize>,
    pub(crate) what: Result<Answered, String>,
}

/// An answer and what it is held against.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answered {
    pub(crate) skill: Option<String>,
    pub(crate) answer: String,
    pub(crate) score: f64,
    pub(crate) truth: Truth,
    /// What else is told of it: tokens, why it ended, likelihoods.
    pub(crate) more: BTreeMap<String, Value>,
}

impl Answered {
    /// How many tokens it has.
    pub(crate) fn tokens(&self) -> u64 {
        self.more.get("tokens").and_then(Value::as_u64).unwrap_or(0)
    }
}

impl Line {
    /// By which lines are in order, whoever wrote them: the source's place, the row, the answer.
    pub(crate) fn place(&self, sources: &[String]) -> (usize, u64, Option<usize>) {
        (sources.iter().position(|name| *name == self.source).unwrap_or(sources.len()), self.row, self.turn)
    }

    /// As it is written.
    pub(crate) fn to_json(&self) -> Value {
        let mut line = json!({ "source": self.source, "row": self.row, "turn": self.turn });
        let Value::Object(fields) = &mut line else { return line };
        match &self.what {
            Err(why) => _ = fields.insert("error".to_owned(), json!(why)),
            Ok(Answered { skill, answer, score, truth, more }) => {
                let mut put = |name: &str, value: Value| _ = fields.insert(name.to_owned(), value);
                put("skill", json!(skill));
                put("question", json!(truth.question));
                put("answer", json!(answer));
                put("expected", json!(truth.expected));
                put("score", json!(score));
                for (name, list) in [("annotators", &truth.annotators), ("also", &truth.also)] {
                    if !list.is_empty() {
                        put(name, json!(list));
                    }
                }
                if !truth.choices.is_empty() {
                    let choices = truth.choices.iter().map(|(letter, text)| (letter.to_string(), json!(text)));
                    put("choices", choices.collect::<Map<_, _>>().into());
                }
                if let Some(id) = &truth.id {
                    put("id", json!(id));
                }
                if !truth.more.is_empty() {
                    put("columns", json!(truth.more));
                }
                fields.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        line
    }

    /// Reads a line; none where it is not one of these, or was broken off.
    pub(crate) fn parse(line: &str) -> Option<Line> {
        let Value::Object(mut fields) = serde_json::from_str(line).ok()? else { return None };
        let source = text(&mut fields, "source")?;
        let row = fields.remove("row")?.as_u64()?;
        let turn = fields.remove("turn")?.as_u64().map(|turn| turn as usize);
        if let Some(error) = text(&mut fields, "error") {
            return Some(Line { source, row, turn, what: Err(error) });
        }
        let mut list = |name: &str| -> Vec<String> {
            let all = fields.remove(name).and_then(|value| value.as_array().cloned()).unwrap_or_default();
            all.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
        };
        let (annotators, also) = (list("annotators"), list("also"));
        let choices = match fields.remove("choices") {
            Some(Value::Object(all)) => all
                .iter()
                .filter_map(|(letter, text)| Some((letter.chars().next()?, text.as_str()?.to_owned())))
                .collect(),
            _ => Vec::new(),
        };
        let columns = match fields.remove("columns") {
            Some(Value::Object(all)) => {
                all.into_iter().filter_map(|(name, text)| Some((name, text.as_str()?.to_owned()))).collect()
            }
            _ => Default::default(),
        };
        let (question, expected) = (text(&mut fields, "question")?, text(&mut fields, "expected")?);
        let id = text(&mut fields, "id");
        let truth = Truth { question, expected, annotators, also, choices, id, more: columns };
        let (answer, score) = (text(&mut fields, "answer")?, fields.remove("score")?.as_f64()?);
        let skill = text(&mut fields, "skill");
        fields.remove("skill");
        Some(Line {
            source,
            row,
            turn,
            what: Ok(Answered { skill, answer, score, truth, more: fields.into_iter().collect() }),
        })
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.get(name)? {
        Value::String(_) => fields.remove(name)?.as_str().map(str::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_they_were_written() {
        let truth = Truth {
            question: "Q?\n".into(),
            expected: "A".into(),
            annotators: vec!["a".into(), "b".into()],
            also: vec!["c".into()],
            choices: vec![('A', "x".into()), ('C', "y".into())],
            id: Some("7".into()),
            more: [("unit".to_owned(), "m".to_owned())].into(),
        };
        let more: BTreeMap<String, Value> =
            [("tokens".to_owned(), json!(3)), ("stop".to_owned(), json!("end_of_turn"))].into();
        let answered = |skill: Option<&str>, truth: &Truth| {
            let (skill, truth) = (skill.map(str::to_owned), truth.clone());
            Ok(Answered { skill, answer: "é".into(), score: 1.0 / 3.0, truth, more: more.clone() })
        };
        for (turn, what) in [
            (Some(2), answered(Some("s"), &truth)),
            (Some(1), answered(None, &Truth::default())),
            (None, Err("why".to_owned())),
        ] {
            let line = Line { source: "d".into(), row: 5, turn, what };
            let written = line.to_json().to_string();
            assert_eq!(Line::parse(&written), Some(line));
            assert_eq!(Line::parse(&written[..written.len() - 1]), None);
        }
    }
}
