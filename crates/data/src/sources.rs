//! Sources as a mixture's file names them.

use crate::{Columns, Error, drawn::is_drawn};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A source as a mixture names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The file or folder; relative ones start where the mixture's file lies. Or what is drawn: `synth:SKILLS`.
    pub path: PathBuf,
    /// What logs call it [default: the path's last part].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How often it is drawn, beside the others; without any weights every sample is drawn once an epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<f64>,
    /// Which of its samples: `all`, `first:N`, `end:N`, `random:N`, or a percentage for N.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// How often an epoch holds each of its samples.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub repeat: usize,
    /// What its samples' losses count.
    #[serde(default = "unit", skip_serializing_if = "is_unit")]
    pub loss_weight: f32,
    /// Whether its chats are shown as m4 shows them in supervised fine-tuning: turns in a drawn order, seven at most, and one
    /// in twenty with a line break before what the user says. Chats whose later turns show pictures stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shuffle_turns: bool,
    /// The longest edge of its resized pictures in pixels, instead of the mixture's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_edge: Option<u32>,
    /// The column of pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The column of clips.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video: Option<String>,
    /// The column of questions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    /// The column of answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The column of system messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// A text in front of what the user shows and says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The column of skills, by which results are grouped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
}

fn one() -> usize {
    1
}

fn is_one(repeat: &usize) -> bool {
    *repeat == 1
}

fn unit() -> f32 {
    1.0
}

fn is_unit(weight: &f32) -> bool {
    *weight == 1.0
}

impl SourceConfig {
    /// A source of all samples of a path.
    pub fn new(path: impl Into<PathBuf>) -> SourceConfig {
        SourceConfig {
            path: path.into(),
            name: None,
            weight: None,
            limit: None,
            repeat: 1,
            loss_weight: 1.0,
            shuffle_turns: false,
            max_edge: None,
            image: None,
            video: None,
            question: None,
            answer: None,
            system: None,
            prompt: None,
            skill: None,
        }
    }

    /// The same with its columns named.
    pub fn with(self, columns: Columns) -> SourceConfig {
        let Columns { image, video, question, answer, system, prompt, skill } = columns;
        SourceConfig { image, video, question, answer, system, prompt, skill, ..self }
    }

    /// What logs call it.
    pub fn name(&self) -> String {
        let last = || self.path.file_name().map_or_else(|| "data".into(), |name| name.to_string_lossy().into_owned());
        self.name.clone().unwrap_or_else(last)
    }

    pub(crate) fn columns(&self) -> Columns {
        Columns {
            image: self.image.clone(),
            video: self.video.clone(),
            question: self.question.clone(),
            answer: self.answer.clone(),
            system: self.system.clone(),
            prompt: self.prompt.clone(),
            skill: self.skill.clone(),
        }
    }
}

/// A mixture's file: `[[sources]]` in TOML, a list under `sources` in YAML.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MixtureFile {
    sources: Vec<SourceConfig>,
}

/// Reads a mixture's file, `.toml`, `.yaml` or `.yml`.
///
/// # Errors
/// Where it cannot be read, is none, or has a key that no source has.
pub fn read_mixture(path: &Path) -> Result<Vec<SourceConfig>, Error> {
    let named = || path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: named(), source })?;
    let yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
    let parsed: Result<MixtureFile, String> = if yaml {
        serde_yaml_ng::from_str(&text).map_err(|e| e.to_string())
    } else {
        toml::from_str(&text).map_err(|e| e.to_string())
    };
    let MixtureFile { mut sources } = parsed.map_err(|what| Error::Format { path: named(), what })?;
    for source in &mut sources {
        if let Some(folder) = path.parent()
            && source.path.is_relative()
            && !is_drawn(&source.path)
        {
            source.path = folder.join(&source.path);
        }
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mixture;

    #[test]
    fn mixtures_are_read_in_toml_and_yaml_and_unknown_keys_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.jsonl"), "{\"text\": \"a\"}\n".repeat(3)).unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(dir.path().join(name), text).unwrap();
            read_mixture(&dir.path().join(name))
        };
        let toml = write("m.toml", "[[sources]]\npath = \"a.jsonl\"\nweight = 2.0\nlimit = \"first:2\"\n").unwrap();
        let yaml = write("m.yaml", "sources:\n  - {path: a.jsonl, weight: 2.0, limit: 'first:2'}\n").unwrap();
        assert!(toml == yaml && Mixture::open(&toml, 0).unwrap().epoch() == 2);
        let error = write("n.toml", "[[sources]]\npath = \"a\"\nwieght = 2.0\n").unwrap_err().to_string();
        assert!(error.contains("wieght"), "{error}");
    }
}
