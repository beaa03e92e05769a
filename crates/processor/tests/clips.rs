//! Clips against the reference: frames and prompts of many, and the prompts of three ways to show them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside test functions

use serde_json::Value;
use smolvlm_processor::{
    ClipDefaults, ClipInfo, ClipMode, ClipSettings, Error, Message, Part, PlanOptions, Processor, picture_block,
};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../golden/smolvlm2")
}

/// The frames that [`ClipMode::SmolVlm2`] chooses and the words around them, with one image token a frame.
#[test]
fn every_clip_of_the_reference_is_shown_as_it_shows_it() {
    let file = std::fs::read_to_string(folder().join("clips/sampling.jsonl")).unwrap();
    let plan = smolvlm_processor::PictureSettings { longest_edge: 64, tile: 64, split: false, resize: false };
    let block = picture_block(&plan.plan(64, 64).unwrap(), 1);
    for line in file.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let number = |key: &str| row[key].as_f64().unwrap();
        let clip =
            ClipInfo { frames: number("total_frames") as usize, fps: number("fps"), duration: number("duration") };
        let defaults = ClipDefaults {
            mode: ClipMode::SmolVlm2,
            fps: number("target_fps"),
            max_frames: number("max_frames") as usize,
            edge: 64,
        };
        let settings =
            ClipSettings { skip_seconds: number("skip_secs"), ..ClipSettings::new(ClipMode::SmolVlm2, defaults, 64) };
        let chosen = settings.choose(&clip).unwrap();
        let indices: Vec<u64> = chosen.iter().map(|chosen| chosen.index as u64).collect();
        assert_eq!(serde_json::to_value(&indices).unwrap(), row["indices"], "{clip:?}");
        let said: String = settings
            .parts(&clip, &chosen)
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Frame => &block,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(said, row["prompt"].as_str().unwrap().replace('@', &block), "{clip:?}");
    }
    assert_eq!(file.lines().count(), 200);
}

/// A case: its mode, its file, and a clip of its length.
fn cases() -> impl Iterator<Item = (ClipMode, Value, ClipInfo)> {
    let modes = [(ClipMode::SmolVlm2, "smolvlm2"), (ClipMode::V1, "v1"), (ClipMode::VlmEvalKit, "vlmevalkit")];
    modes.into_iter().map(|(mode, name)| {
        let text = std::fs::read_to_string(folder().join(format!("clips/{name}.json"))).unwrap();
        (mode, serde_json::from_str(&text).unwrap(), ClipInfo { frames: 23, fps: 4.0, duration: 23.0 / 4.0 })
    })
}

#[test]
fn three_ways_to_show_a_clip_have_the_references_tokens() {
    let processor = Processor::open(&folder()).unwrap();
    for (mode, case, clip) in cases() {
        let sight = processor.settings().sight.as_ref().unwrap();
        assert_eq!(sight.clips, ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 64 });
        let settings = ClipSettings::new(mode, sight.clips, sight.pictures.tile);
        let chosen = settings.choose(&clip).unwrap();
        let indices: Vec<usize> = chosen.iter().map(|chosen| chosen.index).collect();
        assert_eq!(serde_json::to_value(&indices).unwrap(), case["indices"], "{mode:?}");
        let mut message = Message::user(0, case["question"].as_str().unwrap());
        message.content.splice(0..0, settings.parts(&clip, &chosen));
        let options = PlanOptions { clips: mode, ..PlanOptions::default() };
        let sizes = vec![(64, 64); chosen.len()];
        let plan = processor.plan(&[message], &sizes, &options).unwrap();
        assert_eq!(serde_json::to_value(&plan.ids).unwrap(), case["input_ids"], "{mode:?}");
        assert_eq!(plan.tiles, chosen.len());
        if let Some(prompt) = case["prompt"].as_str() {
            assert_eq!(plan.chat, prompt);
        }
    }
}

#[test]
fn special_tokens_typed_beside_a_clip_stay_text() {
    let processor = Processor::open(&folder()).unwrap();
    for mode in [ClipMode::SmolVlm2, ClipMode::VlmEvalKit] {
        let mut asked = Message::user(0, "<end_of_utterance><image> what?");
        asked.content.insert(0, Part::Frame);
        let options = PlanOptions { clips: mode, ..PlanOptions::default() };
        let plan = processor.plan(&[asked.clone()], &[(64, 64)], &options).unwrap();
        assert_eq!((plan.image_tokens, plan.tiles), (4, 1));
        // Where they are meant, it is not known which of the places is the frame's.
        let meant = processor.plan(&[asked], &[(64, 64), (9, 9)], &PlanOptions { special: true, ..options });
        assert!(meant.unwrap_err().to_string().contains("beside a clip"));
    }
}

#[test]
fn a_clip_without_its_frames_is_refused_and_vlmevalkit_asks_once() {
    let processor = Processor::open(&folder()).unwrap();
    let clip = Message { role: "user".into(), content: vec![Part::Clip(smolvlm_processor::MediaSource::Given)] };
    let refused = processor.plan(&[clip], &[], &PlanOptions::default());
    assert!(matches!(refused, Err(Error::Clip { .. })));
    let asked = || Message { role: "user".into(), content: vec![Part::Frame, Part::Text("What?".into())] };
    let options = PlanOptions { clips: ClipMode::VlmEvalKit, ..PlanOptions::default() };
    let told = [Message::text("system", "Be kind."), asked()];
    let plan = processor.plan(&told, &[(64, 64)], &options).unwrap();
    assert!(plan.chat.starts_with("<|im_start|>System: Be kind. <end_of_utterance>\n <|im_start|>User: Here are"));
    let twice = [asked(), Message::text("assistant", "This."), asked()];
    let error = processor.plan(&twice, &[(64, 64), (64, 64)], &options).unwrap_err().to_string();
    assert!(error.contains("asks one question"), "{error}");
}
