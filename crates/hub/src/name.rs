//! Names of models: what somebody may write behind `-m`.

/// Short names of the family, and what they are on the hub.
pub const ALIASES: &[(&str, &str)] = &[
    ("smolvlm-256m", "HuggingFaceTB/SmolVLM-256M-Instruct"),
    ("smolvlm-500m", "HuggingFaceTB/SmolVLM-500M-Instruct"),
    ("smolvlm-2.2b", "HuggingFaceTB/SmolVLM-Instruct"),
    ("smolvlm-256m-base", "HuggingFaceTB/SmolVLM-256M-Base"),
    ("smolvlm-500m-base", "HuggingFaceTB/SmolVLM-500M-Base"),
    ("smolvlm-2.2b-base", "HuggingFaceTB/SmolVLM-Base"),
    ("smolvlm-2.2b-synthetic", "HuggingFaceTB/SmolVLM-Synthetic"),
    ("smolvlm2-256m", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct"),
    ("smolvlm2-500m", "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"),
    ("smolvlm2-2.2b", "HuggingFaceTB/SmolVLM2-2.2B-Instruct"),
    ("smolvlm2-2.2b-base", "HuggingFaceTB/SmolVLM2-2.2B-Base"),
];

/// The branch that is meant where none is named.
pub const MAIN: &str = "main";

/// What the names of data sets begin with.
pub(crate) const DATA: &str = "datasets/";

/// A model on the hub, or a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repo {
    /// `org/name`; of a data set `datasets/org/name`.
    pub id: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// Which of the GGUF files of a repository that has such; `None`: it is a checkpoint in Hugging Face's form.
    pub quant: Option<String>,
}

impl Repo {
    /// Of `org/name[:QUANT][@revision]`, or one of [`ALIASES`] in the place of `org/name`; with a quantisation these mean
    /// ggml-org's repositories.
    pub fn parse(name: &str) -> Option<Repo> {
        let (name, revision) = name.split_once('@').unwrap_or((name, MAIN));
        let (id, quant) = match name.split_once(':') {
            Some((id, quant)) => (id, Some(quant.to_owned())),
            None => (name, None),
        };
        let known = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(id)).map(|(_, id)| *id);
        let id = match (known, &quant) {
            (Some(known), Some(_)) => format!("ggml-org/{}-GGUF", known.rsplit('/').next()?),
            (known, _) => known.unwrap_or(id).to_owned(),
        };
        let sound = is_id(&id) && is_revision(revision) && quant.as_deref().is_none_or(is_quant);
        sound.then(|| Repo { id, revision: revision.to_owned(), quant })
    }

    /// The data set `org/name[@revision]`.
    pub fn data(name: &str) -> Option<Repo> {
        let (id, revision) = name.split_once('@').unwrap_or((name, MAIN));
        let sound = is_id(id) && is_revision(revision);
        sound.then(|| Repo { id: format!("{DATA}{id}"), revision: revision.to_owned(), quant: None })
    }

    /// Whether the revision is a commit, which never changes.
    pub fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl std::fmt::Display for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        if let Some(quant) = &self.quant {
            write!(f, ":{quant}")?;
        }
        if self.revision == MAIN { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// Whether it is a commit's whole name.
pub(crate) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether it has the form of a model's name on the hub: `org/name`, letters, digits, `-`, `_` and `.`. What it names is a
/// folder of the cache too, so it must not lead out of it.
pub(crate) fn is_id(name: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && !part.starts_with(['.', '-'])
            && !part.ends_with(['.', '-'])
            && !part.contains("--")
            && !part.contains("..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    name.split_once('/').is_some_and(|(org, model)| sound(org) && sound(model))
}

/// Whether it may be a quantisation's name.
fn is_quant(quant: &str) -> bool {
    (1..=32).contains(&quant.len()) && quant.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether it may be a revision: a path of names below `refs`, none of which leads out of it.
fn is_revision(revision: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+'))
    };
    revision.len() <= 200 && revision.split('/').all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_hub() {
        for (name, is) in [
            ("HuggingFaceTB/SmolVLM-Instruct", true),
            ("a/b", true),
            ("a/b/c", false),
            ("./a", false),
            ("../a", false),
            ("a/..", false),
            ("/a", false),
            ("a", false),
            ("a/", false),
            ("a b/c", false),
            ("a--b/c", false),
        ] {
            assert_eq!(Repo::parse(name).is_some(), is, "{name}");
        }
    }

    #[test]
    fn revisions_and_short_names() {
        let repo = |name: &str| Repo::parse(name).unwrap();
        assert_eq!(repo("a/b@v1.0"), Repo { id: "a/b".into(), revision: "v1.0".into(), quant: None });
        let quant = repo("a/b:Q8_0@v1");
        assert_eq!((quant.quant.as_deref(), quant.to_string()), (Some("Q8_0"), "a/b:Q8_0@v1".into()));
        assert_eq!(repo("smolvlm-256m:q8_0").id, "ggml-org/SmolVLM-256M-Instruct-GGUF");
        assert_eq!((repo("a/b").revision.as_str(), repo("a/b@refs/pr/1").to_string()), (MAIN, "a/b@refs/pr/1".into()));
        assert_eq!(repo("SmolVLM-256M").id, "HuggingFaceTB/SmolVLM-256M-Instruct");
        assert!(repo(&format!("a/b@{}", "0a".repeat(20))).is_commit() && !repo("a/b@main").is_commit());
        for wrong in ["a/b@", "a/b@../../x", "a/b@x//y", "a/b@x y", "a/b:", "a/b:../x"] {
            assert_eq!(Repo::parse(wrong), None, "{wrong}");
        }
    }
}
