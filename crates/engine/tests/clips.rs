//! Clips through the network, against the reference: pixels, features, logits, answers; decoded ahead or seen ahead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside test functions

mod common;

use smolvlm_backend::Isa;
use smolvlm_engine::{
    Ask, Capture, DTypeChoice, Engine, EngineOptions, Features, PictureSource, QueueOptions, Request,
};
use smolvlm_golden::{Case, distance, folder, tensors};
use smolvlm_kernels::Pool;
use smolvlm_kernels::resample::Kernel;
use smolvlm_processor::{ClipDefaults, ClipInfo, ClipMode, ClipSettings, DecodeOptions, Message, Picture, PlanOptions};
use std::ops::ControlFlow;
use std::sync::Arc;

const MODES: [(ClipMode, &str); 3] =
    [(ClipMode::SmolVlm2, "smolvlm2"), (ClipMode::V1, "v1"), (ClipMode::VlmEvalKit, "vlmevalkit")];

fn case(name: &str) -> (Case, String) {
    let folder = folder().join("smolvlm2/clips");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let case: Case = serde_json::from_str(&text).unwrap();
    let question = json["question"].as_str().unwrap().to_owned();
    (Case { tensors: tensors(&folder.join(format!("{name}.safetensors"))), ..case }, question)
}

/// The golden clip as a request and its frames.
fn asked(engine: &Engine, mode: ClipMode, question: &str) -> (Request, Vec<Picture>) {
    let sight = engine.processor().settings().sight.as_ref().unwrap();
    let settings = ClipSettings::new(mode, sight.clips, sight.pictures.tile);
    let clip = ClipInfo { frames: 23, fps: 4.0, duration: 23.0 / 4.0 };
    let chosen = settings.choose(&clip).unwrap();
    let mut message = Message::user(0, question);
    message.content.splice(0..0, settings.parts(&clip, &chosen));
    let frame = |index: usize| {
        let file = folder().join(format!("smolvlm2/clips/frames/{index:03}.png"));
        let picture = Picture::open(&file, &DecodeOptions::default()).unwrap();
        settings.fit(&picture, sight.pictures.tile, &Pool::new(1)).unwrap()
    };
    let frames = chosen.iter().map(|chosen| frame(chosen.index)).collect();
    let plan = PlanOptions { clips: mode, ..PlanOptions::default() };
    (Request { messages: vec![message], plan, ..common::request(0, "", 24) }, frames)
}

#[test]
fn clips_have_the_references_pixels_features_and_answers() {
    let options =
        EngineOptions { threads: 2, isa: Isa::best(), dtype: DTypeChoice::F32, narrow_kv: false, adapters: Vec::new() };
    let engine = Engine::open(&folder().join("smolvlm2"), &options, &mut |_, _| {}).unwrap();
    let go_on = &mut |_: smolvlm_engine::Event<'_>| ControlFlow::Continue(());
    for (mode, name) in MODES {
        let (case, question) = case(name);
        let (request, frames) = asked(&engine, mode, &question);
        let mut capture = Capture::default();
        let answer = engine.answer(&request, &frames, Some(&mut capture), go_on).unwrap();
        assert!(capture.pixels == case.tensors["pixels"].u8(), "{name}: pixels");
        let far = distance(&capture.image_features, case.tensors["image_features"].f32());
        assert!(far < 1e-4, "{name}: features {far}");
        let far = distance(&capture.last_logits, case.tensors["last_logits"].f32());
        assert!(far < 1e-4, "{name}: logits {far}");
        assert_eq!(answer.output_ids, case.greedy_ids, "{name}");
        // The same of frames that were seen as they came, and of several requests side by side.
        let seen: Vec<Features> = frames.iter().map(|frame| engine.see_frame(frame).unwrap()).collect();
        let ahead = engine.answers_seen(&request, &seen, go_on).unwrap();
        assert_eq!((ahead[0].output_ids.as_slice(), ahead.len()), (answer.output_ids.as_slice(), 1));
        let pictures: Vec<_> = frames.into_iter().map(|frame| PictureSource::Frame(Arc::new(frame))).collect();
        let asks = (0..3).map(|tag| (tag, Ok(Ask { request: request.clone(), pictures: pictures.clone() })));
        let mut answers = Vec::new();
        let _ = engine.answer_in_order::<_, smolvlm_engine::Error>(
            asks,
            QueueOptions::new(2),
            &mut |_, found| {
                answers.push(found.unwrap()[0].output_ids.clone());
                ControlFlow::Continue(())
            },
            &mut || ControlFlow::Continue(()),
        );
        assert_eq!(answers, vec![answer.output_ids; 3], "{name}");
    }
}

/// transformers' video processor resizes by torch: by Lanczos, or, on a GPU and before torchvision 0.27, by a bicubic filter in
/// its stead.
#[test]
fn frames_are_near_those_of_transformers_video_processor() {
    let tensors = tensors(&folder().join("smolvlm2/clips/smolvlm2.safetensors"));
    let defaults = ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 64 };
    let settings = ClipSettings::new(ClipMode::SmolVlm2, defaults, 64);
    let chosen = settings.choose(&ClipInfo { frames: 23, fps: 4.0, duration: 23.0 / 4.0 }).unwrap();
    for (filter, name, most) in [(Kernel::Bicubic, "torch_bicubic", 2), (Kernel::Lanczos, "torch_pixels", 2)] {
        let want = tensors[name].u8();
        let settings = ClipSettings { filter, ..settings };
        let mut worst = 0;
        for (chosen, want) in chosen.iter().zip(want.chunks_exact(3 * 64 * 64)) {
            let file = folder().join(format!("smolvlm2/clips/frames/{:03}.png", chosen.index));
            let picture = Picture::open(&file, &DecodeOptions::default()).unwrap();
            let tile = settings.fit(&picture, 64, &Pool::new(1)).unwrap().rgb;
            let of_plane = |at: usize| tile[3 * (at % 4096) + at / 4096];
            worst = worst.max(want.iter().enumerate().map(|(at, want)| want.abs_diff(of_plane(at))).max().unwrap());
        }
        assert!(worst <= most, "{filter:?}: {worst}");
        eprintln!("{filter:?}: {worst}");
    }
}
