//! m4's prompts (huggingface/smollm, `vision/m4/models/*/evaluation_*`): one question in a chat, or behind others with their
//! answers. What looks odd here is so there.

use super::{Prompt, kit, picture, text};
use crate::task::{Item, Kit, M4};
use smolvlm_processor::Part;

const BOS: &str = "<|im_start|>";
const EOU: &str = "<end_of_utterance>";
/// Strings at which an answer is cut. There they are one regular expression, in which `<|im_end|>` means "<", "im_end" or ">".
const STOPS: [&str; 14] =
    ["Question", "User", "Image", "task", "What", "Who", "When", "Where", "Why", "How", "<", ">", "─lrow_", "apiro"];
const CAPTION_STOPS: [&str; 7] = ["Caption", "Description", "User", "Image", "task", "─lrow_", "apiro"];

/// One of the two forms of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Turns of a chat.
    Chat,
    /// Lines, for models that know no chat.
    Base,
}

/// The prompt of a row behind those of others with their answers. Without any it is a chat; with some it is what the models
/// before their tuning were scored with, where there is such a form.
///
/// # Errors
/// It cannot be asked so.
pub(super) fn prompt(m4: M4, item: &Item, shots: &[Item]) -> Result<Prompt, String> {
    let has_base = matches!(m4, M4::Vqa | M4::Textvqa | M4::Docvqa);
    let form = if m4 == M4::Caption || (has_base && !shots.is_empty()) { Form::Base } else { Form::Chat };
    Ok(of_form(m4, form, item, shots))
}

pub(super) fn of_form(m4: M4, form: Form, item: &Item, shots: &[Item]) -> Prompt {
    let mut parts = vec![text(BOS)];
    if form == Form::Base && m4 != M4::Caption {
        parts.push(text("Instruction: provide an answer to the question. Use the image to answer.\n"));
    }
    for shot in shots {
        parts.extend(asked(m4, form, shot));
        let answer = told(m4, shot);
        let end = if form == Form::Base { "\n".to_owned() } else { format!("{EOU}\n") };
        let lead = lead(m4, form, shot);
        parts.push(text(format!("{lead} {answer}{end}")));
    }
    parts.extend(asked(m4, form, item));
    parts.push(text(lead(m4, form, item)));
    let labels = if form == Form::Chat { labels(m4, item) } else { Vec::new() };
    let dot = if m4 == M4::Pope { "." } else { "" };
    let candidates = labels.into_iter().map(|label| {
        let behind = format!(" {label}{dot}{EOU}");
        (label, behind)
    });
    let stops = if m4 == M4::Caption { CAPTION_STOPS.to_vec() } else { STOPS.to_vec() };
    Prompt { parts, chat: false, candidates: candidates.collect(), stops }
}

/// What is asked, up to the turn's end or the line's answer.
fn asked(m4: M4, form: Form, item: &Item) -> Vec<Part> {
    let question = &item.question;
    let shown = |before: &str, after: String| vec![text(before), picture(), text(after)];
    match (m4, form) {
        (M4::Caption, _) => shown("Image:", "Caption:".to_owned()),
        (_, Form::Base) => shown("Image:", format!("Question: {question} Answer:")),
        (M4::Vqa, _) => shown("User:", format!("{question}\nGive a very brief answer.")),
        // Without "User:", a slip.
        (M4::Textvqa, _) => vec![picture(), text(format!("{}{question}", kit::instructions(Kit::Textvqa)))],
        (M4::Docvqa, _) => {
            let asked = kit::instructions(Kit::Docvqa).replace(" Question: ", "\nQuestion: ");
            shown("User:", format!("{asked}{question}"))
        }
        (M4::Chartqa, _) => shown("User:", format!("{}{question}", kit::instructions(Kit::Chartqa))),
        // One of eight such hints, drawn when the data set was made.
        (M4::Gqa, _) => shown("User:", format!("{question}\nAnswer briefly.")),
        (M4::Pope, _) => shown("User:", format!("{question}\nAnswer yes or no.")),
        (M4::Ai2d, _) if names_letters(item) => {
            shown("User:", format!("{}\nAnswer with the correct letter.", question.trim()))
        }
        (M4::Ai2d, _) => shown("User:", choices(question.trim(), &item.choices, "the")),
        (M4::Scienceqa | M4::Mmbench, _) => {
            let hint = item.hint.iter().map(|hint| format!("Hint: {hint}\n")).collect::<String>();
            let lecture = item.lecture.iter().filter(|_| m4 == M4::Scienceqa);
            let lecture = lecture.map(|lecture| format!("Lecture: {lecture}\n")).collect::<String>();
            let letter = if m4 == M4::Mmbench { "a" } else { "the" };
            let listed = choices(question, &item.choices, letter);
            let listed = listed.replacen("\nChoices:\n", &format!("\n{hint}Choices:\n"), 1);
            shown("User:", format!("{lecture}{listed}"))
        }
        (M4::Mmmu, _) => {
            let mut parts = vec![text("User: ")];
            for at in 1..=item.pictures.len() {
                let end = if at == item.pictures.len() { "" } else { "\n" };
                parts.extend([text(format!("<image {at}>:")), picture(), text(end)]);
            }
            let said = if item.choices.is_empty() { question.clone() } else { choices(question, &item.choices, "the") };
            parts.push(text(format!("\n{said}")));
            parts
        }
        (M4::Mathvista, _) => shown("User:", mathvista(item)),
        (M4::Mmstar | M4::Seedbench, _) => shown("User:", choices(question, &item.choices, "the")),
    }
}

/// What stands between a question and its answer.
fn lead(m4: M4, form: Form, item: &Item) -> String {
    match form {
        Form::Base => String::new(),
        Form::Chat if labels(m4, item).is_empty() || m4 == M4::Pope => format!("{EOU}\nAssistant:"),
        Form::Chat => format!("{EOU}\nAssistant: Answer:"),
    }
}

/// The answer of an example.
fn told(m4: M4, item: &Item) -> String {
    match m4 {
        M4::Pope => {
            let mut letters = item.truth.expected.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            format!("{}.", first.into_iter().chain(letters).collect::<String>())
        }
        M4::Ai2d if names_letters(item) => {
            let right = item.choices.iter().find(|(letter, _)| item.truth.expected == letter.to_string());
            right.map_or_else(String::new, |(_, option)| upper(option))
        }
        M4::Mathvista => mathvista_letter(item).unwrap_or_else(|| item.truth.expected.clone()),
        _ => item.truth.expected.clone(),
    }
}

/// What is chosen from; none where an answer is written. Letters beyond a row's options are among them, as there.
fn labels(m4: M4, item: &Item) -> Vec<String> {
    let letters = |last: char| ('A'..=last).map(String::from).collect();
    match m4 {
        M4::Pope => vec!["No".to_owned(), "Yes".to_owned()],
        M4::Ai2d if names_letters(item) => item.choices.iter().map(|(_, option)| upper(option)).collect(),
        M4::Ai2d | M4::Mmstar | M4::Mmbench | M4::Seedbench => letters('D'),
        M4::Scienceqa => letters('E'),
        M4::Mathvista if mathvista_letter(item).is_some() => letters('H'),
        M4::Mmmu if !item.choices.is_empty() => letters('I'),
        _ => Vec::new(),
    }
}

/// A question and its options by letter.
fn choices(question: &str, choices: &[(char, String)], article: &str) -> String {
    let lines: String = choices.iter().map(|(letter, choice)| format!("{letter}. {choice}\n")).collect();
    format!("Question: {question}\nChoices:\n{lines}Answer with {article} letter.")
}

/// Whether the options of a diagram are letters in it.
pub(super) fn names_letters(item: &Item) -> bool {
    let is_letter = |option: &str| option.chars().count() == 1 && option.chars().all(char::is_alphabetic);
    item.choices.iter().any(|(_, option)| is_letter(option))
}

fn upper(option: &str) -> String {
    if option.chars().count() == 1 { option.to_uppercase() } else { option.to_owned() }
}

/// By choice: the bare question and its options; else what is asked for, and the question with its unit.
fn mathvista(item: &Item) -> String {
    let bare = item.more.get("question").unwrap_or(&item.question);
    if mathvista_letter(item).is_some() {
        return choices(bare, &item.truth.choices, "the");
    }
    let unit = item.more.get("unit").map(|unit| format!(" (Unit: {unit})")).unwrap_or_default();
    let instruction = item.question.split("\nQuestion: ").next().unwrap_or_default().replace("Hint: ", "");
    format!("{instruction}\n{bare}{unit}")
}

/// The letter of the right option, where a question of MathVista lists some.
fn mathvista_letter(item: &Item) -> Option<String> {
    let is_choice = item.more.get("question_type").is_some_and(|kind| kind == "multi_choice");
    let mut choices = item.truth.choices.iter().filter(|_| is_choice);
    choices.find(|(_, choice)| *choice == item.truth.expected).map(|(letter, _)| letter.to_string())
}
