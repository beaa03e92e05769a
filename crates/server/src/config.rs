//! A file of options: its keys are the flags' names. It becomes flags in front of those of the call, so that every value is
//! read and checked by the same rules; what the call or the environment says goes over it.

use crate::error::Error;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use std::ffi::OsString;
use std::path::Path;
use toml::Value;

/// The largest file of options.
const MOST: u64 = 1 << 20;

/// The words of a call with those that its `--config` file adds to the subcommand `name`. Where the words are wrong they
/// come back as they are: who parses them next says so.
///
/// # Errors
/// The file cannot be read, is no TOML, or has a key that is no flag or a value that its flag does not take.
pub fn words(program: &Command, name: &str, words: Vec<OsString>) -> Result<Vec<OsString>, Error> {
    let Ok(all) = program.clone().try_get_matches_from(&words) else { return Ok(words) };
    let Some(matches) = all.subcommand_matches(name) else { return Ok(words) };
    let (Some(path), Some(command)) = (matches.get_one::<std::path::PathBuf>("config"), program.find_subcommand(name))
    else {
        return Ok(words);
    };
    let added = flags(command, matches, &read(path)?, path)?;
    let words: Vec<OsString> = words.into_iter().chain(added).collect();
    // The words were right before: what is wrong now is the file's.
    program.clone().try_get_matches_from(&words).map_err(|error| {
        let what = error.to_string();
        let what = what.lines().next().unwrap_or_default();
        Error::Options(format!("{}: {}", path.display(), what.strip_prefix("error: ").unwrap_or(what)))
    })?;
    Ok(words)
}

fn read(path: &Path) -> Result<toml::Table, Error> {
    let named = |source| Error::File { path: path.display().to_string(), source };
    let file = std::fs::File::open(path).map_err(named)?;
    let text = std::io::read_to_string(std::io::Read::take(file, MOST)).map_err(named)?;
    toml::from_str(&text).map_err(|error| {
        let what = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::Options(format!("{}: {what}", path.display()))
    })
}

/// The file's keys as flags, without those that the call or the environment gives.
fn flags(command: &Command, matches: &ArgMatches, table: &toml::Table, path: &Path) -> Result<Vec<OsString>, Error> {
    let wrong = |what: String| Error::Options(format!("{}: {what}", path.display()));
    let mut flags = Vec::new();
    for (key, value) in table {
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(key.as_str()));
        let Some(argument) = argument.filter(|_| !["config", "help", "version"].contains(&key.as_str())) else {
            return Err(wrong(format!("'{key}' is no option; smolvlm serve --help lists them")));
        };
        let given = matches.value_source(argument.get_id().as_str());
        if matches!(given, Some(ValueSource::CommandLine | ValueSource::EnvVariable)) {
            continue;
        }
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Integer(number) => Ok(number.to_string()),
            Value::Float(number) => Ok(number.to_string()),
            other => Err(wrong(format!("'{key}' is {}; a string or a number would be right", other.type_str()))),
        };
        let takes_value = !matches!(argument.get_action(), ArgAction::SetTrue);
        match value {
            Value::Boolean(truth) if !takes_value => flags.extend(truth.then(|| format!("--{key}"))),
            _ if !takes_value => {
                return Err(wrong(format!("'{key}' is {}; true or false would be right", value.type_str())));
            }
            Value::Array(list) if matches!(argument.get_action(), ArgAction::Append) => {
                for value in list {
                    flags.push(format!("--{key}={}", text(value)?));
                }
            }
            value => flags.push(format!("--{key}={}", text(value)?)),
        }
    }
    Ok(flags.into_iter().map(OsString::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;
    use clap::{CommandFactory, Parser, Subcommand};
    use std::io::Write;

    #[derive(Parser)]
    struct Program {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(Subcommand)]
    enum Sub {
        Serve(Box<Options>),
    }

    fn parsed(file: &str, given: &[&str]) -> Result<Options, String> {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let path = config.path().to_str().unwrap();
        let call = ["smolvlm", "serve", "--config", path].iter().chain(given).map(OsString::from).collect();
        let all = words(&Program::command(), "serve", call).map_err(|e| e.to_string())?;
        let Sub::Serve(options) = Program::try_parse_from(all).map_err(|e| e.to_string())?.command;
        Ok(*options)
    }

    #[test]
    fn a_file_gives_what_the_call_does_not() {
        let file = "host = \"0.0.0.0\"\nport = 9\napi-key = [\"a\", \"b\"]\nno-page = true\nallow-remote-media = false\nlog-format = \"json\"";
        let options = parsed(file, &["--port", "10"]).unwrap();
        assert_eq!((options.host.as_str(), options.port, options.no_page), ("0.0.0.0", 10, true));
        assert_eq!(options.api_key, ["a", "b"]);
        assert!(!options.allow_remote_media);
        assert_eq!(options.log_format, crate::options::LogFormat::Json);
        assert_eq!(parsed(file, &["--api-key", "c"]).unwrap().api_key, ["c"]);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said() {
        for (file, says) in [
            ("prot = 9", "'prot' is no option"),
            ("config = \"a\"", "'config' is no option"),
            ("port = true", "'port' is boolean; a string or a number"),
            ("port = [1]", "'port' is array"),
            ("port = 70000", "70000"),
            ("no-page = 1", "'no-page' is integer; true or false"),
            ("port", "TOML"),
            ("[host]\na = 1", "'host' is table"),
        ] {
            let error = parsed(file, &[]).unwrap_err();
            // The file is named, whose name begins so.
            assert!(error.contains(says) && error.contains(".tmp"), "{file}: {error}");
        }
        let call = ["smolvlm", "serve", "--config", "/nowhere/a.toml"].map(OsString::from).to_vec();
        assert!(words(&Program::command(), "serve", call).unwrap_err().to_string().contains("/nowhere/a.toml"));
    }

    #[test]
    fn other_calls_stay_as_they_are() {
        for call in [&["smolvlm", "serve", "--port", "9"][..], &["smolvlm", "serve", "--no-such"], &["smolvlm"]] {
            let call: Vec<OsString> = call.iter().map(OsString::from).collect();
            assert_eq!(words(&Program::command(), "serve", call.clone()).unwrap(), call);
        }
    }
}
