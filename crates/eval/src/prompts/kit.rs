//! VLMEvalKit's prompts (open-compass/VLMEvalKit): `build_prompt` of its data sets, and what `build_prompt_*` of
//! `vlmeval/vlm/smolvlm.py` makes of that. What looks odd here is so there.

use super::{Prompt, picture, text};
use crate::task::{Asks, Item, Kit};
use smolvlm_processor::{MediaSource, Part};

const START: &str = "<|im_start|>User:";
const END: &str = "<end_of_utterance>\nAssistant:";
/// What stands behind the options of a data set, and what becomes of it.
const SELECT: &str = "Please select the correct answer from the options above.";
const LETTER: &str = "Answer with the letter.";
const ONLY_LETTER: &str = "respond ONLY with one of the multiple choice letter options (A/B/C/D):";
const DOCVQA: &str = "Give a short and terse answer to the following question. Do not paraphrase or reformat the text you see in \
                      the image. Do not include any full stops. Just give the answer without additional explanation. Question: ";
const TEXTVQA: &str = "Answer the following question about the image using as few words as possible. Follow these additional \
                       instructions:\n-Always answer a binary question with Yes or No.\n-When asked what time it is, reply with \
                       the time seen in the image.\n-Do not put any full stops at the end of the answer.\n-Do not put quotation \
                       marks around the answer.\n-An answer with one or two words is favorable.\n-Do not apply common sense \
                       knowledge. The answer can be found in the image.\nQuestion: ";
const CHARTQA: &str = "For the question below, follow the following instructions:\n-The answer should contain as few words as \
                       possible.\n-Don’t paraphrase or reformat the text you see in the image.\n-Answer a binary question with \
                       Yes or No.\n-When asked to give a numerical value, provide a number like 2 instead of Two.\n-If the final \
                       answer has two or more items, provide it in the list format like [1, 2].\n-When asked to give a ratio, \
                       give out the decimal value like 0.25 instead of 1:4.\n-When asked to give a percentage, give out the whole \
                       value like 17 instead of decimal like 0.17%.\n-Don’t include any units in the answer.\n-Do not include any \
                       full stops at the end of the answer.\n-Try to include the full label from the graph when asked about an \
                       entity.\nQuestion: ";
const CAPTION: &str = "Please describe this image in general. Directly provide the description, do not include prefix like \
                       \"This image depicts\". ";

/// The long instructions, for m4, which has them with other ends.
pub(super) fn instructions(kit: Kit) -> &'static str {
    match kit {
        Kit::Chartqa => CHARTQA,
        Kit::Textvqa => TEXTVQA,
        _ => DOCVQA,
    }
}

/// The prompt of a row; `second` where the model is SmolVLM2.
///
/// # Errors
/// VLMEvalKit could not ask it.
pub(super) fn prompt((asks, kit): (Asks, Kit), item: &Item, second: bool) -> Result<Prompt, String> {
    let said = said(asks, item);
    let said = strip(&said);
    let pictures = || item.pictures.iter().map(|_| picture());
    let mut parts = vec![text(START)];
    let answer = match kit {
        Kit::Plain | Kit::Brief | Kit::YesNo => {
            parts.extend(pictures());
            let end = match kit {
                Kit::Brief => "\nGive a very brief answer.",
                Kit::YesNo => "\nAnswer yes or no.",
                _ => "",
            };
            parts.push(text(format!("{said}{end}")));
            ""
        }
        Kit::Choices => {
            parts.extend(pictures());
            parts.push(text(said.replace("\nOptions:", "\nChoices:").replace(SELECT, LETTER)));
            " Answer:"
        }
        Kit::Mmbench => {
            parts.extend([picture(), text(mmbench(said)?)]);
            " Answer:"
        }
        Kit::Mathvista => {
            parts.extend([picture(), text(mathvista(said))]);
            if_letters(&parts)
        }
        Kit::Mmmu => {
            parts = mmmu(item, &said_of_choices(item))?;
            if_letters(&parts)
        }
        Kit::Docvqa => {
            parts.extend([picture(), text(format!("{DOCVQA}{said}"))]);
            ""
        }
        Kit::Textvqa => {
            parts.extend([picture(), text(format!("{TEXTVQA}{said}"))]);
            ""
        }
        Kit::Chartqa => {
            // The one sign in which the two models' classes differ.
            let asked = if second { CHARTQA.replace('’', "'") } else { CHARTQA.to_owned() };
            parts.extend([picture(), text(format!("{asked}{said}"))]);
            ""
        }
        Kit::VideoMme | Kit::Mlvu | Kit::Mvbench | Kit::Tempcompass | Kit::TempcompassYesNo => {
            return Ok(clip(kit, item));
        }
    };
    parts.push(text(format!("{END}{answer}")));
    let candidates = item.choices.iter().map(|(letter, _)| (letter.to_string(), format!(" {letter}")));
    Ok(Prompt { parts, chat: false, candidates: candidates.collect(), stops: Vec::new() })
}

/// What the data set says beside the pictures.
fn said(asks: Asks, item: &Item) -> String {
    match asks {
        Asks::Question => item.question.clone(),
        Asks::Phrase => format!("{}\nAnswer the question using a single word or phrase.", item.question),
        Asks::Choices => said_of_choices(item),
        Asks::Caption => CAPTION.to_owned(),
    }
}

/// `ImageMCQDataset.build_prompt` of `image_mcq.py`.
fn said_of_choices(item: &Item) -> String {
    let mut said = String::new();
    said.extend(item.hint.iter().map(|hint| format!("Hint: {hint}\n")));
    said.push_str(&format!("Question: {}\n", item.question));
    if !item.choices.is_empty() {
        said.push_str("Options:\n");
        said.extend(item.choices.iter().map(|(letter, choice)| format!("{letter}. {choice}\n")));
        said.push_str(&format!("{SELECT} \n"));
    }
    said
}

/// A hint goes behind its question.
fn mmbench(said: &str) -> Result<String, String> {
    let said = said.replace("\nOptions:", "\nChoices:").replace(SELECT, "Answer with a letter.");
    if !said.starts_with("Hint:") {
        return Ok(said);
    }
    let two = |text: &str, by: &str| {
        let mut parts = text.split(by);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(first), Some(second), None) => Ok((first.to_owned(), second.to_owned())),
            _ => Err(format!("VLMEvalKit cannot tell its hint from its question: {by:?} does not stand in it once")),
        }
    };
    let (hint, rest) = two(&said, "\nQuestion:")?;
    let (question, choices) = two(&rest, "\nChoices:")?;
    Ok(format!("Question:{question}\n{hint}\nChoices:{choices}"))
}

fn mathvista(said: &str) -> String {
    let mut said = said.to_owned();
    for letter in 'A'..='H' {
        said = said.replace(&format!("({letter}) "), &format!("{letter}. "));
    }
    strip(&said.replace("\nOptions:", "\nChoices:").replace("Hint: ", "")).to_owned()
}

/// Pictures stand where the text names them (`split_MMMU` of `image_mcq.py`), with new numbers in the order of their places.
fn mmmu(item: &Item, said: &str) -> Result<Vec<Part>, String> {
    // The pieces behind the pictures: a text, or the place of a picture.
    let mut pieces: Vec<Option<&str>> = Vec::new();
    let mut shown: Vec<usize> = Vec::new();
    let mut segments = said.split("<image ");
    match (segments.next(), said.contains("<image ")) {
        (Some(all), false) => {
            shown.extend(0..item.pictures.len());
            pieces.extend(item.pictures.iter().map(|_| None));
            pieces.push(Some(all));
        }
        (first, _) => {
            pieces.push(first);
            for segment in segments {
                let mut letters = segment.chars();
                let number = letters.next().and_then(|digit| digit.to_digit(10));
                let (Some(number), Some('>')) = (number, letters.next()) else {
                    return Err("VLMEvalKit cannot read a place for a picture in it: <image 1> to <image 9>".to_owned());
                };
                // As Python counts: what is before the first is the last.
                let count = item.pictures.len();
                let place = (number as usize).checked_sub(1).or(count.checked_sub(1)).filter(|place| *place < count);
                shown.push(place.ok_or_else(|| format!("it names <image {number}>, of {count} pictures"))?);
                pieces.extend([None, Some(letters.as_str())]);
            }
        }
    }
    let mut parts = vec![text(format!("{START} Question: "))];
    for (at, place) in shown.iter().enumerate() {
        parts.extend([text(format!("<image {}>:", at + 1)), numbered(*place), text("\n")]);
    }
    let mut at = 0;
    for piece in pieces {
        parts.push(text(match piece {
            None => {
                at += 1;
                format!(" <image {at}> ")
            }
            Some(said) => {
                let said = strip(said).replace("Question:", "").replace(SELECT, LETTER);
                strip(&said.replace("\nOptions:", "\nChoices:")).to_owned()
            }
        }));
    }
    parts.push(text(""));
    Ok(parts)
}

/// A place for a picture of this number, counted from 0, which may be another than the next.
fn numbered(place: usize) -> Part {
    Part::Image(MediaSource::File(place.to_string().into()))
}

/// The places of a prompt's pictures among the row's, where they do not stand in order; the parts then are plain places.
pub(crate) fn places(parts: &mut [Part]) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    for part in parts {
        if let Part::Image(MediaSource::File(path)) = part {
            places.push(path.to_str()?.parse().ok()?);
            *part = picture();
        }
    }
    (!places.is_empty()).then_some(places)
}

/// What leads the answer where the prompt seems to list options.
fn if_letters(parts: &[Part]) -> &'static str {
    let has = |letter: &str| parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains(letter)));
    if has("A.") && has("B.") { " Answer:" } else { "" }
}

/// `build_prompt_video`, of SmolVLM2's class alone: everything side by side behind spaces.
fn clip(kit: Kit, item: &Item) -> Prompt {
    const SAID: &str = "pay attention to the video and answer the question";
    let listed = |bracketed: bool| {
        let line = |(letter, choice): &(char, String)| match bracketed {
            true => format!("({letter}) {choice}"),
            false => format!("{letter}. {choice}"),
        };
        item.choices.iter().map(line).collect::<Vec<_>>().join("\n")
    };
    let asked = || {
        let all = format!("Question: {}\nOptions:\n{}\n", item.question, listed(true));
        all.trim_end_matches(space).to_owned()
    };
    let (system, said): (&str, Vec<String>) = match kit {
        Kit::VideoMme => (SAID, {
            let intro = "\nThese are the frames of a video. Select the best answer to the following multiple-choice question based \
                         on the video. Respond with only the letter (A, B, C, or D) of the correct option.\n";
            vec![String::new(), intro.to_owned(), format!("Question: {}\n{}\nAnswer: ", item.question, listed(false))]
        }),
        Kit::Mlvu => (
            "Carefully watch this video and pay attention to every detail. Based on your observations, select the best option that \
             accurately addresses the question.",
            vec![asked(), "\nOnly give the best option.".to_owned()],
        ),
        Kit::Mvbench => (
            "Carefully watch the video and pay attention to the cause and sequence of events, the detail and movement of objects, \
             and the action and pose of persons. Based on your observations, select the best option that accurately addresses the \
             question.\n",
            vec![asked(), "\nOnly give the best option.".to_owned(), "Best option:(".to_owned()],
        ),
        Kit::TempcompassYesNo => (SAID, vec![item.question.clone(), "\nPlease answer yes or no:".to_owned()]),
        _ => (
            SAID,
            vec![format!("{}\n{}", item.question, listed(false)), "\nPlease directly give the best option:".to_owned()],
        ),
    };
    let before = format!(
        "{START_OF_CLIP} {system} <end_of_utterance>\n <|im_start|>User: Here are some frames sampled from a video:\n"
    );
    let after: String = said.iter().map(|said| format!(" {}", strip(said))).collect();
    let parts = vec![
        text(before),
        Part::Clip(MediaSource::Given),
        text(replaced(kit, &format!("{after} <end_of_utterance> \nAssistant:"))),
    ];
    let candidates = item.choices.iter().map(|(letter, _)| (letter.to_string(), format!(" {letter}")));
    Prompt { parts, chat: false, candidates: candidates.collect(), stops: Vec::new() }
}

const START_OF_CLIP: &str = "<|im_start|>System:";

/// What is replaced in the prompt; what stands before the frames has nothing of it.
fn replaced(kit: Kit, said: &str) -> String {
    match kit {
        Kit::VideoMme | Kit::Mvbench if !said.contains("Options:") => said.to_owned(),
        Kit::Mlvu => said.replace("Options:", ONLY_LETTER),
        Kit::Mvbench => said.replace("Options:", ONLY_LETTER).replace("Best option:(", "Answer:"),
        Kit::TempcompassYesNo => said.to_owned(),
        _ => said.replace("Options:", "Choices:").replace(SELECT, LETTER),
    }
}

/// What Python's `strip` takes for space.
fn space(letter: char) -> bool {
    letter.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&letter)
}

fn strip(text: &str) -> &str {
    text.trim_matches(space)
}
