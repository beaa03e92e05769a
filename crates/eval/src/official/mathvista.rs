//! MathVista by rules alone. Its own evaluation asks a language model for the answer in each reply; here the reply must
//! be the answer.

use super::edits::distance;
use super::python::{float, integer, round, strip, write};
use super::{choice, lettered};

/// What kind of answer is asked for (`answer_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Integer,
    Float,
    List,
    Text,
}

/// A question, as far as answers to it are scored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// None where the question is open (`free_form`).
    pub(crate) options: &'a [&'a str],
    pub(crate) form: Form,
    /// The right answer, of an option its text.
    pub(crate) gold: &'a str,
    /// How many decimal places are asked for.
    pub(crate) precision: usize,
}

/// VLMEvalKit's: `vlmeval/dataset/utils/mathvista.py`, `post_check`, where its judge gives back the answer as it is.
///
/// Options are inferred as everywhere. Numbers must be equal, whatever the precision; "14.0" is no whole number. Texts
/// and lists are never right: the variable that is compared is still `None` there. [`kit_mended`] has that put right.
pub(crate) fn kit(answer: &str, question: &Question<'_>) -> bool {
    match (question.options, question.form) {
        ([], Form::Integer) => integer(answer).is_some_and(|number| Some(number) == integer(question.gold)),
        ([], Form::Float) => float(answer).is_some_and(|number| Some(number) == float(question.gold)),
        ([], Form::List | Form::Text) => question.gold == "None",
        _ => kit_letter(answer, question).is_some_and(|letter| Some(letter) == gold_letter(question)),
    }
}

/// [`kit`] as it is meant: texts and lists that equal the gold are right, too.
pub(crate) fn kit_mended(answer: &str, question: &Question<'_>) -> bool {
    match (question.options, question.form) {
        ([], Form::List | Form::Text) => answer == question.gold,
        _ => kit(answer, question),
    }
}

/// Whether VLMEvalKit takes an answer without asking its judge ("Prefetch succeed"): any letter, and right numbers but
/// 0, which Python takes for nothing.
pub(crate) fn kit_fetches(answer: &str, question: &Question<'_>) -> bool {
    match question.options {
        [] => kit(answer, question) && float(answer) != Some(0.0),
        _ => kit_letter(answer, question).is_some(),
    }
}

fn kit_letter(answer: &str, question: &Question<'_>) -> Option<char> {
    choice::kit(answer, &lettered(question.options))
}

fn gold_letter(question: &Question<'_>) -> Option<char> {
    lettered(question.options).into_iter().find(|(_, text)| *text == question.gold).map(|(letter, _)| letter)
}

/// MathVista's own, as lmms-eval has it (`tasks/mathvista/mathvista_evals.py`: `extract_answer`,
/// `normalize_extracted_answer`, `safe_equal`), where its judge gives back the answer as it is: what is read of the
/// answer, or none.
///
/// Of options the one of the first letter in brackets is read, or of a letter alone, else the one that takes the fewest
/// edits, so there is always one. Numbers are cut to whole ones or rounded. (The data set's precision is 1.0, with
/// which `round` fails, so that lmms-eval reads no such number at all; here it is 1.)
pub(crate) fn read(answer: &str, question: &Question<'_>) -> Option<String> {
    let bare = strip(answer);
    if !question.options.is_empty() {
        return read_option(bare, question);
    }
    match question.form {
        // Made an integer or a float first, and written: no other number than the text's own.
        Form::Integer => whole(float(bare)?),
        Form::Float => Some(write(round(float(bare)?, question.precision))),
        Form::List | Form::Text => Some(bare.to_owned()),
    }
}

/// Whether what is read is the gold, but for spaces around.
pub(crate) fn is_right(answer: &str, question: &Question<'_>) -> bool {
    let read = read(answer, question);
    strip(read.as_deref().unwrap_or("None")) == strip(question.gold)
}

/// The number without its fraction; none where it is endless.
fn whole(number: f64) -> Option<String> {
    // Not -0.
    number.is_finite().then(|| format!("{:.0}", number.trunc() + 0.0))
}

fn read_option(answer: &str, question: &Question<'_>) -> Option<String> {
    let options = question.options;
    if options.contains(&answer) {
        return option(answer, options);
    }
    let known = if question.form == Form::Float { float(answer).map(write) } else { None };
    option(known.as_deref().unwrap_or(answer), options)
}

/// The option of a letter, or the most similar one.
fn option(said: &str, options: &[&str]) -> Option<String> {
    let said = bracketed(said).unwrap_or_else(|| said.to_owned());
    let named = lettered(options).into_iter().find(|(letter, _)| said.chars().eq([*letter])).map(|(_, text)| text);
    let nearest = || options.iter().min_by_key(|option| distance(&said, option)).copied();
    named.or_else(nearest).map(str::to_owned)
}

/// The first letter in brackets, as a capital.
fn bracketed(said: &str) -> Option<String> {
    let found = said.split('(').skip(1).find_map(|behind| {
        let mut letters = behind.chars();
        let letter = letters.next().filter(char::is_ascii_alphabetic)?;
        (letters.next() == Some(')')).then_some(letter)
    });
    found.map(|letter| letter.to_ascii_uppercase().to_string())
}

#[cfg(test)]
mod tests {
    use super::super::cases::{self, letter, right, text, texts};
    use super::*;

    fn form(name: &str) -> Form {
        match name {
            "integer" => Form::Integer,
            "float" => Form::Float,
            "list" => Form::List,
            _ => Form::Text,
        }
    }

    #[test]
    fn golden() {
        for case in cases::read("mathvista", 2000) {
            let (answer, options) = (text(&case["answer"]), texts(&case["choices"]));
            let precision = case["precision"].as_u64().unwrap() as usize;
            let question =
                Question { options: &options, form: form(text(&case["form"])), gold: text(&case["gold"]), precision };
            right(kit(answer, &question), &case["kit"]["right"], &case);
            let fetched = &case["kit"]["fetched"];
            assert_eq!(kit_fetches(answer, &question), !fetched.is_null() && fetched.as_f64() != Some(0.0), "{case}");
            if !options.is_empty() {
                assert_eq!(kit_letter(answer, &question), letter(fetched), "{case}");
            }
            assert_eq!(read(answer, &question).as_deref(), case["lmms"]["found"].as_str(), "{case}");
            right(is_right(answer, &question), &case["lmms"]["right"], &case);
        }
    }

    #[test]
    fn texts_are_right_where_the_slip_is_mended() {
        let question = Question { options: &[], form: Form::List, gold: "[1, 2]", precision: 1 };
        assert!(!kit("[1, 2]", &question) && kit_mended("[1, 2]", &question) && !kit_mended("[1,2]", &question));
    }
}
