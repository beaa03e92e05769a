//! Learning from clips: their frames take places as pictures do, and are decoded once.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_backend::Isa;
use smolvlm_data::{Columns, SourceConfig};
use smolvlm_golden::folder;
use smolvlm_processor::ClipMode;
use smolvlm_train::{Config, DType, Observer, Options, RECIPES, StepLine, train};
use std::path::Path;
use std::sync::atomic::AtomicBool;

#[derive(Default)]
struct Steps(Vec<StepLine>);

impl Observer for Steps {
    fn loading(&mut self, _: usize, _: usize) {}

    fn step(&mut self, line: &StepLine, _: u64) {
        self.0.push(line.clone());
    }

    fn note(&mut self, what: &str) {
        panic!("{what}");
    }
}

fn losses(config: &Config) -> Vec<u64> {
    let mut steps = Steps::default();
    let options = Options { threads: 2, isa: Isa::best(), resume: false, stop: &AtomicBool::new(false) };
    train(config, &options, &mut steps).unwrap();
    steps.0.iter().map(|line| line.loss.to_bits()).collect()
}

/// The recipe over captions of three animations.
fn config(dir: &Path, output: &str) -> Config {
    let rows: String = ["gif-frames-1.gif", "webp-frames.webp", "gif-frames-2-transparent.gif"]
        .map(|name| {
            let path = folder().join("pictures").join(name);
            format!("{}\n", serde_json::json!({"video link": path, "text prompt": format!("a clip called {name}")}))
        })
        .concat();
    std::fs::write(dir.join("clips.jsonl"), rows).unwrap();
    let columns = Columns {
        video: Some("video link".into()),
        answer: Some("text prompt".into()),
        prompt: Some("Caption the video.".into()),
        ..Columns::default()
    };
    let recipe = RECIPES.iter().find(|recipe| recipe.name == "video-captions").unwrap();
    let mut config =
        Config { model: folder().join("smolvlm2"), output: dir.join(output), dtype: DType::F32, ..recipe.config() };
    config.data.sources = vec![SourceConfig::new(dir.join("clips.jsonl")).with(columns)];
    config.stages[0].steps = Some(4);
    config
}

#[test]
fn captions_of_clips_are_learnt_and_frames_decoded_once() {
    let dir = tempfile::tempdir().unwrap();
    let first = config(dir.path(), "first");
    assert!(first.stages[0].batch == 2 && first.stages[0].lr_vision == Some(0.0), "as the notebook trains");
    let learnt = losses(&first);
    assert_eq!(learnt.len(), 4);
    let kept = |folder: &Path| std::fs::read_dir(folder).unwrap().count();
    let frames = first.output.join("frames");
    assert_eq!(kept(&frames), 6, "a film and its words of each of three clips");
    // With what is kept, without keeping anything, and of other frames.
    let mut again = config(dir.path(), "again");
    again.cache.folder = Some(dir.path().join("shared"));
    assert_eq!(losses(&again), learnt);
    std::fs::remove_dir_all(&again.output).unwrap();
    assert_eq!(losses(&again), learnt, "features and frames of an earlier run");
    assert_eq!(kept(&dir.path().join("shared/frames")), 6);
    let mut none = config(dir.path(), "none");
    none.cache.limit_mib = 0;
    assert_eq!(losses(&none), learnt);
    assert!(!none.output.join("frames").exists());
    let mut few = config(dir.path(), "few");
    few.data.clips.mode = Some(ClipMode::V1);
    assert_ne!(losses(&few), learnt);
    few.data.clips.max_frames = Some(0);
    assert!(few.check().unwrap_err().to_string().contains("data.clips: max_frames 0"));
}
