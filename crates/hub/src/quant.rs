//! Repositories of GGUF files: which of them `org/name:QUANT` means.

use crate::{Error, Repo};

/// The tower's type where there is none of the decoder's own: what its converter writes by default.
const USUAL: &str = "f16";

/// The files that a quantisation means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chosen {
    /// The decoder's.
    pub(crate) text: String,
    /// Its tower's, where the repository has any: of the same quantisation, else in [`USUAL`], else the first by name.
    pub(crate) mmproj: Option<String>,
}

/// Chooses among a repository's files.
///
/// # Errors
/// None is of this quantisation, or several are.
pub(crate) fn chosen<'a>(repo: &Repo, quant: &str, names: impl Iterator<Item = &'a str>) -> Result<Chosen, Error> {
    let mut files: Vec<&str> = names.filter(|name| is_gguf(name) && !name.contains(['/', '\\'])).collect();
    files.sort_unstable();
    let (towers, texts): (Vec<&str>, Vec<&str>) = files.into_iter().partition(|name| is_mmproj(name));
    let of = |files: &[&str], quant: &str| -> Vec<String> {
        files.iter().filter(|name| is_of(name, quant)).map(|name| (*name).to_owned()).collect()
    };
    let Ok([text]) = <[String; 1]>::try_from(of(&texts, quant)) else {
        let there = if texts.is_empty() { "none".to_owned() } else { texts.join(", ") };
        return Err(Error::Quant { name: repo.id.clone(), quant: quant.to_owned(), there });
    };
    let tower = of(&towers, quant).into_iter().chain(of(&towers, USUAL)).next();
    Ok(Chosen { text, mmproj: tower.or_else(|| towers.first().map(|name| (*name).to_owned())) })
}

/// The quantisations that a repository without settings seems to have, for a message.
pub(crate) fn there<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let texts: Vec<&str> = names.filter(|name| is_gguf(name) && !is_mmproj(name)).collect();
    (!texts.is_empty()).then(|| texts.join(", "))
}

pub(crate) fn is_gguf(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".gguf")
}

/// Whether a file is a tower's, by its name.
pub(crate) fn is_mmproj(name: &str) -> bool {
    is_gguf(name) && name.to_ascii_lowercase().contains("mmproj")
}

/// Whether a file's name ends in a quantisation's.
fn is_of(name: &str, quant: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    let before = stem.strip_suffix(&quant.to_ascii_lowercase());
    before.is_some_and(|before| before.ends_with(['-', '.', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 7] = [
        "SmolVLM-Instruct-Q4_K_M.gguf",
        "SmolVLM-Instruct-Q8_0.gguf",
        "SmolVLM-Instruct-f16.gguf",
        "mmproj-SmolVLM-Instruct-Q8_0.gguf",
        "mmproj-SmolVLM-Instruct-f16.gguf",
        "old/SmolVLM-Instruct-Q2_K.gguf",
        "README.md",
    ];

    fn choose(quant: &str, files: &[&str]) -> Result<Chosen, Error> {
        chosen(&Repo::parse("org/name").unwrap(), quant, files.iter().copied())
    }

    #[test]
    fn the_decoder_of_a_quantisation_and_its_tower() {
        for (quant, text, tower) in [("q8_0", 1, 3), ("Q4_K_M", 0, 4), ("F16", 2, 4)] {
            let want = Chosen { text: FILES[text].into(), mmproj: Some(FILES[tower].into()) };
            assert_eq!(choose(quant, &FILES).unwrap(), want);
        }
        assert_eq!(choose("q8_0", &FILES[..3]).unwrap().mmproj, None);
        let error = choose("Q2_K", &FILES).unwrap_err().to_string();
        assert!(error.contains("no file of Q2_K") && error.contains("SmolVLM-Instruct-Q8_0.gguf"), "{error}");
        assert!(choose("8_0", &FILES).is_err());
        assert!(choose("q8_0", &["a-q8_0.gguf", "b-q8_0.gguf"]).is_err());
        assert_eq!(there(["config.json"].into_iter()), None);
    }
}
