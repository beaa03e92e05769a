//! Adapters on disk, as the `peft` package writes and reads them: `adapter_config.json` and `adapter_model.safetensors`.

use crate::{Checkpoint, Error, files};
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The settings' file.
pub const CONFIG: &str = "adapter_config.json";
/// The tensors' file.
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// What a module's name is preceded by in the tensors' file.
pub const PREFIX: &str = "base_model.model.";
/// No adapter has a greater rank.
const MOST_RANK: usize = 4096;

/// What an adapter is, as `peft.LoraConfig` names it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterConfig {
    /// The rank of `B A`.
    pub r: usize,
    /// Times this over the rank (or its root).
    pub lora_alpha: f64,
    /// Whether the factor is over the root of the rank.
    pub use_rslora: bool,
    /// Whether rows have lengths of their own.
    pub use_dora: bool,
    /// How likely an input is dropped in training.
    pub lora_dropout: f32,
    /// Which linear layers have one.
    pub target_modules: Targets,
    /// Which of those do not.
    pub exclude_modules: Option<Targets>,
    /// Other ranks, by patterns of modules' names.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, likewise.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// The base model's name or folder.
    pub base: Option<String>,
}

/// Modules of linear layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// A pattern for whole names; `all-linear` means every linear layer but the head.
    Pattern(String),
    /// Ends of names.
    Names(Vec<String>),
}

/// Every linear layer but the head.
pub const ALL_LINEAR: &str = "all-linear";

impl Default for AdapterConfig {
    /// Those of `peft`, on every linear layer.
    fn default() -> AdapterConfig {
        AdapterConfig {
            r: 8,
            lora_alpha: 8.0,
            use_rslora: false,
            use_dora: false,
            lora_dropout: 0.0,
            target_modules: Targets::Pattern(ALL_LINEAR.into()),
            exclude_modules: None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            base: None,
        }
    }
}

/// Modules that a config names, ready to be asked.
struct Matcher(Vec<Regex>);

impl Matcher {
    /// As `peft.tuners.tuners_utils.check_target_module_exists` matches.
    fn new(targets: &Targets) -> Result<Matcher, String> {
        let patterns = match targets {
            Targets::Pattern(pattern) if pattern == ALL_LINEAR => return Ok(Matcher(Vec::new())),
            Targets::Pattern(pattern) => vec![format!("^(?:{pattern})$")],
            Targets::Names(names) => names.iter().map(|name| format!(r"^(?:.*\.)?{}$", regex::escape(name))).collect(),
        };
        Ok(Matcher(patterns.iter().map(|pattern| self::pattern(pattern)).collect::<Result<_, _>>()?))
    }

    fn matches(&self, module: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(module))
    }
}

fn pattern(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("the pattern '{pattern}' cannot be used: {e}"))
}

/// The layers that have an adapter, each with its rank and its factor.
#[derive(Debug)]
pub struct Places {
    /// The module's name, its rank, its factor.
    pub modules: Vec<(String, usize, f64)>,
}

impl AdapterConfig {
    /// Reads `adapter_config.json` of an adapter's folder.
    ///
    /// # Errors
    /// Where it cannot be read, or asks for something that is not done here.
    pub fn open(dir: &Path) -> Result<AdapterConfig, Error> {
        let text = files::text(&dir.into(), CONFIG)?;
        let path = || dir.join(CONFIG).display().to_string();
        AdapterConfig::parse(&text).map_err(|what| Error::Settings { path: path(), what })
    }

    /// Reads the text of an `adapter_config.json`; the error says what is wrong.
    ///
    /// # Errors
    /// As [`AdapterConfig::open`].
    pub fn parse(text: &str) -> Result<AdapterConfig, String> {
        let raw: Raw = serde_json::from_str(text).map_err(|e| e.to_string())?;
        raw.check()
    }

    /// As `peft` writes it.
    pub fn to_json(&self) -> String {
        let mut raw = Map::new();
        let mut put = |key: &str, value: Value| raw.insert(key.to_string(), value);
        let targets = |targets: &Targets| serde_json::to_value(targets).unwrap_or_default();
        put("base_model_name_or_path", self.base.clone().map_or(Value::Null, Value::String));
        put("bias", "none".into());
        put("exclude_modules", self.exclude_modules.as_ref().map_or(Value::Null, targets));
        put("fan_in_fan_out", false.into());
        put("inference_mode", true.into());
        put("init_lora_weights", true.into());
        put("lora_alpha", whole(self.lora_alpha));
        put("alpha_pattern", self.alpha_pattern.iter().map(|(k, &v)| (k.clone(), whole(v))).collect());
        // Not all the digits of a wider type.
        put("lora_dropout", ((f64::from(self.lora_dropout) * 1e6).round() / 1e6).into());
        put("modules_to_save", Value::Null);
        put("peft_type", "LORA".into());
        put("r", self.r.into());
        put("rank_pattern", self.rank_pattern.iter().map(|(k, &v)| (k.clone(), Value::from(v))).collect());
        put("target_modules", targets(&self.target_modules));
        put("task_type", Value::Null);
        put("use_dora", self.use_dora.into());
        put("use_rslora", self.use_rslora.into());
        serde_json::to_string_pretty(&Value::Object(raw)).unwrap_or_default()
    }

    /// Which of these linear layers have an adapter.
    ///
    /// # Errors
    /// Where a pattern cannot be used, or none has.
    pub fn places<'a>(&self, linears: impl IntoIterator<Item = &'a str>) -> Result<Places, String> {
        let targets = Matcher::new(&self.target_modules)?;
        let all = targets.0.is_empty();
        let exclude = self.exclude_modules.as_ref().map(Matcher::new).transpose()?;
        let ranks = keyed(&self.rank_pattern)?;
        let alphas = keyed(&self.alpha_pattern)?;
        let mut modules = Vec::new();
        for module in linears {
            let wanted = if all { module != HEAD } else { targets.matches(module) };
            if !wanted || exclude.as_ref().is_some_and(|exclude| exclude.matches(module)) {
                continue;
            }
            let of = |pattern: &Regex| pattern.is_match(module);
            let rank = ranks.iter().find(|(pattern, _)| of(pattern)).map_or(self.r, |(_, rank)| *rank);
            let alpha = alphas.iter().find(|(pattern, _)| of(pattern)).map_or(self.lora_alpha, |(_, alpha)| *alpha);
            let over = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
            modules.push((module.to_string(), rank, alpha / over));
        }
        if modules.is_empty() {
            let targets = serde_json::to_string(&self.target_modules).unwrap_or_default();
            return Err(format!("target_modules {targets} name no linear layer of this model"));
        }
        Ok(Places { modules })
    }
}

/// The head's module.
const HEAD: &str = "lm_head";

/// Patterns of `rank_pattern` and `alpha_pattern`, as `peft.utils.other.get_pattern_key` matches.
fn keyed<T: Copy>(patterns: &BTreeMap<String, T>) -> Result<Vec<(Regex, T)>, String> {
    patterns.iter().map(|(key, &value)| Ok((pattern(&format!(r"^(?:.*\.)?(?:{key})$"))?, value))).collect()
}

/// A number, whole where it is.
fn whole(x: f64) -> Value {
    if x.fract() == 0.0 && x.abs() < 1e15 { (x as i64).into() } else { x.into() }
}

/// `adapter_config.json`: what is understood; the rest must be off.
#[derive(Deserialize)]
struct Raw {
    peft_type: String,
    #[serde(default = "Raw::r")]
    r: usize,
    #[serde(default = "Raw::alpha")]
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    lora_dropout: f32,
    target_modules: Targets,
    #[serde(default)]
    exclude_modules: Option<Targets>,
    #[serde(default)]
    rank_pattern: BTreeMap<String, usize>,
    #[serde(default)]
    alpha_pattern: BTreeMap<String, f64>,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Settings that change what an adapter computes, and what they are where they do not.
const OFF: [(&str, &[&str]); 9] = [
    ("bias", &["none"]),
    ("modules_to_save", &[]),
    ("fan_in_fan_out", &[]),
    ("layers_to_transform", &[]),
    ("layer_replication", &[]),
    ("lora_bias", &[]),
    ("use_qalora", &[]),
    ("target_parameters", &[]),
    ("trainable_token_indices", &[]),
];

impl Raw {
    fn r() -> usize {
        8
    }

    fn alpha() -> f64 {
        8.0
    }

    fn check(self) -> Result<AdapterConfig, String> {
        if self.peft_type != "LORA" {
            return Err(format!("peft_type is '{}'; adapters of type LORA (and its DoRA) are read", self.peft_type));
        }
        for (key, fine) in OFF {
            let off = match self.others.get(key) {
                None | Some(Value::Null | Value::Bool(false)) => true,
                Some(Value::String(text)) => fine.contains(&text.as_str()),
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                Some(_) => false,
            };
            if !off {
                return Err(format!("'{key}' is {}, which is not done here", self.others[key]));
            }
        }
        let ranks = || self.rank_pattern.values().chain([&self.r]);
        if let Some(r) = ranks().find(|r| !(1..=MOST_RANK).contains(*r)) {
            return Err(format!("the rank {r} must be from 1 to {MOST_RANK}"));
        }
        if !self.lora_alpha.is_finite() || !(0.0..1.0).contains(&self.lora_dropout) {
            let (alpha, dropout) = (self.lora_alpha, self.lora_dropout);
            return Err(format!("lora_alpha {alpha} must be a number, lora_dropout {dropout} from 0 to below 1"));
        }
        Ok(AdapterConfig {
            r: self.r,
            lora_alpha: self.lora_alpha,
            use_rslora: self.use_rslora,
            use_dora: self.use_dora,
            lora_dropout: self.lora_dropout,
            target_modules: self.target_modules,
            exclude_modules: self.exclude_modules,
            rank_pattern: self.rank_pattern,
            alpha_pattern: self.alpha_pattern,
            base: self.base_model_name_or_path,
        })
    }
}

/// The linear layers of a checkpoint that an adapter can be put on, by its names; a tied head is none.
pub fn linears(checkpoint: &Checkpoint, tied: bool) -> Vec<String> {
    let tables = [".embed_tokens", ".position_embedding", ".patch_embedding"];
    let is = |name: &&str| checkpoint.raw(name).is_some_and(|(shape, ..)| shape.len() == 2);
    let modules = checkpoint.names().filter(is).filter_map(|name| name.strip_suffix(".weight"));
    let modules = modules.filter(|name| !tables.iter().any(|table| name.ends_with(table)));
    modules.filter(|name| !(tied && *name == HEAD)).map(str::to_string).collect()
}

/// The tensors of an adapter's folder.
///
/// # Errors
/// Where there are none, or the file does not hold together.
pub fn weights(dir: &Path) -> Result<Checkpoint, Error> {
    Checkpoint::open_file(&dir.join(WEIGHTS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINEARS: [&str; 5] = [
        "model.vision_model.encoder.layers.0.self_attn.q_proj",
        "model.connector.modality_projection.proj",
        "model.text_model.layers.0.self_attn.q_proj",
        "model.text_model.layers.11.mlp.down_proj",
        "lm_head",
    ];

    fn places(config: &AdapterConfig) -> Vec<usize> {
        let found = config.places(LINEARS).unwrap().modules;
        found.iter().map(|(name, ..)| LINEARS.iter().position(|l| l == name).unwrap()).collect()
    }

    #[test]
    fn modules_are_named_as_peft_names_them() {
        let with = |targets| AdapterConfig { target_modules: targets, ..AdapterConfig::default() };
        let names = |names: &[&str]| Targets::Names(names.iter().map(|n| n.to_string()).collect());
        assert_eq!(places(&AdapterConfig::default()), [0, 1, 2, 3]);
        assert_eq!(places(&with(names(&["q_proj"]))), [0, 2]);
        assert_eq!(places(&with(names(&["proj", "lm_head"]))), [1, 4]);
        assert_eq!(places(&with(Targets::Pattern(r".*text_model.*\.(q_proj|down_proj)".into()))), [2, 3]);
        let mut config = with(names(&["q_proj", "down_proj"]));
        config.exclude_modules = Some(Targets::Pattern(".*vision_model.*".into()));
        config.rank_pattern.insert(r"layers\.11\.mlp\.down_proj".into(), 3);
        config.alpha_pattern.insert("q_proj".into(), 4.0);
        let found = config.places(LINEARS).unwrap().modules;
        assert_eq!(found.iter().map(|m| (m.1, m.2)).collect::<Vec<_>>(), [(8, 0.5), (3, 8.0 / 3.0)]);
        assert!(with(names(&["nothing"])).places(LINEARS).unwrap_err().contains("name no linear layer"));
        assert!(with(Targets::Pattern("(".into())).places(LINEARS).unwrap_err().contains("cannot be used"));
    }

    #[test]
    fn a_config_is_read_as_it_is_written_and_what_is_not_done_is_refused() {
        let mut config =
            AdapterConfig { lora_dropout: 0.1, use_dora: true, lora_alpha: 1.5, ..AdapterConfig::default() };
        config.target_modules = Targets::Names(vec!["q_proj".into()]);
        assert_eq!(AdapterConfig::parse(&config.to_json()).unwrap(), config);
        for (text, says) in [
            ("{}", "peft_type"),
            (r#"{"peft_type": "IA3", "target_modules": []}"#, "peft_type is 'IA3'"),
            (r#"{"peft_type": "LORA", "target_modules": [], "bias": "all"}"#, "'bias' is \"all\""),
            (r#"{"peft_type": "LORA", "target_modules": [], "modules_to_save": ["lm_head"]}"#, "'modules_to_save'"),
            (r#"{"peft_type": "LORA", "target_modules": [], "r": 0}"#, "rank 0"),
            (r#"{"peft_type": "LORA", "target_modules": [], "lora_dropout": 1.0}"#, "lora_dropout 1"),
        ] {
            let error = AdapterConfig::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
