//! Chats as m4 shows them in supervised fine-tuning (`m4/training/packing.py`, `split_pack_and_pad_sft`).

use crate::random::{hash, uniform};
use crate::{Content, Sample};
use smolvlm_processor::{Message, Part};

/// The most turns of a question and an answer that are shown.
const MOST_TURNS: usize = 7;
/// How often a line break goes before what the user says.
const LINE_BREAK: f64 = 0.05;

/// The turns of a chat in a drawn order, so many of them at most, and now and then a line break before what the user says.
/// `draw` is the sample's place in the stream, which the choices follow.
///
/// Only a chat of questions and answers in turn (behind a system message, if it has one) whose pictures all stand at its
/// beginning is changed: they stay there, in front of whichever question comes first. What is said in other chats depends on
/// what was said or shown before.
pub(crate) fn shuffled(sample: Sample, seed: u64, draw: u64) -> Sample {
    let Sample { content, pictures, clips } = sample;
    let content = match content {
        Content::Chat(messages) => Content::Chat(chat(messages, seed, draw)),
        document => document,
    };
    Sample { content, pictures, clips }
}

fn chat(mut messages: Vec<Message>, seed: u64, draw: u64) -> Vec<Message> {
    let start = usize::from(messages.first().is_some_and(|message| message.role == "system"));
    let Some((shown, turns)) = taken_apart(&messages, start) else { return messages };
    let mut order: Vec<usize> = (0..turns.len()).collect();
    // Fisher and Yates, from the end.
    for last in (1..order.len()).rev() {
        order.swap(last, (hash(seed, &[draw, 41, last as u64]) % (last as u64 + 1)) as usize);
    }
    messages.truncate(start);
    for (place, at) in order.into_iter().take(MOST_TURNS).enumerate() {
        let Some((asked, answer)) = turns.get(at) else { continue };
        let mut content = if place == 0 { shown.clone() } else { Vec::new() };
        let broken = uniform(seed, &[draw, 42, place as u64]) < LINE_BREAK;
        content.extend(broken.then(|| Part::Text("\n".to_owned())));
        content.extend(asked.iter().cloned());
        messages.push(Message { role: "user".to_owned(), content });
        messages.push(answer.clone());
    }
    messages
}

/// What each user says, and the answer.
type Turns = Vec<(Vec<Part>, Message)>;

/// The pictures at a chat's beginning, and its turns without them; `None` where it is another kind of chat.
fn taken_apart(messages: &[Message], start: usize) -> Option<(Vec<Part>, Turns)> {
    let is_picture = |part: &&Part| part.shows();
    let (mut shown, mut turns): (Vec<Part>, Turns) = (Vec::new(), Vec::new());
    for pair in messages.get(start..)?.chunks(2) {
        let [user, answer] = pair else { return None };
        let own = if turns.is_empty() { user.content.iter().take_while(is_picture).count() } else { 0 };
        let (before, said) = user.content.split_at(own);
        let plain = !said.iter().chain(&answer.content).any(|part| is_picture(&part));
        if user.role != "user" || answer.role != "assistant" || !plain || said.is_empty() {
            return None;
        }
        shown.extend_from_slice(before);
        turns.push((said.to_vec(), answer.clone()));
    }
    Some((shown, turns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PictureFile;
    use smolvlm_processor::MediaSource;
    use std::collections::BTreeSet;

    fn sample(turns: usize, system: bool) -> Sample {
        let mut messages = Vec::new();
        if system {
            messages.push(Message::text("system", "S"));
        }
        for turn in 0..turns {
            let pictures = if turn == 0 { 2 } else { 0 };
            messages.push(Message::user(pictures, &format!("q{turn}")));
            messages.push(Message::text("assistant", &format!("a{turn}")));
        }
        Sample { content: Content::Chat(messages), pictures: vec![PictureFile::Bytes(vec![1]); 2], clips: Vec::new() }
    }

    fn messages(sample: &Sample) -> &[Message] {
        let Content::Chat(messages) = &sample.content else { panic!("a document") };
        messages
    }

    fn texts(message: &Message) -> String {
        message.content.iter().map(|part| if let Part::Text(text) = part { text.as_str() } else { "" }).collect()
    }

    #[test]
    fn turns_come_in_a_drawn_order_with_the_pictures_in_front() {
        let (mut orders, mut breaks, mut users) = (BTreeSet::new(), 0, 0);
        for draw in 0..400 {
            let shown = shuffled(sample(9, true), 3, draw);
            assert_eq!(shown, shuffled(sample(9, true), 3, draw));
            let messages = messages(&shown);
            assert_eq!((messages.len(), messages[0].role.as_str(), shown.pictures.len()), (15, "system", 2));
            let mut order = Vec::new();
            for (turn, pair) in messages[1..].chunks(2).enumerate() {
                let pictures = pair[0].content.iter().take_while(|part| part.is_place()).count();
                assert_eq!(pictures, if turn == 0 { 2 } else { 0 });
                let asked = texts(&pair[0]);
                assert_eq!(asked.trim_start_matches('\n')[1..], texts(&pair[1])[1..]);
                breaks += usize::from(asked.starts_with('\n'));
                users += 1;
                order.push(texts(&pair[1]));
            }
            assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 7);
            orders.insert(order);
        }
        assert!(orders.len() > 390, "{}", orders.len());
        // One in twenty.
        let share = breaks as f64 / users as f64;
        assert!((0.03..0.07).contains(&share), "{share}");
        // Every turn comes first about as often.
        for turn in 0..9 {
            let first = orders.iter().filter(|order| order[0] == format!("a{turn}")).count();
            assert!((20..75).contains(&first), "{turn}: {first}");
        }
    }

    #[test]
    fn chats_that_go_on_from_what_was_shown_stay_as_they_are() {
        let image = || Part::Image(MediaSource::Given);
        let with = |change: fn(&mut Vec<Message>)| {
            let mut sample = sample(3, false);
            if let Content::Chat(messages) = &mut sample.content {
                change(messages);
            }
            sample
        };
        for sample in [
            with(|messages| messages[2].content.insert(0, Part::Image(MediaSource::Given))),
            with(|messages| messages[0].content.push(Part::Image(MediaSource::Given))),
            with(|messages| messages.insert(2, Message::text("assistant", "again"))),
            with(|messages| messages.truncate(5)),
            with(|messages| messages[0].content.truncate(2)),
            Sample {
                content: Content::Document(vec![image(), Part::Text("T".into())]),
                pictures: Vec::new(),
                clips: Vec::new(),
            },
        ] {
            assert!((0..20).all(|draw| shuffled(sample.clone(), 3, draw) == sample));
        }
    }
}
