//! How answers are made: the call's flags, and what `/set` puts over them.

use super::Args;
use super::command::nearest;
use crate::error::Error;
use crate::run::fresh_seed;
use crate::run::{Chosen, DecodingArgs, is_setting, over, settings};
use serde_json::{Map, Value};
use smolvlm_engine::{Defaults, Engine};
use smolvlm_processor::PlanOptions;

/// Settings that have other names here than their flags have.
const NAMES: [(&str, &str); 3] = [("temperature", "temp"), ("tokens", "max_tokens"), ("edge", "max_edge")];
/// Takes a setting back.
const DEFAULT: &str = "default";

/// The settings.
pub(super) struct Settings {
    call: DecodingArgs,
    defaults: Defaults,
    /// Those of `/set`, by their flags' names.
    own: Map<String, Value>,
    chosen: Chosen,
    call_plan: PlanOptions,
    plan: PlanOptions,
    /// Answers that were drawn since a seed was given.
    drawn: u64,
}

impl Settings {
    /// Those of the call, over what the model asks for.
    ///
    /// # Errors
    /// They do not fit together.
    pub(super) fn new(engine: &Engine, args: &Args, defaults: Defaults) -> Result<Settings, Error> {
        let clips = args.clips.mode(engine.processor());
        let (call, plan) = (args.decoding.clone(), PlanOptions { clips, ..args.pictures.plan() });
        let chosen = call.choose(engine, defaults.clone())?;
        one_answer(&chosen)?;
        Ok(Settings { call, defaults, own: Map::new(), chosen, call_plan: plan.clone(), plan, drawn: 0 })
    }

    /// How pictures are cut.
    pub(super) fn plan(&self) -> &PlanOptions {
        &self.plan
    }

    /// The most tokens of an answer.
    pub(super) fn max_tokens(&self) -> usize {
        self.chosen.max_tokens
    }

    /// Whether tokens are drawn, so that an answer may come out otherwise when it is asked for again.
    pub(super) fn draws(&self) -> bool {
        self.chosen.sampling.temperature > 0.0
    }

    /// Those of the next answer. Where a seed was given, each answer has the next one.
    pub(super) fn next(&mut self) -> Chosen {
        let mut chosen = self.chosen.clone();
        chosen.sampling.seed = match self.has_seed() {
            true => chosen.sampling.seed.wrapping_add(self.drawn),
            false => fresh_seed(),
        };
        self.drawn += 1;
        chosen
    }

    fn has_seed(&self) -> bool {
        self.own.contains_key("seed") || self.call.seed.is_some()
    }

    /// Sets one; nothing changes where that is an error.
    ///
    /// # Errors
    /// There is no such setting, or its value does not fit.
    pub(super) fn set(&mut self, engine: &Engine, name: &str, value: &str) -> Result<(), Error> {
        let key = name.replace('-', "_").to_ascii_lowercase();
        let key = NAMES.iter().find(|(known, _)| *known == key).map_or(key.as_str(), |(_, key)| key);
        match key {
            "max_edge" | "split" => {
                let plan = self.pictures(key, value)?;
                engine.processor().picture_settings(&plan)?;
                self.plan = plan;
            }
            key if is_setting(key) => {
                let mut own = self.own.clone();
                match value {
                    DEFAULT => _ = own.shift_remove(key),
                    value => _ = own.insert(key.to_owned(), value.into()),
                }
                let args = over(&self.call, &own)?;
                args.check()?;
                let chosen = args.choose(engine, self.defaults.clone())?;
                one_answer(&chosen)?;
                (self.own, self.chosen) = (own, chosen);
                if key == "seed" {
                    self.drawn = 0;
                }
            }
            _ => {
                let nearest = nearest(name, names()).unwrap_or_default();
                return Error::usage(format!(
                    "there is no setting {name}; {nearest} is the nearest one, /set lists all"
                ));
            }
        }
        Ok(())
    }

    /// The plan's options with one of them changed.
    fn pictures(&self, key: &str, value: &str) -> Result<PlanOptions, Error> {
        let mut plan = self.plan.clone();
        match (key, value) {
            ("max_edge", DEFAULT) => plan.longest_edge = self.call_plan.longest_edge,
            ("max_edge", value) => {
                let edge = value.parse().map_err(|_| {
                    Error::Usage(format!("'{value}' is no number of pixels; /set edge 1024 would be right"))
                })?;
                plan.longest_edge = Some(edge);
            }
            (_, DEFAULT) => plan.split = self.call_plan.split,
            (_, "on" | "true" | "yes") => plan.split = Some(true),
            (_, "off" | "false" | "no") => plan.split = Some(false),
            _ => return Error::usage("split is on or off: whether pictures are cut into tiles"),
        }
        Ok(plan)
    }

    /// What `/set` shows: the usual ones, those that were set, and the names of all others.
    pub(super) fn list(&self, engine: &Engine) -> String {
        let sampling = &self.chosen.sampling;
        let seed = if self.has_seed() { sampling.seed.to_string() } else { "another each time".into() };
        let pictures = engine.processor().picture_settings(&self.plan);
        let mut lines = vec![
            ("temperature", sampling.temperature.to_string()),
            ("tokens", self.chosen.max_tokens.to_string()),
            ("seed", seed),
        ];
        if let Ok(pictures) = pictures {
            lines.push(("edge", pictures.longest_edge.to_string()));
            lines.push(("split", if pictures.split { "on" } else { "off" }.into()));
        }
        let usual = ["temp", "max_tokens", "seed"];
        let own = self.own.iter().filter(|(key, _)| !usual.contains(&key.as_str()));
        lines.extend(own.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default().to_owned())));
        let text: String = lines.iter().map(|(name, value)| format!("  {name:<18} {value}\n")).collect();
        let others: Vec<String> = names().filter(|name| !lines.iter().any(|(shown, _)| shown == name)).collect();
        text + "  others:" + &wrapped(&others)
    }
}

/// The names that `/set` takes.
pub(super) fn names() -> impl Iterator<Item = String> {
    let own = ["temperature", "tokens", "edge", "split"].into_iter().map(str::to_owned);
    let hidden = |key: &str| NAMES.iter().any(|(_, known)| *known == key) || ["samples", "logprobs"].contains(&key);
    own.chain(settings().filter(move |key| !hidden(key)))
}

/// Names as lines that a terminal need not break.
fn wrapped(names: &[String]) -> String {
    const WIDTH: usize = 76;
    let (mut text, mut column) = (String::new(), "  others:".len());
    for (at, name) in names.iter().enumerate() {
        let comma = if at + 1 < names.len() { "," } else { "" };
        if column + name.len() + 2 > WIDTH {
            text += "\n   ";
            column = 3;
        }
        text += &format!(" {name}{comma}");
        column += name.len() + 2;
    }
    text
}

/// A conversation goes on from one answer.
fn one_answer(chosen: &Chosen) -> Result<(), Error> {
    match chosen.sampling.samples {
        1 => Ok(()),
        _ => Error::usage("a conversation goes on from one answer: --samples is of smolvlm run"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_wrapped() {
        let names: Vec<String> = names().collect();
        let text = format!("  others:{}", wrapped(&names));
        assert!(text.lines().count() > 1 && text.lines().all(|line| line.len() <= 76), "{text}");
        let again: Vec<&str> = text.trim_start_matches("  others:").split(',').map(str::trim).collect();
        assert_eq!(again, names);
        assert_eq!(wrapped(&[]), "");
    }

    #[test]
    fn settings_are_known_by_one_name() {
        let names: Vec<String> = names().collect();
        for name in ["temperature", "tokens", "edge", "split", "seed", "top_k", "stop"] {
            assert_eq!(names.iter().filter(|known| *known == name).count(), 1, "{name}");
        }
        assert_eq!(nearest("tempearture", self::names()).as_deref(), Some("temperature"));
        for name in ["temp", "max_tokens", "samples", "logprobs", "json"] {
            assert!(!names.iter().any(|known| known == name), "{name}");
        }
    }
}
