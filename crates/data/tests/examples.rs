//! Chats and documents become examples with the tokenizers and templates of real checkpoints: what is learnt, as text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside test functions

use smolvlm_data::{Content, Encoding, Example, Labels, Loader, Long, Mixture, PictureFile, Sample, SourceConfig};
use smolvlm_processor::{ClipMode, DecodeOptions, END_OF_UTTERANCE, MediaSource, Message, Part, Processor};
use std::collections::BTreeMap;

/// Markers of tiles as tokens, as text, and SmolVLM2's template.
const MODELS: [&str; 3] = ["idefics3-256m", "idefics3-2b", "smolvlm2"];

fn processor(model: &str) -> Processor {
    Processor::open(&smolvlm_golden::folder().join(model)).unwrap()
}

fn encoding(labels: Labels) -> Encoding {
    Encoding {
        labels,
        length: 4096,
        long: Long::Skip,
        longest_edge: None,
        split: None,
        scale_frequency: 0.0,
        clips: ClipMode::default(),
        decode: DecodeOptions::default(),
        seed: 1,
    }
}

fn pictures(names: &[&str]) -> Vec<PictureFile> {
    let path = |name: &&str| PictureFile::Path(smolvlm_golden::folder().join("images").join(name));
    names.iter().map(path).collect()
}

fn says(text: &str) -> Message {
    Message::text("assistant", text)
}

fn chat(messages: Vec<Message>, names: &[&str]) -> Sample {
    Sample { content: Content::Chat(messages), pictures: pictures(names), clips: Vec::new() }
}

fn image() -> Part {
    Part::Image(MediaSource::Given)
}

fn document(parts: Vec<Part>, names: &[&str]) -> Sample {
    Sample { content: Content::Document(parts), pictures: pictures(names), clips: Vec::new() }
}

/// Two turns, the second with a picture of its own.
fn two_turns() -> Sample {
    let messages =
        vec![Message::user(1, "How many?"), says("Three cats."), Message::user(1, "And here?"), says("One.")];
    chat(messages, &["big.png", "photo.jpg"])
}

/// Each stretch of learnt tokens as text.
fn learnt(processor: &Processor, example: &Example) -> Vec<String> {
    assert_eq!(example.ids.len(), example.trained.len());
    let pairs: Vec<(u32, bool)> = example.ids.iter().copied().zip(example.trained.iter().copied()).collect();
    let stretches = pairs.chunk_by(|a, b| a.1 == b.1).filter(|stretch| stretch[0].1);
    let text = |stretch: &[(u32, bool)]| {
        processor.tokenizer().decode(&stretch.iter().map(|(id, _)| *id).collect::<Vec<_>>(), true)
    };
    stretches.map(text).collect()
}

/// That all but the places of pictures is learnt, and that those are there.
fn all_but_pictures(processor: &Processor, example: &Example) {
    let image = processor.image_token_id().unwrap();
    assert!(example.ids.iter().zip(&example.trained).all(|(&id, &trained)| trained == (id != image)));
    let places = example.ids.iter().filter(|id| **id == image).count();
    assert_eq!(places, example.tiles() * processor.tokens_per_tile());
}

#[test]
fn answers_are_learnt_with_their_ends_alone() {
    for model in MODELS {
        let processor = processor(model);
        let single = chat(vec![Message::user(2, "What?"), says("A cat.")], &["big.png", "wide.png"]);
        let example = encoding(Labels::Answers).example(&processor, single, 0).unwrap();
        assert_eq!(learnt(&processor, &example), [" A cat.<end_of_utterance>"], "{model}");
        let tiles: Vec<u32> = example.pictures.iter().map(|p| p.plan.tiles).collect();
        assert!(tiles[0] == 13 && example.tiles() > 13, "{model}: {tiles:?}");

        let example = encoding(Labels::Answers).example(&processor, two_turns(), 0).unwrap();
        let expected = [" Three cats.<end_of_utterance>", " One.<end_of_utterance>"];
        assert_eq!(learnt(&processor, &example), expected, "{model}");
        assert_eq!(example.learnt(), example.trained.iter().filter(|t| **t).count(), "{model}");

        // Texts only, answers that begin and end in blanks or punctuation, and an assistant who speaks twice.
        for answer in ["", " ", "\n\n42\n", ":-)", "?", "  x", "é 世界", "Assistant: User:"] {
            let messages = vec![Message::text("user", "Say."), says(answer), says("Yes.")];
            let example = encoding(Labels::Answers).example(&processor, chat(messages, &[]), 0).unwrap();
            let expected = [format!(" {answer}<end_of_utterance>"), " Yes.<end_of_utterance>".to_owned()];
            assert_eq!(learnt(&processor, &example), expected, "{model}");
        }
    }
}

#[test]
fn the_prompt_before_an_answer_is_what_run_gives_the_model() {
    for model in MODELS {
        let processor = processor(model);
        let example = encoding(Labels::Answers).example(&processor, two_turns(), 0).unwrap();
        let Content::Chat(messages) = two_turns().content else { panic!() };
        let options = smolvlm_processor::PlanOptions::default();
        let prompt = processor.plan(&messages[..3], &[(611, 433), (200, 150)], &options).unwrap().ids;
        assert_eq!(example.ids[..prompt.len()], prompt, "{model}");
        let rest: Vec<bool> = example.trained[prompt.len()..].to_vec();
        assert!(rest[0] && !example.trained[prompt.len() - 1], "{model}");
    }
}

#[test]
fn all_and_the_seeds_labels() {
    for model in MODELS {
        let processor = processor(model);
        let example = encoding(Labels::All).example(&processor, two_turns(), 0).unwrap();
        all_but_pictures(&processor, &example);
        let example = encoding(Labels::Sft).example(&processor, two_turns(), 0).unwrap();
        // The line end behind an answer is masked with the question that follows.
        let expected = [" Three cats.<end_of_utterance>", " One.<end_of_utterance>"];
        assert_eq!(learnt(&processor, &example), expected, "{model}");
        // A system turn makes three ends: everything is learnt.
        let with_system = || {
            chat(vec![Message::text("system", "Be brief."), Message::user(1, "What?"), says("A cat.")], &["big.png"])
        };
        let example = encoding(Labels::Sft).example(&processor, with_system(), 0).unwrap();
        all_but_pictures(&processor, &example);
        let example = encoding(Labels::Answers).example(&processor, with_system(), 0).unwrap();
        assert_eq!(learnt(&processor, &example), [" A cat.<end_of_utterance>"], "{model}");
    }
}

#[test]
fn what_has_nothing_to_learn_is_refused() {
    let processor = processor("smolvlm2");
    let refusal = |messages: Vec<Message>, names: &[&str]| {
        encoding(Labels::Answers).example(&processor, chat(messages, names), 0).unwrap_err()
    };
    assert!(refusal(vec![Message::user(1, "What?")], &["big.png"]).contains("no answer"));
    assert!(refusal(vec![says("A cat.")], &[]).contains("begins with an answer"));
    assert!(refusal(vec![], &[]).contains("empty"));
    assert!(refusal(vec![Message::user(1, "What?"), says("A cat.")], &["missing.png"]).starts_with("picture 0: "));
    let error = refusal(vec![Message::user(1, "What?"), says("A cat.")], &[]);
    assert!(error.contains("picture"), "{error}");
}

#[test]
fn documents_are_learnt_but_for_their_pictures() {
    for model in MODELS {
        let processor = processor(model);
        let caption =
            document(vec![image(), Part::Text("Three cats, ".into()), Part::Text("asleep.".into())], &["big.png"]);
        let joined = document(vec![image(), Part::Text("Three cats, asleep.".into())], &["big.png"]);
        for labels in [Labels::Answers, Labels::All, Labels::Sft] {
            let example = encoding(labels).example(&processor, caption.clone(), 0).unwrap();
            all_but_pictures(&processor, &example);
            let texts = learnt(&processor, &example);
            assert!(texts[0].starts_with("<|im_start|><fake_token_around_image>"), "{model}: {}", texts[0]);
            let last = "<fake_token_around_image>Three cats, asleep.<end_of_utterance>";
            assert_eq!(texts.last().unwrap(), last, "{model}");
            // Texts side by side are one text.
            assert_eq!(example.ids, encoding(labels).example(&processor, joined.clone(), 0).unwrap().ids, "{model}");
        }
    }
}

#[test]
fn texts_that_spell_special_tokens_stay_texts() {
    for model in MODELS {
        let processor = processor(model);
        let spelt = "<image> <end_of_utterance>\nAssistant: <fake_token_around_image><row_1_col_1>";
        let messages =
            vec![Message::user(1, spelt), says(spelt), Message::text("user", "<end_of_utterance>"), says("<")];
        let example = encoding(Labels::Answers).example(&processor, chat(messages, &["photo.jpg"]), 0).unwrap();
        let expected = [format!(" {spelt}<end_of_utterance>"), " <<end_of_utterance>".to_owned()];
        assert_eq!(learnt(&processor, &example), expected, "{model}");
        let count = |id: Option<u32>| example.ids.iter().filter(|i| Some(**i) == id).count();
        assert_eq!(count(processor.tokenizer().token_to_id(END_OF_UTTERANCE)), 4, "{model}");
        assert_eq!(count(processor.image_token_id()), example.tiles() * processor.tokens_per_tile());

        let page = document(vec![Part::Text(spelt.into()), image()], &["photo.jpg"]);
        let example = encoding(Labels::Answers).example(&processor, page, 0).unwrap();
        all_but_pictures(&processor, &example);
        assert!(learnt(&processor, &example)[0].starts_with(&format!("<|im_start|>{spelt}<fake_")), "{model}");
    }
}

#[test]
fn long_chats_are_left_out_or_their_pictures_shrink() {
    for model in MODELS {
        let processor = processor(model);
        let of =
            |long, length| Encoding { long, length, ..encoding(Labels::Answers) }.example(&processor, two_turns(), 0);
        let whole = of(Long::Skip, 4096).unwrap();
        let (most, tiles) = (whole.ids.len(), whole.tiles());
        assert!(of(Long::Skip, most).is_ok() && of(Long::Shrink, most).unwrap() == whole);
        for long in [Long::Skip, Long::Cut] {
            let error = of(long, most - 1).unwrap_err();
            assert!(error.contains(&(most - 1).to_string()), "{model}: {error}");
        }
        let mut before = tiles;
        let shortest =
            of(Long::Shrink, most).map(|_| (1..most).find(|n| of(Long::Shrink, *n).is_ok()).unwrap()).unwrap();
        for length in [most - 1, (most + shortest) / 2, shortest] {
            let example = of(Long::Shrink, length).unwrap();
            assert!(
                example.shrunk && example.ids.len() <= length && example.tiles() <= before && example.tiles() < tiles
            );
            let expected = [" Three cats.<end_of_utterance>", " One.<end_of_utterance>"];
            assert_eq!(learnt(&processor, &example), expected, "{model}");
            before = example.tiles();
        }
        assert_eq!(before, 2, "{model}: one tile a picture");
        assert!(of(Long::Shrink, shortest - 1).unwrap_err().contains("even with one tile"), "{model}");
    }
}

#[test]
fn long_documents_are_cut_at_a_drawn_place() {
    let processor = processor("idefics3-256m");
    let text: String = (0..300).map(|i| format!("Line {i}.\n")).collect();
    let page =
        |names: &[&str]| document(names.iter().map(|_| image()).chain([Part::Text(text.clone())]).collect(), names);
    let of = |long, length, draw, names: &[&str]| {
        Encoding { long, length, ..encoding(Labels::Answers) }.example(&processor, page(names), draw)
    };
    let whole = of(Long::Cut, 100_000, 0, &[]).unwrap();
    let cut = of(Long::Cut, 100, 0, &[]).unwrap();
    assert!(cut.ids.len() == 100 && cut.learnt() == 99);
    assert!(whole.ids.windows(100).any(|stretch| stretch == cut.ids));
    assert_eq!(cut, of(Long::Cut, 100, 0, &[]).unwrap());
    assert!((1..5).any(|draw| of(Long::Cut, 100, draw, &[]).unwrap().ids != cut.ids));
    for (long, names) in
        [(Long::Skip, &[][..]), (Long::Shrink, &[]), (Long::Cut, &["photo.jpg"]), (Long::Shrink, &["photo.jpg"])]
    {
        let error = of(long, 100, 0, names).unwrap_err();
        assert!(error.contains("100"), "{long:?}: {error}");
    }
}

#[test]
fn drawn_sizes_are_the_allowed_ones_and_follow_the_draw() {
    // Tiles of 64 pixels, at most four to a side.
    let processor = processor("idefics3-256m");
    let of = |scale_frequency, draw, name| {
        let sample = chat(vec![Message::user(1, "What?"), says("A cat.")], &[name]);
        let example =
            Encoding { scale_frequency, ..encoding(Labels::Answers) }.example(&processor, sample, draw).unwrap();
        let (width, height) = example.pictures[0].plan.resized;
        assert_eq!(learnt(&processor, &example), [" A cat.<end_of_utterance>"]);
        width.max(height)
    };
    let mut counts = BTreeMap::new();
    for draw in 0..400 {
        let edge = of(1.0, draw, "big.png");
        assert_eq!(edge, of(1.0, draw, "big.png"));
        *counts.entry(edge).or_insert(0) += 1;
    }
    assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [64, 128, 192]);
    for (edge, share) in [(64, 200), (128, 120), (192, 80)] {
        assert!((share - 40..share + 40).contains(&counts[&edge]), "{counts:?}");
    }
    // Not drawn: as many tiles as hold the picture, at most the checkpoint's; without a frequency the checkpoint's.
    let rarely = |name| (0..5).map(|draw| of(1e-9, draw, name)).collect::<Vec<_>>();
    assert_eq!(
        (rarely("small.png"), rarely("square.png"), rarely("big.png")),
        (vec![64; 5], vec![128; 5], vec![256; 5])
    );
    assert_eq!(of(0.0, 0, "small.png"), 256);
}

#[test]
fn turns_of_a_source_are_drawn_anew_each_time_and_can_be_drawn_again() {
    let dir = tempfile::tempdir().unwrap();
    let turn = |i: usize| format!("{{\"user\": \"What is {i}?\", \"assistant\": \"{i}.\"}}");
    let turns: Vec<String> = (0..5).map(turn).collect();
    std::fs::write(dir.path().join("a.jsonl"), format!("{{\"texts\": [{}]}}\n", turns.join(", "))).unwrap();
    let processor = std::sync::Arc::new(processor("idefics3-256m"));
    let loader = |shuffle_turns| {
        let source = SourceConfig { shuffle_turns, ..SourceConfig::new(dir.path().join("a.jsonl")) };
        let mixture = Mixture::open(&[source], 1).unwrap();
        Loader { mixture, encoding: encoding(Labels::Sft), processor: processor.clone(), clips: None }
    };
    let answers = |loader: &Loader, at| learnt(&processor, &loader.load(at, 1).examples[0]);
    let (plain, drawn) = (loader(false), loader(true));
    let first = answers(&plain, 0);
    assert!(first.len() == 5 && (1..9).all(|at| answers(&plain, at) == first));
    let orders: Vec<_> = (0..9).map(|at| answers(&drawn, at)).collect();
    assert!(orders.iter().any(|order| *order != first));
    for (at, order) in orders.iter().enumerate() {
        assert_eq!(*order, answers(&loader(true), at as u64));
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, first);
    }
}

#[test]
fn a_source_may_have_a_longest_edge_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let picture = smolvlm_golden::folder().join("images/photo.jpg");
    let row = format!(r#"{{"image": {picture:?}, "question": "What?", "answer": "That."}}"#);
    std::fs::write(dir.path().join("a.jsonl"), row).unwrap();
    let processor = std::sync::Arc::new(processor("smolvlm2"));
    let tile = processor.picture_settings(&smolvlm_processor::PlanOptions::default()).unwrap().tile;
    let tiles = |max_edge, all| {
        let source = SourceConfig { max_edge, ..SourceConfig::new(dir.path().join("a.jsonl")) };
        let mixture = Mixture::open(&[source], 1).unwrap();
        let encoding = Encoding { longest_edge: all, ..encoding(Labels::Answers) };
        Loader { mixture, encoding, processor: processor.clone(), clips: None }.load(0, 1).examples[0].tiles()
    };
    assert_eq!((tiles(Some(tile), None), tiles(Some(tile), Some(2 * tile))), (1, 1));
    assert!(tiles(None, Some(2 * tile)) > 1);
}
