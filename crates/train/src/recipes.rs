//! Runs that are known to work, as settings to begin from.

use crate::{Adapter, Config, DType, Init, Optimiser, Reduction, Schedule, Stage};
use smolvlm_data::{Labels, Long, Packing};
use smolvlm_model::peft::Targets;

/// A run to begin from.
pub struct Recipe {
    /// What it is called.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    make: fn() -> Config,
}

impl Recipe {
    /// Its settings; the model, the data and the output are to be filled in.
    pub fn config(&self) -> Config {
        (self.make)()
    }
}

/// All of them.
pub const RECIPES: [Recipe; 7] = [
    Recipe {
        name: "vqa-lora",
        about: "questions about pictures with DoRA in bf16: the fine-tuning notebook without 4 bits",
        make: vqa_lora,
    },
    Recipe {
        name: "vqa-qlora",
        about: "the fine-tuning notebook as it runs: LoRA over a base in 4 bits",
        make: vqa_qlora,
    },
    Recipe { name: "full", about: "all of the decoder and the connector under a frozen tower", make: full },
    Recipe {
        name: "video-captions",
        about: "clips and their captions, as the video notebook trains: a frozen tower, frames and features kept",
        make: video_captions,
    },
    Recipe { name: "sft", about: "SmolVLM2's last stage: everything, each part at its own rate", make: sft },
    Recipe {
        name: "pretrain-1",
        about: "SmolVLM's first stage: DoRA and the connector, the rest frozen",
        make: pretrain_1,
    },
    Recipe { name: "pretrain-2", about: "SmolVLM's second stage: everything, at one rate", make: pretrain_2 },
];

/// The targets of the fine-tuning notebook. They are ends of names: of the tower, queries, keys and values match too.
fn notebook_targets() -> Targets {
    let names = ["down_proj", "o_proj", "k_proj", "q_proj", "gate_proj", "up_proj", "v_proj"];
    Targets::Names(names.map(String::from).into())
}

/// `Smol_VLM_FT.ipynb`, its second half's settings.
fn vqa_lora() -> Config {
    let adapter = Adapter {
        r: 8,
        alpha: 8.0,
        dora: true,
        dropout: 0.1,
        targets: notebook_targets(),
        init: Init::Gaussian,
        ..Adapter::default()
    };
    let stage = Stage {
        batch: 4,
        accumulate: 4,
        lr: 1e-4,
        weight_decay: 0.01,
        schedule: Schedule::Linear,
        // 50 of the notebook's 670 steps.
        warmup: 0.075,
        optimiser: Optimiser::Adamw8,
        ..Stage::default()
    };
    let mut config = Config { adapter: Some(adapter), stages: vec![stage], ..Config::default() };
    config.data.labels = Labels::All;
    config.data.long = Long::Shrink;
    config
}

fn vqa_qlora() -> Config {
    let mut config = Config { dtype: DType::Nf4, recompute: true, ..vqa_lora() };
    config.adapter.iter_mut().for_each(|adapter| adapter.dora = false);
    config
}

/// `SmolVLM2_Video_FT.ipynb`: all above the tower, batches of two clips, each of as many frames as the model's own way shows.
/// There the prompt is learnt too; `--labels all` does it.
fn video_captions() -> Config {
    let mut config = full();
    config.data.length = 8192;
    config.data.pack_tokens = 8192;
    config.stages.iter_mut().for_each(|stage| stage.weight_decay = 0.01);
    config
}

/// Everything above the tower.
fn full() -> Config {
    let stage = Stage {
        batch: 2,
        lr: 1e-4,
        lr_vision: Some(0.0),
        schedule: Schedule::Linear,
        warmup: 0.05,
        ..Stage::default()
    };
    let mut config = Config { stages: vec![stage], ..Config::default() };
    config.data.long = Long::Shrink;
    config
}

/// `vision/smolvlm2`: the released recipe's rates and losses.
fn sft() -> Config {
    let stage = Stage {
        batch: 64,
        lr: 2e-5,
        lr_vision: Some(5e-6),
        lr_connector: Some(1e-4),
        weight_decay: 0.0,
        warmup: 0.03,
        ..Stage::default()
    };
    let mut config = Config { recompute: true, reduction: Reduction::Token, stages: vec![stage], ..Config::default() };
    config.data.length = 8192;
    config.data.pack_tokens = 8192;
    config.data.long = Long::Shrink;
    config
}

/// `tr_341`: text, tower and head frozen under DoRA of rank 64. There the new tokens' rows and the connector are trained
/// whole; here the connector has an adapter as every linear layer has.
fn pretrain_1() -> Config {
    let adapter = Adapter { r: 64, alpha: 16.0, dora: true, dropout: 0.1, init: Init::Gaussian, ..Adapter::default() };
    let stage = Stage { batch: 64, weight_decay: 0.1, schedule: Schedule::Linear, warmup: 0.01, ..Stage::default() };
    let mut config = Config { adapter: Some(adapter), recompute: true, stages: vec![stage], ..Config::default() };
    pretraining(&mut config, 7000);
    config.data.max_edge = Some(1536);
    config
}

/// `tr_345`: everything, nothing frozen.
fn pretrain_2() -> Config {
    let stage = Stage { batch: 64, weight_decay: 0.1, schedule: Schedule::Linear, warmup: 0.02, ..Stage::default() };
    let mut config = Config { recompute: true, stages: vec![stage], ..Config::default() };
    pretraining(&mut config, 7000);
    config.data.labels = Labels::Sft;
    config
}

fn pretraining(config: &mut Config, length: usize) {
    config.data.length = length;
    config.data.pack_tokens = length;
    config.data.packing = Packing::Seed;
    config.data.scale_frequency = 1.0;
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_data::SourceConfig;

    #[test]
    fn every_recipe_is_a_run() {
        for recipe in &RECIPES {
            let mut config = recipe.config();
            config.data.sources.push(SourceConfig::new("data.jsonl"));
            config.check().unwrap_or_else(|e| panic!("{}: {e}", recipe.name));
            assert_eq!(toml::from_str::<Config>(&config.to_toml()).unwrap(), config, "{}", recipe.name);
        }
    }
}
