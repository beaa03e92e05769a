//! `data:` URLs: files written out in a text.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::Error;

/// The most bytes of a file in a text: what is fetched of the web, too.
const MOST: usize = 64 << 20;

/// Base64 with or without the signs that fill it up.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a text is a `data:` URL.
pub fn is_data_url(text: &str) -> bool {
    text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The file in a `data:` URL. What kind of file the URL calls it does not matter; its first bytes say.
///
/// # Errors
/// [`Error::DataUrl`] if the text is none, is not base64, or holds more than 64 MiB.
pub fn read_data_url(text: &str) -> Result<Vec<u8>, Error> {
    let wrong = |reason: &str| Error::DataUrl { reason: reason.to_owned() };
    let rest = text.get(5..).filter(|_| is_data_url(text)).ok_or_else(|| wrong("it does not begin with data:"))?;
    let (form, data) = rest.split_once(',').ok_or_else(|| wrong("a `data:` URL without a comma"))?;
    let (_, coding) = form.rsplit_once(';').unwrap_or(("", form));
    if !coding.trim().eq_ignore_ascii_case("base64") {
        return Err(wrong("a `data:` URL that is not base64; data:image/png;base64,… would be right"));
    }
    read_base64(data)
}

/// The file in a text of base64 alone; space around it is ignored.
///
/// # Errors
/// [`Error::DataUrl`] if the text is no base64 or holds more than 64 MiB.
pub fn read_base64(text: &str) -> Result<Vec<u8>, Error> {
    let text = text.trim_ascii();
    if text.len() / 4 > MOST / 3 {
        return Err(Error::DataUrl { reason: format!("it holds more than {} MiB", MOST >> 20) });
    }
    BASE64.decode(text).map_err(|error| Error::DataUrl { reason: format!("not base64: {error}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_texts() {
        for text in [
            "data:image/png;base64,aGVsbG8=",
            "DATA:;BASE64,aGVsbG8",
            "data:video/jpeg;a=b;base64, aGVsbG8=\n",
            "data:base64,aGVsbG8=",
        ] {
            assert_eq!(read_data_url(text).unwrap(), b"hello", "{text}");
        }
        for (text, says) in [
            ("http://a", "does not begin"),
            ("data", "does not begin"),
            ("data:image/png;base64", "without a comma"),
            ("data:image/png,aGVsbG8=", "not base64; data:image/png;base64"),
            ("data:image/png;base64,a", "not base64: "),
            ("data:image/png;base64,aGVs bG8=", "not base64: "),
            ("data:image/png;base64,aGVsbG8_", "not base64: "),
            ("data:image/png;base64,aGVsbG8==", "not base64: "),
        ] {
            let error = read_data_url(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let large = format!("data:;base64,{}", "A".repeat(MOST / 3 * 4 + 8));
        assert!(read_data_url(&large).unwrap_err().to_string().contains("more than 64 MiB"));
    }
}
