//! What the prompt says around a clip's frames.

use super::words::in_words;
use super::{Chosen, ClipInfo, ClipMode, ClipSettings};
use crate::Part;

/// VLMEvalKit's prompt for a clip as a chat template: all that is said and shown, side by side behind spaces.
pub(crate) const VLMEVALKIT: &str = "\
{% set told = messages[0]['role'] == 'system' %}\
{% set asked = messages[1:] if told else messages %}\
{% if asked | length != 1 or asked[0]['role'] != 'user' %}\
{{ raise_exception('VLMEvalKit asks one question about a clip, and nothing before it') }}{% endif %}\
<|im_start|>System: {{ messages[0]['content'][0]['text'] if told else 'pay attention to the video and answer the question' }} \
<end_of_utterance>\n <|im_start|>User: Here are some frames sampled from a video:\n\
{% for line in asked[0]['content'] %}{{ ' ' }}\
{% if line['type'] != 'text' %}<image>{% elif line['text'] == '\\n' %}{{ '\\n' }}{% else %}{{ line['text'] | trim }}{% endif %}\
{% endfor %}{{ ' <end_of_utterance> \\nAssistant:' }}";

impl ClipSettings {
    /// A clip as parts of a message: its frames' places and the words around them.
    pub fn parts(&self, clip: &ClipInfo, chosen: &[Chosen]) -> Vec<Part> {
        match self.mode {
            ClipMode::SmolVlm2 => with_times(clip, chosen),
            ClipMode::V1 => {
                let brief = Part::Text("Answer briefly.".into());
                std::iter::once(brief).chain(chosen.iter().map(|_| Part::Frame)).collect()
            }
            ClipMode::VlmEvalKit => {
                let frame =
                    |chosen: &Chosen| [Part::Text(format!("Frame from {}:", time(chosen.seconds))), Part::Frame];
                chosen.iter().flat_map(frame).chain([Part::Text("\n".into())]).collect()
            }
        }
    }
}

/// `SmolVLMProcessor.replace_video_token` of transformers' `processing_smolvlm.py`, with the block of each frame left to the
/// prompt.
fn with_times(clip: &ClipInfo, chosen: &[Chosen]) -> Vec<Part> {
    let intro = format!(
        "You are provided the following series of {} frames from a {} [H:MM:SS] video.\n",
        in_words(chosen.len()),
        duration(clip.duration),
    );
    let mut parts = Vec::with_capacity(2 * chosen.len() + 1);
    let mut text = intro;
    for chosen in chosen {
        text.push_str(&format!("\nFrame from {}:", time(chosen.seconds)));
        parts.extend([Part::Text(std::mem::take(&mut text)), Part::Frame]);
    }
    parts.push(Part::Text("\n\n".into()));
    parts
}

/// MM:SS, where minutes may be more than 59.
fn time(seconds: f64) -> String {
    format!("{:02}:{:02}", (seconds / 60.0).floor(), (seconds % 60.0).floor())
}

/// Whole seconds as Python's `str(timedelta)` writes them.
fn duration(seconds: f64) -> String {
    let all = seconds as u64;
    let clock = format!("{}:{:02}:{:02}", all / 3600 % 24, all / 60 % 60, all % 60);
    match all / 86_400 {
        0 => clock,
        1 => format!("1 day, {clock}"),
        days => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_python_writes_them() {
        let written: Vec<String> = [0.9, 61.0, 3700.0, 86_399.0, 90_061.0, 200_000.0].map(duration).into();
        let right = ["0:00:00", "0:01:01", "1:01:40", "23:59:59", "1 day, 1:01:01", "2 days, 7:33:20"];
        assert_eq!(written, right);
        assert_eq!((time(59.99), time(3661.0)), ("00:59".to_owned(), "61:01".to_owned()));
    }
}
