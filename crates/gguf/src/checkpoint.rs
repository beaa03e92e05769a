//! A decoder's file, alone or with its tower's, as a checkpoint folder: settings, tokenizer and template in Hugging Face's
//! form, so that what reads a folder reads these; weights stay where they lie.

use crate::{Error, Gguf, Kind, ROPE_FREQS, Value, tokenizer};
use serde_json::{Map, Value as Json, json};
use smolvlm_sys::{FileMap, Files, Made};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// The key that tells decoders' files from towers'.
const ARCHITECTURE: &str = "general.architecture";
/// What it says in a tower's.
const CLIP: &str = "clip";
/// The token whose places pictures take.
const IMAGE: &str = "<image>";

/// What the decoder's file is called among a checkpoint's.
pub const TEXT: &str = "text.gguf";
/// What the tower's and connector's file is called.
pub const MMPROJ: &str = "mmproj.gguf";

/// The files of a checkpoint that a decoder's GGUF and its mmproj make; without one, of a decoder that reads text alone.
///
/// # Errors
/// One of them cannot be read, is no GGUF, or is of another network.
pub fn checkpoint(text: &Path, mmproj: Option<&Path>) -> Result<Files, Error> {
    let map = read(text)?;
    let decoder = at(text, Gguf::parse(&map))?;
    if decoder.text(ARCHITECTURE) == Ok(CLIP) {
        return at(text, Err(Error::Tower));
    }
    let mut held = at(text, of_text(&decoder))?;
    let map = mmproj.map(read).transpose()?;
    let tower = match (mmproj, &map) {
        (Some(mmproj), Some(map)) => {
            let tower = at(mmproj, Gguf::parse(map))?;
            at(mmproj, fits(&decoder, &tower))?;
            held.extend(at(mmproj, of_pictures(&tower))?);
            Some(tower)
        }
        _ => None,
    };
    held.insert("config.json", at(text, config(&decoder, tower.as_ref()))?);
    let linked = [(TEXT, Some(text)), (MMPROJ, mmproj)].into_iter();
    let linked = linked.filter_map(|(name, path)| Some((name.to_owned(), path?.to_owned())));
    let made = Made { name: text.display().to_string(), held: bytes(held), linked: linked.collect() };
    Ok(Files::Made(Arc::new(made)))
}

/// That a tower's file is that of a decoder's model.
///
/// # Errors
/// [`Error::Unfit`], in an [`Error::File`], if it is of another; a file cannot be read or is no GGUF.
pub fn fit(text: &Path, mmproj: &Path) -> Result<(), Error> {
    let [decoder, tower] = [read(text)?, read(mmproj)?];
    at(mmproj, fits(&at(text, Gguf::parse(&decoder))?, &at(mmproj, Gguf::parse(&tower))?))
}

/// That a tower belongs to a decoder: it is one, there is a token for pictures, and what its connector makes is as wide as
/// the decoder.
fn fits(decoder: &Gguf<'_>, tower: &Gguf<'_>) -> Result<(), Error> {
    let unfit = |what: String| Err(Error::Unfit { what });
    for (key, wanted) in [(ARCHITECTURE, CLIP), ("clip.projector_type", "idefics3")] {
        match tower.text(key)? {
            found if found == wanted => {}
            found => return unfit(format!("{key} is {found}; {wanted} would be right here")),
        }
    }
    if !decoder.texts("tokenizer.ggml.tokens").unwrap_or_default().contains(&IMAGE) {
        return unfit(format!("there is no token {IMAGE} among the decoder's: it is no SmolVLM's"));
    }
    let made = tower.tensor("mm.model.fc.weight").and_then(|connector| connector.shape.first().copied());
    // Of the weights, since metadata that lie are an error of another kind.
    let width = decoder.tensor("token_embd.weight").and_then(|table| table.shape.last().copied());
    match (made, width) {
        (Some(made), Some(width)) if made != width => {
            unfit(format!("its vectors have {made} numbers, and the decoder's {width}"))
        }
        _ => Ok(()),
    }
}

/// The small files that a decoder's GGUF and its mmproj make: names and bytes.
///
/// # Errors
/// One of them lacks what they say, or is of another network.
pub fn settings(decoder: &Gguf<'_>, tower: Option<&Gguf<'_>>) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut held = of_text(decoder)?;
    held.extend(tower.map(of_pictures).transpose()?.into_iter().flatten());
    held.insert("config.json", config(decoder, tower)?);
    Ok(bytes(held))
}

/// Files of JSON or text by name.
type Held = BTreeMap<&'static str, Json>;

fn bytes(held: Held) -> BTreeMap<String, Vec<u8>> {
    let bytes = |json| match json {
        Json::String(text) => text.into_bytes(),
        json => json.to_string().into_bytes(),
    };
    held.into_iter().map(|(name, json)| (name.to_owned(), bytes(json))).collect()
}

fn read(path: &Path) -> Result<FileMap, Error> {
    at(path, FileMap::open(path).map_err(|e| Error::Read { what: e.to_string() }))
}

fn at<T>(path: &Path, result: Result<T, Error>) -> Result<T, Error> {
    result.map_err(|source| Error::File { path: path.display().to_string(), source: Box::new(source) })
}

/// The network's sizes.
fn config(decoder: &Gguf<'_>, tower: Option<&Gguf<'_>>) -> Result<Json, Error> {
    match tower {
        None => of_decoder(decoder),
        Some(tower) => of_whole(decoder, tower),
    }
}

/// The files that say how text is read and written.
fn of_text(gguf: &Gguf<'_>) -> Result<Held, Error> {
    let eos: Vec<usize> = ["tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"]
        .iter()
        .filter(|key| gguf.value(key).is_some())
        .map(|key| gguf.count(key))
        .collect::<Result<_, _>>()?;
    Ok(BTreeMap::from([
        ("tokenizer.json", tokenizer::tokenizer(gguf)?),
        ("tokenizer_config.json", tokenizer::special(gguf)?),
        ("chat_template.jinja", json!(gguf.text("tokenizer.chat_template")?)),
        ("generation_config.json", json!({ "eos_token_id": eos })),
    ]))
}

/// The files that say how pictures are read.
fn of_pictures(mmproj: &Gguf<'_>) -> Result<Held, Error> {
    Ok(BTreeMap::from([("preprocessor_config.json", pictures(mmproj)?), ("processor_config.json", processor(mmproj)?)]))
}

/// The sizes of a decoder alone.
fn of_decoder(text: &Gguf<'_>) -> Result<Json, Error> {
    let mut config = decoder(text)?;
    config.insert("model_type".into(), json!("llama"));
    config.insert("architectures".into(), json!(["LlamaForCausalLM"]));
    config.insert("tie_word_embeddings".into(), json!(is_tied(text)));
    Ok(Json::Object(config))
}

/// The whole network's sizes.
fn of_whole(text: &Gguf<'_>, mmproj: &Gguf<'_>) -> Result<Json, Error> {
    let tokens = text.texts("tokenizer.ggml.tokens")?;
    let image = tokens.iter().position(|token| *token == IMAGE);
    let image = image.ok_or_else(|| Error::Wrong { what: "there is no token <image>: it is no SmolVLM".into() })?;
    let mut decoder = decoder(text)?;
    // As published files have it; llama.cpp's converter asks for it.
    decoder.insert("architectures".into(), json!(["VLlama3ForCausalLM"]));
    Ok(json!({
        "model_type": "idefics3",
        "architectures": ["Idefics3ForConditionalGeneration"],
        "image_token_id": image,
        "scale_factor": mmproj.count("clip.vision.projector.scale_factor")?,
        "tie_word_embeddings": is_tied(text),
        "text_config": decoder,
        "vision_config": {
            "hidden_size": mmproj.count("clip.vision.embedding_length")?,
            "intermediate_size": mmproj.count("clip.vision.feed_forward_length")?,
            "num_hidden_layers": mmproj.count("clip.vision.block_count")?,
            "num_attention_heads": mmproj.count("clip.vision.attention.head_count")?,
            "image_size": mmproj.count("clip.vision.image_size")?,
            "patch_size": mmproj.count("clip.vision.patch_size")?,
            "layer_norm_eps": mmproj.number("clip.vision.attention.layer_norm_epsilon")?,
            "hidden_act": "gelu_pytorch_tanh",
        },
    }))
}

/// Whether the head is the embedding table.
fn is_tied(text: &Gguf<'_>) -> bool {
    text.tensor("output.weight").is_none()
}

/// The decoder's sizes.
fn decoder(text: &Gguf<'_>) -> Result<Map<String, Json>, Error> {
    is(text, ARCHITECTURE, "llama")?;
    let (hidden, heads) = (text.count("llama.embedding_length")?, text.count("llama.attention.head_count")?);
    let or = |key: &str, default: usize| if text.value(key).is_some() { text.count(key) } else { Ok(default) };
    let rope =
        if text.value("llama.rope.freq_base").is_some() { text.number("llama.rope.freq_base")? } else { 10_000.0 };
    let sizes = json!({
        "hidden_size": hidden,
        "intermediate_size": text.count("llama.feed_forward_length")?,
        "num_hidden_layers": text.count("llama.block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": or("llama.attention.head_count_kv", heads)?,
        "head_dim": or("llama.attention.key_length", hidden / heads.max(1))?,
        "max_position_embeddings": text.count("llama.context_length")?,
        "rms_norm_eps": text.number("llama.attention.layer_norm_rms_epsilon")?,
        "rope_theta": rope,
        "rope_scaling": scaling(text)?,
        "vocab_size": text.texts("tokenizer.ggml.tokens")?.len(),
    });
    Ok(if let Json::Object(sizes) = sizes { sizes } else { Map::new() })
}

/// How rotary frequencies are changed, as llama.cpp reads it and Hugging Face has it: all divided by a factor (which has an
/// older name) unless the type is none, and each by a number of its own where there is a tensor of them.
fn scaling(text: &Gguf<'_>) -> Result<Json, Error> {
    let named =
        ["llama.rope.scaling.factor", "llama.rope.scale_linear"].into_iter().find(|key| text.value(key).is_some());
    let of_all = match text.value("llama.rope.scaling.type") {
        None | Some(Value::Text("linear")) => {
            named.map(|key| text.number(key)).transpose()?.filter(|factor| *factor != 0.0)
        }
        Some(Value::Text("none")) => None,
        Some(other) => {
            return Err(Error::Wrong {
                what: format!("llama.rope.scaling.type is {other:?}; none and linear are known"),
            });
        }
    };
    let Some(tensor) = text.tensor(ROPE_FREQS) else {
        return Ok(of_all.map_or(Json::Null, |factor| json!({ "rope_type": "linear", "factor": factor })));
    };
    if tensor.kind != Kind::F32 || tensor.shape.len() != 1 {
        let found = format!("{:?} of {}", tensor.shape, tensor.kind.name());
        return Err(Error::Wrong { what: format!("tensor '{ROPE_FREQS}' is {found}; a row of F32 would be right") });
    }
    let of_all = of_all.unwrap_or(1.0) as f32;
    let factors: Vec<f32> = tensor.to_f32().iter().map(|divisor| divisor * of_all).collect();
    Ok(json!({
        "rope_type": "longrope",
        "short_factor": factors,
        "long_factor": factors,
        "attention_factor": 1.0,
    }))
}

/// How pictures are cut. What the converter does not keep is as the reference has it; files before that it kept the longest
/// edge have four tiles' sides, as all published models do.
fn pictures(mmproj: &Gguf<'_>) -> Result<Json, Error> {
    let tile = mmproj.count("clip.vision.image_size")?;
    let edge = match mmproj.value("clip.vision.preproc_image_size") {
        Some(_) => mmproj.count("clip.vision.preproc_image_size")?,
        None => 4 * tile,
    };
    let three = |key: &str| match mmproj.value(key) {
        Some(Value::Array(crate::Array::Real(numbers))) if numbers.len() == 3 => Ok(numbers.clone()),
        _ => Err(Error::Key { key: key.to_owned(), what: " that is three numbers" }),
    };
    Ok(json!({
        "image_processor_type": "Idefics3ImageProcessor",
        "size": { "longest_edge": edge },
        "max_image_size": { "longest_edge": tile },
        "image_mean": three("clip.vision.image_mean")?,
        "image_std": three("clip.vision.image_std")?,
    }))
}

/// What the reference's processor is told: it does not count the tokens of a tile itself.
fn processor(mmproj: &Gguf<'_>) -> Result<Json, Error> {
    let [side, patch, factor] =
        ["clip.vision.image_size", "clip.vision.patch_size", "clip.vision.projector.scale_factor"]
            .map(|key| mmproj.count(key));
    let tokens = side? / patch?.max(1) / factor?.max(1);
    Ok(json!({ "processor_class": "Idefics3Processor", "image_seq_len": tokens.saturating_mul(tokens) }))
}

fn is(gguf: &Gguf<'_>, key: &str, wanted: &str) -> Result<(), Error> {
    match gguf.text(key)? {
        found if found == wanted => Ok(()),
        found => Err(Error::Wrong { what: format!("{key} is {found}; {wanted} would be right here") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, NewTensor, write};

    #[test]
    fn frequencies_are_scaled_as_llama_cpp_does_it() {
        let (kind, factor) = ("llama.rope.scaling.type", "llama.rope.scaling.factor");
        let text = |text: &str| Field::Text(text.to_owned());
        let linear = json!({ "rope_type": "linear", "factor": 4.0 });
        let each = |factors: [f32; 2]| json!({ "rope_type": "longrope", "short_factor": factors, "long_factor": factors, "attention_factor": 1.0 });
        for (metadata, freqs, want) in [
            (vec![], None, Json::Null),
            (vec![(kind, text("none")), (factor, Field::F32(4.0))], None, Json::Null),
            (vec![(kind, text("linear")), (factor, Field::F32(4.0))], None, linear.clone()),
            (vec![(factor, Field::F32(4.0))], None, linear.clone()),
            (vec![("llama.rope.scale_linear", Field::F32(4.0))], None, linear),
            (vec![(kind, text("linear")), (factor, Field::F32(0.0))], None, Json::Null),
            (vec![], Some((Kind::F32, vec![2])), each([1.0, 8.0])),
            (vec![(factor, Field::F32(4.0))], Some((Kind::F32, vec![2])), each([4.0, 32.0])),
            (vec![(kind, text("yarn"))], None, json!("none and linear are known")),
            (vec![], Some((Kind::F16, vec![2])), json!("is [2] of F16; a row of F32 would be right")),
            (vec![], Some((Kind::F32, vec![2, 1])), json!("is [2, 1] of F32")),
        ] {
            let tensor = freqs.map(|(kind, shape)| NewTensor { name: ROPE_FREQS.into(), kind, shape });
            let mut file = Vec::new();
            let numbers = |_: usize, _: &NewTensor| Ok::<_, std::io::Error>(vec![1.0, 8.0]);
            write(&mut file, &metadata, tensor.as_slice(), numbers).unwrap();
            match scaling(&Gguf::parse(&file).unwrap()) {
                Ok(found) => assert_eq!(found, want),
                Err(error) => assert!(error.to_string().contains(want.as_str().unwrap()), "{error}"),
            }
        }
    }
}
