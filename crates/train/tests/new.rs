//! New checkpoints: what they hold, and what is refused.
#![allow(clippy::unwrap_used, clippy::panic)]

use safetensors::tensor::Dtype;
use serde_json::{Value, json};
use smolvlm_backend::Stored;
use smolvlm_engine::{DTypeChoice, Engine, EngineOptions, Request, Sampling};
use smolvlm_golden::folder;
use smolvlm_model::export::{Export, write};
use smolvlm_model::rope::RopeScaling;
use smolvlm_model::{Checkpoint, Config, Stream};
use smolvlm_processor::{Message, PlanOptions, Processor};
use smolvlm_train::new::{Made, New, Rope, make};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const SHAPE: &str = "scale_factor = 2
tied = true
[vision]
hidden = 32
intermediate = 40
layers = 2
heads = 4
image_size = 48
patch_size = 8
[text]
hidden = 24
intermediate = 64
layers = 2
heads = 4
kv_heads = 2
head_dim = 8
";
/// Tokens of the small tokenizer that are not SmolVLM's.
const OLD: usize = 471;

/// A folder with what models are made of.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        std::fs::write(bench.at("shape.toml"), SHAPE).unwrap();
        bench.tokenizer("smol", OLD);
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.at(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    /// The tokenizer of a golden model, with its first tokens alone.
    fn tokenizer(&self, name: &str, len: usize) {
        std::fs::create_dir_all(self.at(name)).unwrap();
        let text = std::fs::read_to_string(folder().join("idefics3-256m/tokenizer.json")).unwrap();
        let mut file: Value = serde_json::from_str(&text).unwrap();
        file["added_tokens"].as_array_mut().unwrap().retain(|token| token["id"].as_u64().unwrap() < len as u64);
        std::fs::write(self.at(name).join("tokenizer.json"), file.to_string()).unwrap();
        let config = json!({
            "tokenizer_class": "GPT2Tokenizer", "eos_token": "<|im_end|>", "chat_template": "none",
            "added_tokens_decoder": {"1": {"content": "<|im_start|>", "special": true}},
        });
        std::fs::write(self.at(name).join("tokenizer_config.json"), config.to_string()).unwrap();
    }

    /// A decoder with a tied head and one row that no token has.
    fn text(&self, name: &str, dtype: Dtype, tied: bool) -> PathBuf {
        self.tokenizer(name, OLD);
        let config = json!({
            "model_type": "llama", "hidden_size": 24, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": OLD + 1,
            "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 1000.0, "hidden_act": "silu",
            "tie_word_embeddings": tied, "bos_token_id": 1, "eos_token_id": 2,
        });
        std::fs::write(self.at(name).join("config.json"), config.to_string()).unwrap();
        let mut shapes = vec![
            ("model.embed_tokens.weight", vec![OLD + 1, 24]),
            ("model.layers.0.input_layernorm.weight", vec![24]),
            ("model.layers.0.self_attn.q_proj.weight", vec![32, 24]),
            ("model.layers.0.self_attn.k_proj.weight", vec![16, 24]),
            ("model.layers.0.self_attn.v_proj.weight", vec![16, 24]),
            ("model.layers.0.self_attn.o_proj.weight", vec![24, 32]),
            ("model.layers.0.post_attention_layernorm.weight", vec![24]),
            ("model.layers.0.mlp.gate_proj.weight", vec![64, 24]),
            ("model.layers.0.mlp.up_proj.weight", vec![64, 24]),
            ("model.layers.0.mlp.down_proj.weight", vec![24, 64]),
            ("model.norm.weight", vec![24]),
        ];
        if !tied {
            shapes.push(("lm_head.weight", vec![OLD + 1, 24]));
        }
        weights(&self.at(name), dtype, &shapes);
        self.at(name)
    }

    /// A tower of one layer with a pooling head, under names with this prefix.
    fn tower(&self, name: &str, kind: &str, prefix: &str) -> PathBuf {
        std::fs::create_dir_all(self.at(name)).unwrap();
        let sizes = json!({
            "model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 1,
            "num_attention_heads": 4, "image_size": 50, "patch_size": 8,
        });
        let config = if kind == "siglip" { json!({"model_type": "siglip", "vision_config": sizes}) } else { sizes };
        std::fs::write(self.at(name).join("config.json"), config.to_string()).unwrap();
        let names: Vec<(String, Vec<usize>)> = [
            ("embeddings.patch_embedding.weight", vec![32, 3, 8, 8]),
            ("embeddings.patch_embedding.bias", vec![32]),
            ("embeddings.position_embedding.weight", vec![36, 32]),
            ("post_layernorm.weight", vec![32]),
            ("post_layernorm.bias", vec![32]),
            ("head.probe", vec![1, 1, 32]),
        ]
        .into_iter()
        .map(|(name, shape)| (name.to_string(), shape))
        .chain(["layer_norm1", "layer_norm2"].into_iter().flat_map(|norm| both(norm, vec![32])))
        .chain(["q", "k", "v", "out"].into_iter().flat_map(|x| both(&format!("self_attn.{x}_proj"), vec![32, 32])))
        .chain(both("mlp.fc1", vec![40, 32]))
        .chain(both("mlp.fc2", vec![32, 40]))
        .map(|(name, shape)| (format!("{prefix}{name}"), shape))
        .collect();
        let shapes: Vec<_> = names.iter().map(|(name, shape)| (name.as_str(), shape.clone())).collect();
        weights(&self.at(name), Dtype::F32, &shapes);
        self.at(name)
    }

    fn make(&self, new: New) -> Result<Made, String> {
        make(&New { output: self.at("out"), ..new }, &|_, _| {}).map_err(|e| e.to_string())
    }

    /// All of it fresh.
    fn fresh(&self) -> New {
        let shape = self.at("shape.toml").to_str().unwrap().to_string();
        New { shape: Some(shape), tokenizer: Some(self.at("smol")), ..nothing() }
    }

    fn tensors(&self) -> BTreeMap<String, (Vec<usize>, Dtype, Vec<u8>)> {
        tensors(&self.at("out"))
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(self.at("out").join(file)).unwrap()).unwrap()
    }
}

/// The weight and the bias of a layer.
fn both(name: &str, shape: Vec<usize>) -> [(String, Vec<usize>); 2] {
    let at = |part: &str| format!("encoder.layers.0.{name}.{part}");
    [(at("bias"), vec![shape[0]]), (at("weight"), shape)]
}

fn weights(dir: &Path, dtype: Dtype, shapes: &[(&str, Vec<usize>)]) {
    let exports = shapes.iter().map(|(name, shape)| {
        let numbers = move || {
            let mut random = Stream::of(7, name);
            (0..shape.iter().product()).map(|_| random.normal() as f32 * 0.1).collect()
        };
        (name.to_string(), Export::f32(dtype, shape, numbers))
    });
    write(&dir.join("model.safetensors"), exports.collect::<Vec<_>>()).unwrap();
}

fn tensors(dir: &Path) -> BTreeMap<String, (Vec<usize>, Dtype, Vec<u8>)> {
    let open = Checkpoint::open(dir).unwrap();
    let entry = |name: &str| {
        let (shape, dtype, bytes) = open.raw(name).unwrap();
        (name.to_string(), (shape.to_vec(), dtype, bytes.to_vec()))
    };
    open.names().map(entry).collect()
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect()
}

fn nothing() -> New {
    New {
        text: None,
        vision: None,
        shape: None,
        tokenizer: None,
        seed: 42,
        dtype: None,
        context: None,
        rope: None,
        output: PathBuf::new(),
    }
}

/// Asks a model; a fresh one answers nonsense.
fn ask(dir: &Path) -> usize {
    let options = EngineOptions {
        threads: 1,
        isa: smolvlm_backend::Isa::best(),
        dtype: DTypeChoice::Auto,
        narrow_kv: false,
        adapters: Vec::new(),
    };
    let engine = Engine::open(dir, &options, &mut |_, _| {}).unwrap();
    let request = Request {
        messages: vec![Message::user(0, "A small model")],
        plan: PlanOptions::default(),
        sampling: Sampling::default(),
        max_tokens: 3,
        stop: Vec::new(),
        show_special: true,
        grammar: None,
    };
    engine.answer(&request, &[], None, &mut |_| std::ops::ControlFlow::Continue(())).unwrap().prompt_tokens
}

#[test]
fn a_fresh_model_opens_and_is_drawn_by_its_rules() {
    let bench = Bench::new();
    let made = bench.make(New { dtype: Some(Stored::F32), ..bench.fresh() }).unwrap();
    assert!(ask(&bench.at("out")) > 3);
    // 471 and 40 of SmolVLM's are 511; one reserved token brings them to 4 times 128.
    let sight = made.config.sight.as_ref().unwrap();
    assert_eq!((made.config.text.vocab, made.added, sight.image_token_id), (512, 41, 509));
    assert!(made.config.tied);
    assert_eq!((made.connector, made.config.tokens_per_tile()), (24 * 32 * 4, 9));
    assert_eq!(Config::open(&bench.at("out")).unwrap(), made.config);
    let tensors = bench.tensors();
    let count: u64 = tensors.values().map(|(shape, ..)| shape.iter().product::<usize>() as u64).sum();
    assert_eq!(count, made.vision + made.connector + made.text);
    assert!(!tensors.contains_key("lm_head.weight"));

    let of = |name: &str| f32s(&tensors[name].2);
    let deviation = |name: &str| {
        let x = of(name);
        (x.iter().map(|x| f64::from(x * x)).sum::<f64>() / x.len() as f64).sqrt()
    };
    let largest = |name: &str| of(name).iter().fold(0.0f32, |a, x| a.max(x.abs()));
    let tower = |name: &str| format!("model.vision_model.{name}");
    let fc1 = tower("encoder.layers.1.mlp.fc1.weight");
    for (name, want) in [
        ("model.connector.modality_projection.proj.weight", 0.02),
        ("model.text_model.embed_tokens.weight", 0.02),
        ("model.text_model.layers.1.mlp.down_proj.weight", 0.02),
        (&tower("embeddings.patch_embedding.weight"), 1.0 / (3.0f64 * 64.0).sqrt()),
        (&tower("embeddings.position_embedding.weight"), 1.0 / 32f64.sqrt()),
        (&fc1, (2.0f64 / 72.0).sqrt()),
        (&tower("encoder.layers.0.mlp.fc2.bias"), 1e-6),
    ] {
        let got = deviation(name);
        assert!((got / want - 1.0).abs() < if name.ends_with("bias") { 0.5 } else { 0.08 }, "{name}: {got} for {want}");
    }
    let bound = (6.0f32 / 72.0).sqrt();
    assert!(largest(&fc1) <= bound && largest(&fc1) > 0.95 * bound);
    let cut = 2.0 / 192f32.sqrt() / 0.879_625_7;
    let patch = largest(&tower("embeddings.patch_embedding.weight"));
    assert!(patch <= cut && patch > 0.9 * cut);
    assert!(of("model.text_model.norm.weight").iter().all(|&x| x == 1.0));
    assert!(of(&tower("encoder.layers.0.self_attn.q_proj.bias")).iter().all(|&x| x == 0.0));
}

#[test]
fn a_seed_draws_the_same_weights() {
    let made = |seed| {
        let bench = Bench::new();
        bench.make(New { seed, ..bench.fresh() }).unwrap();
        std::fs::read(bench.at("out/model.safetensors")).unwrap()
    };
    let one = made(1);
    assert!(one == made(1) && one != made(2));
}

#[test]
fn a_patch_embedding_may_begin_as_cosines() {
    let bench = Bench::new();
    let shape = bench.write("cosines.toml", &SHAPE.replace("patch_size = 8", "patch_size = 8\npatches = \"cosines\""));
    bench.make(New { shape: Some(shape), dtype: Some(Stored::F32), ..bench.fresh() }).unwrap();
    let tensors = bench.tensors();
    let (shape, _, bytes) = &tensors["model.vision_model.embeddings.patch_embedding.weight"];
    assert_eq!(shape[..], [32, 3, 8, 8]);
    // The first is a patch's mean brightness; no other has a part in it.
    let sums: Vec<f32> = f32s(bytes).chunks_exact(3 * 64).map(|row| row.iter().sum()).collect();
    assert!(sums[0].abs() > 0.1 && sums[1..].iter().all(|sum| sum.abs() < 1e-4), "{sums:?}");
    assert!(ask(&bench.at("out")) > 3);
}

#[test]
fn a_trained_decoder_keeps_its_bits() {
    for (dtype, stored) in [(Dtype::BF16, Dtype::BF16), (Dtype::F32, Dtype::F32), (Dtype::F16, Dtype::F32)] {
        let bench = Bench::new();
        let text = bench.text("text", dtype, true);
        let made = bench.make(New { text: Some(text.clone()), ..tower_shape(&bench) }).unwrap();
        assert!(ask(&bench.at("out")) > 3);
        assert!(made.config.tied);
        let (old, new) = (tensors(&text), bench.tensors());
        for (name, (shape, _, bytes)) in &old {
            let (found, kept, got) = &new[name];
            assert_eq!(*kept, stored, "{name}");
            if name.contains("embed_tokens") {
                assert_eq!(*found, [512, 24]);
                // The row that no token has is a new token's.
                let rows = OLD * 24 * if dtype == Dtype::F32 { 4 } else { 2 };
                assert!(dtype != stored || got[..rows] == bytes[..rows]);
            } else {
                assert_eq!(shape, found);
                assert!(dtype != stored || got == bytes, "{name}");
            }
        }
        if dtype == Dtype::F32 {
            let table = f32s(&new["model.text_model.embed_tokens.weight"].2);
            let mean = |i: usize| (0..OLD).map(|row| f64::from(table[row * 24 + i])).sum::<f64>() / OLD as f64;
            for row in OLD..512 {
                assert!((0..24).all(|i| (f64::from(table[row * 24 + i]) - mean(i)).abs() < 1e-8), "row {row}");
            }
        }
    }
}

/// The shape's tower and scale factor.
fn tower_shape(bench: &Bench) -> New {
    let part = SHAPE.split("[text]").next().unwrap().replace("tied = true\n", "");
    New { shape: Some(bench.write("tower.toml", &part)), ..nothing() }
}

#[test]
fn a_head_of_its_own_grows_as_the_table_does() {
    let bench = Bench::new();
    let text = bench.text("text", Dtype::F32, false);
    let made = bench.make(New { text: Some(text), ..tower_shape(&bench) }).unwrap();
    let tensors = bench.tensors();
    assert!(!made.config.tied && tensors["lm_head.weight"].0 == [512, 24]);
    assert_ne!(tensors["lm_head.weight"].2, tensors["model.text_model.embed_tokens.weight"].2);

    // A tied one can be cut loose, and begins as the table.
    let bench = Bench::new();
    let text = bench.text("text", Dtype::BF16, true);
    let shape = bench.write("tower.toml", "tied = false\nscale_factor = 3\n");
    let vision = Some(bench.tower("tower", "siglip", "vision_model."));
    let made = bench.make(New { text: Some(text), vision, shape: Some(shape), ..nothing() }).unwrap();
    let tensors = bench.tensors();
    assert!(!made.config.tied && made.config.sight.unwrap().scale_factor == 3);
    assert_eq!(tensors["lm_head.weight"], tensors["model.text_model.embed_tokens.weight"]);
}

#[test]
fn a_trained_tower_keeps_its_bits() {
    for (kind, prefix) in
        [("siglip", "vision_model."), ("siglip_vision_model", "vision_model."), ("siglip_vision_model", "")]
    {
        let bench = Bench::new();
        let (text, vision) = (bench.text("text", Dtype::F32, true), bench.tower("tower", kind, prefix));
        let new = New { text: Some(text), vision: Some(vision.clone()), ..nothing() };
        let made = bench.make(new).unwrap();
        assert!(ask(&bench.at("out")) > 3);
        // 50 pixels of patches of 8 are 6 a side, which 3 divides and 4 does not.
        let sight = made.config.sight.unwrap();
        assert_eq!((sight.tower.grid(), sight.scale_factor), (6, 3));
        let (old, new) = (tensors(&vision), bench.tensors());
        for (name, tensor) in old.iter().filter(|(name, _)| !name.contains("head.")) {
            let name = format!("model.vision_model.{}", name.strip_prefix(prefix).unwrap());
            assert_eq!(new[&name], *tensor, "{name}");
        }
        assert!(!new.keys().any(|name| name.contains("head")));
    }
}

#[test]
fn smolvlms_tokens_come_behind_the_tokenizers_own() {
    let bench = Bench::new();
    bench.make(bench.fresh()).unwrap();
    let processor = Processor::open(&bench.at("out")).unwrap();
    let id = |token: &str| processor.tokenizer().token_to_id(token).unwrap() as usize;
    assert_eq!((id("<global-img>"), id("<row_1_col_1>"), id("<row_1_col_2>")), (OLD, OLD + 1, OLD + 2));
    assert_eq!((id("<row_6_col_6>"), id("<fake_token_around_image>"), id("<image>")), (OLD + 36, OLD + 37, OLD + 38));
    assert_eq!((id("<|reserved_special_token_0|>"), id("<end_of_utterance>")), (OLD + 39, 511));
    let config = bench.json("tokenizer_config.json");
    assert_eq!((&config["eos_token"], &config["pad_token"]), (&json!("<end_of_utterance>"), &json!("<|im_end|>")));
    assert_eq!(config["added_tokens_decoder"]["509"]["content"], "<image>");
    assert!(config.get("chat_template").is_none());
    assert_eq!(bench.json("special_tokens_map.json")["bos_token"]["content"], "<|im_start|>");
    assert_eq!(bench.json("generation_config.json")["eos_token_id"], json!([2, 511]));
    let plan = processor.plan(&[Message::user(1, "Hi")], &[(90, 60)], &PlanOptions::default()).unwrap();
    assert_eq!((plan.chat.as_str(), plan.tiles), ("<|im_start|>User:<image>Hi<end_of_utterance>\nAssistant:", 13));

    // A tokenizer that has them all stays as it is.
    let whole = Bench::new();
    let made = whole.make(New { tokenizer: Some(folder().join("idefics3-256m")), ..whole.fresh() }).unwrap();
    assert_eq!((made.added, made.config.text.vocab), (0, 519));
    let [a, b] = [folder().join("idefics3-256m"), whole.at("out")].map(|dir| dir.join("tokenizer.json"));
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
}

#[test]
fn a_longer_context_is_written() {
    for (rope, base, scaling) in
        [(Rope::Base(5e5), 5e5, RopeScaling::None), (Rope::Linear(4.0), 1000.0, RopeScaling::Linear(4.0))]
    {
        let bench = Bench::new();
        let text = Some(bench.text("text", Dtype::BF16, true));
        let new = New { text, context: Some(2048), rope: Some(rope), ..tower_shape(&bench) };
        bench.make(new).unwrap();
        let text = Config::open(&bench.at("out")).unwrap().text;
        assert_eq!((text.context, text.rope_theta, text.rope), (2048, base, scaling));
        assert_eq!(bench.json("tokenizer_config.json")["model_max_length"], 2048);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_a_line_and_leaves_nothing() {
    let bench = Bench::new();
    let text = Some(bench.text("text", Dtype::BF16, true));
    bench.text("headed", Dtype::BF16, false);
    bench.tower("tower", "siglip", "vision_model.");
    // All cases are laid out before the first is made: each has files of its own.
    let count = Cell::new(0);
    let unique = |kind: &str| {
        count.set(count.get() + 1);
        format!("{kind}-{}", count.get())
    };
    let fresh = |from: &str, to: &str| {
        assert!(SHAPE.contains(from), "{from}");
        let shape = bench.write(&format!("{}.toml", unique("shape")), &SHAPE.replacen(from, to, 1));
        New { shape: Some(shape), ..bench.fresh() }
    };
    let with = |shape: &str, new: New| New { shape: Some(shape.to_string()), ..new };
    let damaged = |from: &str, to: &str| {
        let text = bench.text(&unique("text"), Dtype::BF16, true);
        let path = text.join("config.json");
        let config = std::fs::read_to_string(&path).unwrap();
        assert!(config.contains(from), "{config}");
        std::fs::write(path, config.replace(from, to)).unwrap();
        New { text: Some(text), ..tower_shape(&bench) }
    };
    let of_text = || New { text: text.clone(), ..tower_shape(&bench) };
    bench.tokenizer("bare", 1);
    let existing = bench.at("smol");
    for (number, (new, says)) in [
        (nothing(), "--tokenizer DIR"),
        (New { tokenizer: Some(bench.at("smol")), ..nothing() }, "give --text DIR"),
        (New { tokenizer: Some(bench.at("smol")), ..of_text() }, "a tokenizer of its own"),
        (with("3b", bench.fresh()), "neither a file nor one of smolvlm-256m"),
        (fresh("image_size = 48", "image_size = 50"), "image_size 50 must be a multiple of patch_size 8"),
        (fresh("patch_size = 8", "patch_size = 0"), "must be a multiple of patch_size 0"),
        (fresh("patch_size = 8", "patch_size = 2\npatches = \"cosines\""), "patches of 2 have 12 cosines"),
        (fresh("patch_size = 8", "patch_size = 8\npatches = \"sines\""), "unknown variant `sines`"),
        (fresh("scale_factor = 2", "scale_factor = 4"), "scale_factor 4 must divide the 6 patches"),
        (fresh("scale_factor = 2", "scale_factor = 2\nscale = 1"), "unknown field `scale`"),
        (fresh("layers = 2", "layers = 2\ndepth = 1"), "unknown field `depth`"),
        (fresh("layers = 2", ""), "missing field `layers`"),
        (fresh("layers = 2", "layers = 99999"), "num_hidden_layers is 99999"),
        (fresh("heads = 4", "heads = 5"), "5 does not divide 32"),
        (fresh("kv_heads = 2", "kv_heads = 3"), "3 does not divide 4"),
        (fresh("head_dim = 8", "vocab = 100"), "vocab 100 has no room for the tokenizer's 512 tokens"),
        (fresh("head_dim = 8", "vocab = 4000000000"), "vocab_size is 4000000000"),
        (
            fresh("hidden = 24\nintermediate = 64\nlayers = 2", "hidden = 60000\nintermediate = 60000\nlayers = 1000"),
            "parameters; more than",
        ),
        (New { tokenizer: Some(bench.at("none")), ..bench.fresh() }, "tokenizer.json: No such file"),
        (New { tokenizer: Some(bench.at("bare")), ..bench.fresh() }, "has no added token <|im_start|>"),
        (New { text: Some(bench.at("none")), ..tower_shape(&bench) }, "config.json: No such file"),
        (New { vision: Some(bench.at("smol")), shape: None, ..of_text() }, "config.json: No such file"),
        (New { vision: Some(bench.at("tower")), ..of_text() }, "'vision' does nothing beside --vision"),
        (New { text: text.clone(), tokenizer: None, ..bench.fresh() }, "'text' does nothing beside --text"),
        (
            New { text: Some(bench.at("headed")), ..with(&bench.write("tie.toml", "tied = true"), nothing()) },
            "a head of its own",
        ),
        (New { text: text.clone(), vision: text.clone(), ..nothing() }, "model_type is 'llama'; a tower"),
        (damaged("\"llama\"", "\"qwen2\""), "model_type is 'qwen2'"),
        (damaged("\"intermediate_size\":64", "\"intermediate_size\":63"), "has shape [64, 24]"),
        (damaged("\"num_hidden_layers\":1", "\"num_hidden_layers\":2"), "layers.1.input_layernorm.weight' is missing"),
        (damaged("\"tie_word_embeddings\":true", "\"tie_word_embeddings\":false"), "'lm_head.weight' is missing"),
        (damaged("472", "470"), "471 tokens, but the decoder's table has 470 rows"),
        (New { context: Some(1024), ..of_text() }, "the decoder knows 512 positions"),
        (New { context: Some(0), ..of_text() }, "max_position_embeddings is 0"),
        (New { rope: Some(Rope::Base(-1.0)), ..of_text() }, "a number above 0, not -1"),
    ]
    .into_iter()
    .enumerate()
    {
        let error = bench.make(new).unwrap_err();
        assert!(error.contains(says), "{number}: {error} should say {says}");
        assert!(!bench.at("out").exists());
    }
    let taken = New { output: existing, ..bench.fresh() };
    assert!(make(&taken, &|_, _| {}).unwrap_err().to_string().contains("is there already"));
    let lost = New { output: bench.at("no/where"), ..bench.fresh() };
    assert!(make(&lost, &|_, _| {}).unwrap_err().to_string().contains("no folder to make it in"));
    let left = std::fs::read_dir(bench.0.path()).unwrap().flatten();
    assert_eq!(left.filter(|f| f.file_name().to_string_lossy().starts_with(".smolvlm")).count(), 0);
}
