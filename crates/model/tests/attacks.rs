//! Checkpoints that lie, by accident or on purpose: each is refused with one error that says what is wrong and where.
#![allow(clippy::unwrap_used, clippy::panic)]

use serde_json::{Map, Value, json};
use smolvlm_backend::{Cpu, Quant};
use smolvlm_golden::folder;
use smolvlm_model::{Error, Vlm};
use std::path::Path;
use tempfile::TempDir;

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
const NORM: &str = "model.text_model.norm.weight";
const HEAD: &str = "lm_head.weight";

/// A safetensors file.
#[derive(Clone)]
struct Weights {
    header: Map<String, Value>,
    data: Vec<u8>,
}

impl Weights {
    /// Those of a golden checkpoint.
    fn golden() -> Weights {
        let file = std::fs::read(folder().join("idefics3-256m").join(SINGLE)).unwrap();
        let (length, rest) = file.split_first_chunk::<8>().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        Weights { header: serde_json::from_slice(header).unwrap(), data: data.to_vec() }
    }

    fn bytes(&self) -> Vec<u8> {
        file(&serde_json::to_string(&self.header).unwrap(), &self.data)
    }

    /// Only these tensors, packed anew.
    fn of(&self, wanted: impl Fn(&str) -> bool) -> Weights {
        let mut part = Weights { header: Map::new(), data: Vec::new() };
        for (name, info) in self.header.iter().filter(|(name, _)| *name != "__metadata__" && wanted(name)) {
            let offset = |i: usize| info["data_offsets"][i].as_u64().unwrap() as usize;
            part.add(name, info["dtype"].clone(), info["shape"].clone(), &self.data[offset(0)..offset(1)]);
        }
        part
    }

    fn add(&mut self, name: &str, dtype: Value, shape: Value, bytes: &[u8]) {
        let from = self.data.len();
        self.data.extend(bytes);
        let info = json!({ "dtype": dtype, "shape": shape, "data_offsets": [from, self.data.len()] });
        self.header.insert(name.into(), info);
    }
}

/// A file of this header and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A folder with the golden config, and these files.
fn checkpoint(files: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join("idefics3-256m/config.json"), dir.path().join("config.json")).unwrap();
    for (name, bytes) in files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn open(dir: &Path) -> Result<(), Error> {
    Vlm::open(dir, &Cpu::new(1), Quant::F32, &mut |_| {}).map(drop)
}

fn refused(dir: &Path) -> Error {
    let error = open(dir).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

/// Opens this file as the weights; it must be refused for its header, in these words.
fn header_refused(bytes: &[u8], says: &str) {
    let dir = checkpoint(&[(SINGLE, bytes)]);
    let error = refused(dir.path());
    let Error::Header { path, what } = &error else { panic!("{error}: not the header's error") };
    assert!(path.ends_with(SINGLE) && what.contains(says), "'{error}' should say '{says}'");
}

#[test]
fn the_undamaged_checkpoint_opens() {
    let weights = Weights::golden();
    open(checkpoint(&[(SINGLE, &weights.bytes())]).path()).unwrap();
    open(checkpoint(&[(SINGLE, &weights.of(|_| true).bytes())]).path()).unwrap();
}

#[test]
fn the_headers_length_is_not_believed() {
    let whole = Weights::golden().bytes();
    let with_length = |length: u64| [&length.to_le_bytes(), &whole[8..]].concat();
    for (bytes, says) in [
        (Vec::new(), "it has 0 bytes"),
        (vec![0; 7], "it has 7 bytes"),
        (with_length(0), "its header: EOF"),
        (with_length(whole.len() as u64), "follow: was it copied whole?"),
        (with_length(100_000_001), "claims 100000001 bytes"),
        (with_length(1 << 63), "claims 9223372036854775808 bytes"),
        (with_length(u64::MAX), "claims 18446744073709551615 bytes"),
        (whole[..1000].to_vec(), "but 992 follow: was it copied whole?"),
        (whole[..whole.len() - 1].to_vec(), "was the file copied whole?"),
    ] {
        header_refused(&bytes, says);
    }
}

#[test]
fn a_header_of_more_than_100_mb_is_refused_unread() {
    let dir = checkpoint(&[(SINGLE, &(101u64 << 20).to_le_bytes())]);
    std::fs::File::options().write(true).open(dir.path().join(SINGLE)).unwrap().set_len(200 << 20).unwrap();
    let error = refused(dir.path());
    assert!(matches!(&error, Error::Header { what, .. } if what.contains("claims 105906176 bytes")), "{error}");
}

#[test]
fn a_header_that_is_no_list_of_tensors() {
    let two = r#"{"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}, "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}"#;
    let deep = "[".repeat(100_000);
    for (header, says) in [
        ("", "its header: EOF"),
        ("{", "its header: EOF"),
        ("[]", "invalid type: sequence, expected an object of tensors by name"),
        ("\"x\"", "invalid type: string"),
        ("{} {}", "trailing characters"),
        ("PK\u{3}\u{4}", "its header: expected value"),
        (deep.as_str(), "its header: "),
        (two, "tensor 'a' stands there twice"),
        (r#"{"a": 1}"#, "invalid type: integer"),
        (r#"{"a": {"dtype": "F31", "shape": [1], "data_offsets": [0, 4]}}"#, "unknown variant `F31`"),
        (r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}"#, "invalid value: integer `-1`"),
        (r#"{"a": {"dtype": "F32", "shape": [1e99], "data_offsets": [0, 4]}}"#, "invalid type: floating point"),
        (r#"{"a": {"dtype": "F32", "shape": [1]}}"#, "missing field `data_offsets`"),
        (r#"{"__metadata__": {"a": 1}, "a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}"#, "invalid type"),
    ] {
        header_refused(&file(header, &[0; 4]), says);
    }
    header_refused(&[&2u64.to_le_bytes()[..], b"{\xFF"].concat(), "not UTF-8");
}

#[test]
fn tensors_that_do_not_fit_their_bytes() {
    let huge = usize::MAX;
    for (shape, offsets, says) in [
        (json!([2]), json!([0, 8]), "tensor 'a' ends at byte 8 of the data, which has 4"),
        (json!([2]), json!([0, 4]), "tensor 'a' has 4 bytes, which is not what shape [2] in F32 takes"),
        (json!([]), json!([2, 0]), "tensor 'a' ends before it begins, at 0 after 2"),
        (json!([huge, 2]), json!([0, 4]), "more than any file can hold"),
        (json!([huge / 2]), json!([0, 4]), "more than any file can hold"),
        (json!([1u64 << 33, 1u64 << 33]), json!([0, 4]), "more than any file can hold"),
        (json!([huge, 0]), json!([0, 4]), "tensor 'a' has 4 bytes, which is not what shape"),
        (json!([huge / 32]), json!([0, huge / 8]), "tensor 'a' ends at byte"),
        (json!([1]), json!([4, 8]), "tensor 'a' ends at byte 8"),
        (json!([0]), json!([0, 0]), "4 bytes follow that belong to no tensor"),
    ] {
        let header = json!({ "a": { "dtype": "F32", "shape": shape, "data_offsets": offsets } });
        header_refused(&file(&header.to_string(), &[0; 4]), says);
    }
    let bits = json!({ "a": { "dtype": "F4", "shape": [1], "data_offsets": [0, 1] } });
    header_refused(&file(&bits.to_string(), &[0]), "tensor 'a' has 1 bytes, which is not what shape [1] in F4 takes");
}

#[test]
fn overlaps_holes_and_bytes_of_nobody() {
    let tensor = |from: usize, to: usize| json!({ "dtype": "U8", "shape": [to - from], "data_offsets": [from, to] });
    for (first, second, says) in [
        (tensor(0, 4), tensor(0, 4), "invalid offset for tensor"),
        (tensor(0, 4), tensor(2, 8), "invalid offset for tensor `b`"),
        (tensor(0, 3), tensor(4, 8), "invalid offset for tensor `b`"),
        (tensor(1, 4), tensor(4, 8), "invalid offset for tensor `a`"),
    ] {
        let end = second["data_offsets"][1].as_u64().unwrap() as usize;
        header_refused(&file(&json!({ "a": first, "b": second }).to_string(), &vec![0; end]), says);
    }
    let whole = Weights::golden().bytes();
    header_refused(&[&whole[..], &[0]].concat(), "1 bytes follow that belong to no tensor");
    // A zip archive is read from its end: the file would be two things to two programs.
    let zip = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    header_refused(&[&whole[..], zip].concat(), "22 bytes follow that belong to no tensor");
}

#[test]
fn many_overlapping_tensors_end_soon() {
    let entry = |i: usize| format!(r#""t{i}":{{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#);
    let header = format!("{{{}}}", (0..100_000).map(entry).collect::<Vec<_>>().join(","));
    header_refused(&file(&header, &[0; 4]), "invalid offset for tensor");
}

#[test]
fn tensors_that_the_network_does_not_have() {
    let golden = Weights::golden();
    let dir = checkpoint(&[(SINGLE, &golden.of(|name| name != NORM).bytes())]);
    let error = refused(dir.path());
    let said = error.to_string();
    assert!(matches!(&error, Error::Missing { name, shape, .. } if name == NORM && *shape == [48]), "{error}");
    assert!(said.contains(&dir.path().display().to_string()) && said.contains("is missing") && said.contains("[48]"));

    let mut extra = golden.of(|_| true);
    extra.add("model.text_model.layers.9.mlp.up_proj.bias", "F32".into(), json!([2, 1]), &[0; 8]);
    extra.add("z", "F32".into(), json!([1]), &[0; 4]);
    let error = refused(checkpoint(&[(SINGLE, &extra.bytes())]).path());
    let Error::Extra { path, name, found, others } = &error else { panic!("{error}") };
    assert!(path.ends_with(SINGLE) && name.contains("layers.9") && *found == [2, 1] && *others == 1, "{error}");

    let mut misshapen = golden.of(|name| name != HEAD);
    misshapen.add(HEAD, "F32".into(), json!([48, 519]), &vec![0; 4 * 48 * 519]);
    let error = refused(checkpoint(&[(SINGLE, &misshapen.bytes())]).path());
    let said = error.to_string();
    assert!(matches!(&error, Error::Shape { path, .. } if path.ends_with(SINGLE)), "{error}");
    assert!(said.contains(HEAD) && said.contains("[48, 519]") && said.contains("[519, 48]"), "{said}");

    for (dtype, bytes) in [("I8", 48), ("I64", 8 * 48), ("BOOL", 48), ("F8_E4M3", 48), ("F64", 8 * 48)] {
        let mut integers = golden.of(|name| name != NORM);
        integers.add(NORM, dtype.into(), json!([48]), &vec![0; bytes]);
        let error = refused(checkpoint(&[(SINGLE, &integers.bytes())]).path());
        assert!(matches!(&error, Error::DType { name, .. } if name == NORM), "{error}");
        assert!(error.to_string().contains(dtype), "{error}");
    }
}

#[test]
fn an_index_names_files_of_its_folder_alone() {
    let whole = Weights::golden().bytes();
    for (shard, says) in [
        ("../../x.safetensors", "must be a file of this folder"),
        ("/etc/passwd", "must be a file of this folder"),
        ("sub/x.safetensors", "must be a file of this folder"),
        ("..\\x.safetensors", "must be a file of this folder"),
        ("..", "must be a file of this folder"),
        ("", "must be a file of this folder"),
        ("pytorch_model.bin", "only .safetensors files are read"),
    ] {
        let index = json!({ "weight_map": { NORM: shard } }).to_string();
        let error = refused(checkpoint(&[(INDEX, index.as_bytes()), (SINGLE, &whole)]).path());
        let Error::Settings { path, what } = &error else { panic!("{error}") };
        assert!(path.ends_with(INDEX) && what.contains(says) && what.contains(shard), "{error}");
    }
    for (index, says) in [
        ("no", "expected ident"),
        ("[]", "invalid length 0"),
        ("{}", "missing field `weight_map`"),
        (r#"{"weight_map": {"a": 1}}"#, "invalid type: integer `1`"),
        (&"[".repeat(100_000), ""),
    ] {
        let error = refused(checkpoint(&[(INDEX, index.as_bytes())]).path());
        assert!(
            matches!(&error, Error::Settings { path, what } if path.ends_with(INDEX) && what.contains(says)),
            "{error}"
        );
    }
}

#[test]
fn an_index_and_its_shards_agree() {
    let golden = Weights::golden();
    let (one, two) = ("model-1.safetensors", "model-2.safetensors");
    let (first, second) = (golden.of(|name| name != HEAD).bytes(), golden.of(|name| name == HEAD).bytes());
    let index = |head: &str| {
        let names = golden.header.keys().filter(|name| *name != "__metadata__");
        let map: Map<String, Value> = names.map(|n| (n.clone(), (if n == HEAD { head } else { one }).into())).collect();
        json!({ "weight_map": map }).to_string()
    };
    let right = index(two);
    open(checkpoint(&[(INDEX, right.as_bytes()), (one, &first), (two, &second)]).path()).unwrap();

    let error = refused(checkpoint(&[(INDEX, right.as_bytes()), (one, &first)]).path());
    assert!(matches!(&error, Error::Read { path, .. } if path.ends_with(two)), "{error}");

    let both = golden.of(|_| true).bytes();
    let error = refused(checkpoint(&[(INDEX, right.as_bytes()), (one, &both), (two, &second)]).path());
    let said = error.to_string();
    assert!(matches!(&error, Error::Header { path, .. } if path.ends_with(two)), "{said}");
    assert!(said.contains(&format!("tensor '{HEAD}' stands in ")) && said.contains(one), "{said}");

    let mut other = golden.of(|name| name == NORM);
    other.header.remove(NORM);
    other.data.clear();
    other.add("z", "F32".into(), json!([1]), &[0; 4]);
    let error = refused(checkpoint(&[(INDEX, right.as_bytes()), (one, &first), (two, &other.bytes())]).path());
    let said = error.to_string();
    assert!(matches!(&error, Error::Settings { path, .. } if path.ends_with(INDEX)), "{said}");
    assert!(said.contains(HEAD) && said.contains(two) && said.contains("does not hold it"), "{said}");

    let error = refused(checkpoint(&[(INDEX, br#"{"weight_map": {}}"#)]).path());
    assert!(matches!(error, Error::Missing { .. }), "{error}");
}

#[test]
fn folders_without_weights_that_are_read() {
    let empty = tempfile::tempdir().unwrap();
    let error = refused(empty.path());
    assert!(matches!(&error, Error::Read { path, .. } if path.ends_with("config.json")), "{error}");
    let error = refused(checkpoint(&[]).path());
    assert!(matches!(&error, Error::NoWeights { what, .. } if what.contains("holds neither")), "{error}");
    for pickled in ["pytorch_model.bin", "model.pt"] {
        let error = refused(checkpoint(&[(pickled, b"\x80\x02")]).path());
        assert!(matches!(&error, Error::NoWeights { what, .. } if what.contains("pickled weights only")), "{error}");
    }
}

#[test]
fn a_config_that_cannot_be_is_refused_before_the_weights_are_read() {
    let golden: Value =
        serde_json::from_slice(&std::fs::read(folder().join("idefics3-256m/config.json")).unwrap()).unwrap();
    for (place, value, says) in [
        ("/vision_config/num_attention_heads", json!(5), "5 does not divide 32"),
        ("/vision_config/num_attention_heads", json!(0), "0 does not divide 32"),
        ("/vision_config/num_hidden_layers", json!(1_000_000_000), "num_hidden_layers is 1000000000"),
        ("/vision_config/image_size", json!(4), "patch_size is 8; it must be 1 to 4"),
        ("/vision_config/image_size", json!(0), "image_size is 0"),
        ("/vision_config/image_size", json!(1u64 << 40), "image_size is 1099511627776"),
        ("/vision_config/patch_size", json!(0), "patch_size is 0"),
        ("/vision_config/hidden_size", json!(0), "hidden_size is 0"),
        ("/vision_config/intermediate_size", json!(1u64 << 50), "intermediate_size is 1125899906842624"),
        ("/vision_config/layer_norm_eps", json!(0), "layer_norm_eps is 0"),
        ("/vision_config/num_channels", json!(4), "num_channels is 4"),
        ("/text_config/num_hidden_layers", json!(1_000_000_000), "num_hidden_layers is 1000000000"),
        ("/text_config/num_hidden_layers", json!(0), "num_hidden_layers is 0"),
        ("/text_config/num_key_value_heads", json!(4), "4 does not divide 6"),
        ("/text_config/num_key_value_heads", json!(0), "0 does not divide 6"),
        ("/text_config/head_dim", json!(7), "2 does not divide 7"),
        ("/text_config/head_dim", json!(1u64 << 30), "head_dim is 1073741824"),
        ("/text_config/hidden_size", json!(u64::MAX), "hidden_size is 18446744073709551615"),
        ("/text_config/vocab_size", json!(1u64 << 60), "vocab_size is 1152921504606846976"),
        ("/text_config/max_position_embeddings", json!(1u64 << 60), "max_position_embeddings is"),
        ("/text_config/rope_parameters/rope_theta", json!(0), "rope_theta is 0"),
        ("/text_config/eos_token_id", json!("x"), "eos_token_id must be a token's id or a list of ids"),
        ("/scale_factor", json!(3), "scale_factor 3 must divide"),
        ("/image_token_id", json!(519), "image_token_id 519 lies outside"),
    ] {
        let mut config = golden.clone();
        *config.pointer_mut(place).unwrap() = value;
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        // There are no weights: the config must be the first to be refused.
        let error = refused(dir.path());
        let Error::Settings { path, what } = &error else { panic!("{place}: {error}") };
        assert!(path.ends_with("config.json") && what.contains(says), "{place}: '{what}' should say '{says}'");
    }
}

#[test]
fn a_config_of_another_network_is_refused_at_the_first_tensor() {
    // The largest sizes that a config may ask for: nothing of that size is made before the weights have shown it.
    let golden = std::fs::read_to_string(folder().join("idefics3-256m/config.json")).unwrap();
    let weights = Weights::golden().bytes();
    for (from, to) in [
        (r#""vocab_size": 519"#, r#""vocab_size": 4194304"#),
        (r#""intermediate_size": 72"#, r#""intermediate_size": 65536"#),
        (r#""intermediate_size": 96"#, r#""intermediate_size": 65536"#),
        (r#""image_size": 64"#, r#""image_size": 4096"#),
        (r#""hidden_size": 48"#, r#""hidden_size": 65536"#),
    ] {
        assert!(golden.contains(from));
        let config = golden.replace(from, to);
        let error = refused(checkpoint(&[("config.json", config.as_bytes()), (SINGLE, &weights)]).path());
        assert!(matches!(error, Error::Shape { .. }), "{to}: {error}");
    }
    let config = golden.replace(r#""num_hidden_layers": 3"#, r#""num_hidden_layers": 1024"#);
    let error = refused(checkpoint(&[("config.json", config.as_bytes()), (SINGLE, &weights)]).path());
    assert!(matches!(&error, Error::Missing { name, .. } if name.contains("layers.3.")), "{error}");
}

#[test]
fn settings_files_are_read_with_a_bound() {
    let dir = checkpoint(&[]);
    std::fs::File::create(dir.path().join("config.json")).unwrap().set_len(1 << 40).unwrap();
    let error = refused(dir.path());
    assert!(matches!(&error, Error::Settings { what, .. } if what.contains("more than 16777216 bytes")), "{error}");
}
