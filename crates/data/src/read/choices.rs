//! Questions that come with the answers to choose from.

use super::{
    answer,
    cell::{Cell, Fields},
};

/// Columns that the choices are looked for in.
pub(super) const CHOICES: [&str; 2] = ["choices", "options"];
/// The column of what is said in a clip.
pub(super) const SUBTITLES: &str = "subtitles";
/// Letters of choices.
const LETTERS: &str = "ABCDEFGHI";

/// A question and its answer, where the row has a list of choices: the question lists them by letters, as the family is
/// asked by VLMEvalKit, and the answer is a letter. Other rows' stay as they are. Subtitles stand in front.
///
/// # Errors
/// There are more choices than letters, or the answer is none of them: neither its words, nor its letter, nor its place,
/// counted from 0; or it is a number that is one's words and another's place.
pub(super) fn asked(fields: &mut Fields, question: String, answer: Cell) -> Result<(String, Cell), String> {
    let Some((name, list)) = CHOICES.into_iter().find_map(|name| match fields.get(name) {
        Some(Cell::List(list)) if !list.is_empty() => Some((name, list.clone())),
        _ => None,
    }) else {
        return Ok((question, answer));
    };
    let choices = answer::texts(name, list)?;
    if !(2..=LETTERS.len()).contains(&choices.len()) {
        return Err(format!("{} choices; 2 to {} would be right", choices.len(), LETTERS.len()));
    }
    let right = place(&answer, &choices)?;
    let subtitles = match fields.take(SUBTITLES) {
        Some(Cell::Text(text)) if !text.trim().is_empty() => format!("Subtitles:\n{}\n\n", text.trim()),
        _ => String::new(),
    };
    let lines = LETTERS.chars().zip(&choices).map(|(letter, choice)| format!("{letter}. {}\n", choice.trim()));
    let lines: String = lines.collect();
    let letter = LETTERS.chars().nth(right).unwrap_or_default().to_string();
    let asked = format!("{subtitles}{}\nChoices:\n{lines}Answer with the letter.", question.trim());
    Ok((asked, Cell::Text(letter)))
}

/// Which of the choices an answer is.
fn place(answer: &Cell, choices: &[String]) -> Result<usize, String> {
    let text = match answer {
        Cell::Number(text) | Cell::Text(text) => text.trim(),
        _ => "",
    };
    let by_words = choices.iter().position(|choice| choice.trim() == text);
    let by_place = text.parse::<usize>().ok().filter(|place| *place < choices.len());
    let by_letter = || {
        let mut letters = text.trim_matches(|c: char| !c.is_alphanumeric()).chars();
        let letter = letters.next().filter(|_| letters.next().is_none())?.to_ascii_uppercase();
        LETTERS.find(letter).filter(|place| *place < choices.len())
    };
    match (by_words, by_place) {
        (Some(words), Some(place)) if words != place => Err(format!(
            "its answer {text} is the words of choice {words} and the place of another; words or a letter would be right"
        )),
        _ => by_words.or(by_place).or_else(by_letter).ok_or_else(|| {
            "its answer is none of its choices: neither its words, nor its letter, nor its place".to_owned()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::cell;

    fn read(json: &str) -> Result<(String, String), String> {
        let Cell::Map(mut fields) = cell::json(json.as_bytes())? else { panic!("no object") };
        let answer = fields.take("answer").unwrap();
        let (question, answer) = asked(&mut fields, "Q?".to_owned(), answer)?;
        let Cell::Text(answer) = answer else { return Ok((question, format!("{answer:?}"))) };
        Ok((question, answer))
    }

    #[test]
    fn choices_have_letters() {
        let listed = "Q?\nChoices:\nA. red\nB. b\nC. 2\nAnswer with the letter.";
        for (answer, letter) in
            [("\"red\"", "A"), ("\"B\"", "B"), ("\"b\"", "B"), ("\"(C)\"", "C"), ("2", "C"), ("1", "B"), ("\"0\"", "A")]
        {
            let row = format!(r#"{{"choices":["red"," b","2"],"answer":{answer}}}"#);
            assert_eq!(read(&row), Ok((listed.to_owned(), letter.to_owned())), "{answer}");
        }
        let said = read(r#"{"options":["x","y"],"answer":"y","subtitles":" - Hello. "}"#).unwrap().0;
        assert_eq!(said, "Subtitles:\n- Hello.\n\nQ?\nChoices:\nA. x\nB. y\nAnswer with the letter.");
        assert_eq!(read(r#"{"choices":null,"answer":"y"}"#), Ok(("Q?".into(), "y".into())));
        assert!(read(r#"{"choices":["x","y"],"answer":"z"}"#).unwrap_err().contains("none of its choices"));
        assert!(read(r#"{"choices":["x"],"answer":"x"}"#).unwrap_err().contains("1 choices"));
        assert_eq!(read(r#"{"choices":[],"answer":"y"}"#), Ok(("Q?".into(), "y".into())));
        assert!(read(r#"{"choices":["2","3","1"],"answer":2}"#).unwrap_err().contains("the place of another"));
    }
}
