//! Settings of a row, over those of the call. A row's keys are the flags' names: they become flags and are read as such, so
//! that both mean the same and are refused alike.

use super::super::decoding::{Chosen, DecodingArgs};
use super::super::grammar::{FORMS, GrammarArgs};
use crate::error::Error;
use clap::{Arg, ArgAction, ArgGroup, Args, Command, FromArgMatches};
use serde_json::{Map, Value};
use smolvlm_backend::Splitmix;
use smolvlm_engine::{Defaults, Engine};
use std::sync::OnceLock;

/// What reads a row's settings.
fn command() -> &'static Command {
    static COMMAND: OnceLock<Command> = OnceLock::new();
    COMMAND.get_or_init(|| {
        // Log-probabilities are for programs, as the answers of rows are.
        let json = Arg::new("json").long("json").action(ArgAction::SetTrue).group("programs");
        let command = Command::new("row").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
        let command = command.arg(json).group(ArgGroup::new("programs").multiple(true));
        DecodingArgs::augment_args_for_update(command)
    })
}

/// Whether a row's key is a setting.
pub(crate) fn is_setting(key: &str) -> bool {
    key != "json" && command().get_arguments().any(|argument| argument.get_id() == key)
}

/// The keys that are settings.
pub(crate) fn settings() -> impl Iterator<Item = String> {
    command().get_arguments().map(|argument| argument.get_id().to_string()).filter(|key| is_setting(key))
}

/// Where the draws of a row begin that has no seed of its own.
pub(super) fn row_seed(seed: u64, row: u64) -> u64 {
    let mut of_rows = Splitmix::new(Splitmix::new(seed).bits() ^ row);
    of_rows.bits() >> 11 // short enough for a JSON number of any reader
}

/// Chooses the settings of rows.
pub(super) struct Settings<'a> {
    engine: &'a Engine,
    call: &'a DecodingArgs,
    defaults: Defaults,
    /// Of rows without settings of their own.
    usual: Chosen,
    /// Those that the last row had, and what came of them: the next often has the same.
    last: (Map<String, Value>, Chosen),
}

impl<'a> Settings<'a> {
    /// Those of the call, over what the model asks for.
    pub(super) fn new(engine: &'a Engine, call: &'a DecodingArgs, defaults: Defaults) -> Result<Settings<'a>, Error> {
        let usual = call.choose(engine, defaults.clone())?;
        Ok(Settings { engine, call, defaults, last: (Map::new(), usual.clone()), usual })
    }

    /// Whose answers are asked for.
    pub(super) fn engine(&self) -> &'a Engine {
        self.engine
    }

    /// Those of a row.
    pub(super) fn choose(&mut self, own: &Map<String, Value>) -> Result<Chosen, Error> {
        if own.is_empty() {
            return Ok(self.usual.clone());
        }
        if self.last.0 != *own {
            let args = over(self.call, own)?;
            args.check()?;
            self.last = (own.clone(), args.choose(self.engine, self.defaults.clone())?);
        }
        Ok(self.last.1.clone())
    }
}

/// A row's settings over the call's.
pub(crate) fn over(call: &DecodingArgs, own: &Map<String, Value>) -> Result<DecodingArgs, Error> {
    let mut words = vec!["--json".to_owned()];
    // Settings that others need beside them may stand in the call.
    words.extend(call.needed().into_iter().filter(|(key, _)| !own.contains_key(*key)).map(|(key, x)| flag(key, &x)));
    for (key, value) in own {
        words.extend(flags(key, value)?);
    }
    let mut args = call.clone();
    // A row has the form that it asks for, or that of the call.
    args.form = GrammarArgs::default();
    let matches = command().clone().try_get_matches_from(words).map_err(|e| Error::arguments(&e))?;
    args.update_from_arg_matches(&matches).map_err(|e| Error::arguments(&e))?;
    if own.keys().any(|key| FORMS.contains(&key.as_str())) {
        args.form.check_row()?;
    } else {
        args.form = call.form.clone();
    }
    Ok(args)
}

fn flag(key: &str, value: &str) -> String {
    format!("--{}={value}", key.replace('_', "-"))
}

/// A key's flag, once for each item of a list; `{"token": bias}` is as many biases.
fn flags(key: &str, value: &Value) -> Result<Vec<String>, Error> {
    let plain = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Error::usage(format!("`{key}` is neither a number, a text nor a list of them")),
    };
    let values = match value {
        Value::Bool(wanted) if key == "json_object" => {
            return Ok(wanted.then(|| "--json-object".to_owned()).into_iter().collect());
        }
        Value::Object(_) if key == "json_schema" => vec![value.to_string()],
        Value::Array(list) if list.is_empty() => return Error::usage(format!("`{key}` is an empty list")),
        Value::Array(list) => list.iter().map(plain).collect::<Result<Vec<_>, _>>()?,
        Value::Object(pairs) if key == "logit_bias" && !pairs.is_empty() => {
            pairs.iter().map(|(token, bias)| Ok(format!("{token}={}", plain(bias)?))).collect::<Result<_, Error>>()?
        }
        other => vec![plain(other)?],
    };
    Ok(values.iter().map(|value| flag(key, value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chosen(call: &[&str], own: Value) -> Result<String, String> {
        let words = [&["--json"], call].concat();
        let matches = command().clone().try_get_matches_from(words).unwrap();
        let call = DecodingArgs::from_arg_matches(&matches).unwrap();
        let over = over(&call, own.as_object().unwrap()).map_err(|e| e.to_string())?;
        Ok(format!("{over:?}"))
    }

    #[test]
    fn a_rows_settings_are_flags_over_those_of_the_call() {
        for (call, own, same) in [
            (&["--top-p", "0.9", "--top-k", "7"][..], json!({"top_p": 0.5}), &["--top-p", "0.5", "--top-k", "7"][..]),
            (&["--stop", "a"], json!({"stop": ["b=c", ""]}), &["--stop", "b=c", "--stop="]),
            (&[], json!({"max_tokens": 5, "temp": 0}), &["-n", "5", "--temp", "0"]),
            (&[], json!({"early_stopping": true, "beams": 2}), &["--early-stopping", "true", "--beams", "2"]),
            (&[], json!({"logit_bias": {"a=b": -2.5}}), &["--logit-bias", "a=b=-2.5"]),
            (&[], json!({"logprobs": 3, "samples": 2}), &["--logprobs", "3", "--samples", "2"]),
            (&["--mirostat", "2"], json!({"mirostat_tau": 3}), &["--mirostat", "2", "--mirostat-tau", "3"]),
            (
                &["--xtc-probability", "0.5"],
                json!({"xtc_threshold": 0.2}),
                &["--xtc-probability", "0.5", "--xtc-threshold", "0.2"],
            ),
            (&["--dry-multiplier", "0.5"], json!({"dry_base": 2}), &["--dry-multiplier", "0.5", "--dry-base", "2"]),
            (&["--regex", "a"], json!({"json_object": true}), &["--json-object"]),
            (&["--regex", "a"], json!({"json_object": false}), &[]),
            (&["--regex", "a"], json!({"top_k": 3}), &["--regex", "a", "--top-k", "3"]),
            (&["--json-object"], json!({"top_k": 3}), &["--json-object", "--top-k", "3"]),
            (&["--json-object"], json!({"json_schema": {"type": "null"}}), &["--json-schema", r#"{"type":"null"}"#]),
            (&[], json!({"lark": "start: \"-\""}), &["--lark", "start: \"-\""]),
        ] {
            assert_eq!(chosen(call, own.clone()), chosen(same, json!({})), "{own}");
        }
    }

    #[test]
    fn what_flags_would_not_take_rows_do_not_either() {
        for (own, says) in [
            (json!({"top_k": -1}), "--top-k"),
            (json!({"top_p": "much"}), "--top-p"),
            (json!({"seed": 1.5}), "--seed"),
            (json!({"mirostat_tau": 3}), "--mirostat"),
            (json!({"max_tokens": [1, 2]}), "--max-tokens"),
            (json!({"stop": []}), "`stop` is an empty list"),
            (json!({"top_p": {"a": 1}}), "`top_p` is neither a number"),
            (json!({"regex": "a", "lark": "start: \"a\""}), "cannot be used with"),
            (json!({"json_schema": "schema.json"}), "`json_schema` of a row is the schema itself"),
            (json!({"lark": "/etc/passwd"}), "`lark` of a row is the grammar itself"),
        ] {
            let error = chosen(&[], own.clone()).unwrap_err();
            assert!(error.contains(says), "{own}: {error}");
        }
    }

    #[test]
    fn keys_are_the_flags_names() {
        for key in ["max_tokens", "stop", "seed", "temp", "top_k", "logit_bias", "samples", "logprobs"] {
            assert!(is_setting(key), "{key}");
        }
        for key in ["json", "top-k", "max_new_tokens", "help", "DecodingArgs", ""] {
            assert!(!is_setting(key), "{key}");
        }
    }

    #[test]
    fn rows_have_seeds_of_their_own() {
        let seeds: std::collections::BTreeSet<u64> =
            (0..10).flat_map(|seed| (1..100).map(move |row| row_seed(seed, row))).collect();
        assert_eq!(seeds.len(), 990);
        assert!(seeds.iter().all(|&seed| seed < 1 << 53));
    }
}
