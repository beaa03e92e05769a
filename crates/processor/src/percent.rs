//! Texts whose bytes are written as `%20` and the like, as addresses have them.

/// The text that is meant; `None` where a sign is cut off or no number, or what comes of it is no text or holds a NUL.
pub fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_addresses() {
        for (text, meant) in [("", ""), ("a%20b", "a b"), ("%2e%2E/a", "../a"), ("%C3%BC", "ü"), ("ü%25", "ü%")] {
            assert_eq!(percent_decoded(text).as_deref(), Some(meant), "{text}");
        }
        for wrong in ["a%", "a%2", "a%zz", "a%+f", "a%00", "a\0", "%ff", "%é"] {
            assert_eq!(percent_decoded(wrong), None, "{wrong}");
        }
    }
}
