//! A tokenizer learnt from data, and the model that is made with it.
#![allow(clippy::unwrap_used, clippy::panic)]

use smolvlm_data::SourceConfig;
use smolvlm_processor::{PlanOptions, Processor, Tokenizer};
use smolvlm_train::new::{New, NewTokenizer, learn_tokenizer, make};
use std::path::Path;

const SHAPE: &str = "scale_factor = 2
longest_edge = 96
[vision]
hidden = 32
intermediate = 40
layers = 1
heads = 4
image_size = 48
patch_size = 8
[text]
hidden = 24
intermediate = 64
layers = 1
heads = 4
";

fn tokenizer(folder: &Path, name: &str, size: usize) -> Result<usize, String> {
    let data = vec![SourceConfig::new(folder.join("chats.jsonl"))];
    let new = NewTokenizer { data, samples: 100, seed: 1, size, output: folder.join(name) };
    learn_tokenizer(&new, &|_, _| {}).map_err(|e| e.to_string())
}

#[test]
fn learnt_from_texts_it_serves_a_new_model() {
    let dir = tempfile::tempdir().unwrap();
    let row = r#"{"messages":[{"role":"user","content":"What colour is the square?"},{"role":"assistant","content":"The square is red, 17."}]}"#;
    std::fs::write(dir.path().join("chats.jsonl"), format!("{row}\n{row}\n")).unwrap();
    assert_eq!(tokenizer(dir.path(), "a", 280), Ok(280));
    assert_eq!(tokenizer(dir.path(), "b", 280), Ok(280));
    let text = |name: &str| std::fs::read_to_string(dir.path().join(name).join("tokenizer.json")).unwrap();
    assert_eq!(text("a"), text("b"));

    let learnt = Tokenizer::from_json("a", &text("a")).unwrap();
    let ids = |text: &str| learnt.encode_plain(text).unwrap();
    // What was often said is short, what never was is its bytes, digits stand alone, and nothing is lost.
    assert!(ids("square").len() < 4 && ids("zyx").len() == 3 && ids("17").len() == 2);
    let said = "The square wasn't blue: 42 €";
    assert_eq!(learnt.decode(&ids(said), true), said);

    std::fs::write(dir.path().join("shape.toml"), SHAPE).unwrap();
    let new = New {
        text: None,
        vision: None,
        shape: Some(dir.path().join("shape.toml").to_str().unwrap().into()),
        tokenizer: Some(dir.path().join("a")),
        seed: 1,
        dtype: None,
        context: None,
        rope: None,
        output: dir.path().join("model"),
    };
    let made = make(&new, &|_, _| {}).unwrap();
    assert_eq!(made.config.text.vocab % 128, 0);
    let processor = Processor::open(&new.output).unwrap();
    let settings = processor.picture_settings(&PlanOptions::default()).unwrap();
    assert_eq!(settings.plan(96, 96).unwrap().tiles, 5, "two by two and the whole");
}

#[test]
fn what_cannot_be_learnt_is_refused_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("chats.jsonl"), "{\"text\":\"a b\"}\n").unwrap();
    assert!(tokenizer(dir.path(), "a", 259).unwrap_err().contains("more than 259"));
    assert_eq!(tokenizer(dir.path(), "a", 260), Ok(260));
    assert!(tokenizer(dir.path(), "a", 260).unwrap_err().contains("there already"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
}
