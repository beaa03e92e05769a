//! Files of texts.

use crate::files;
use smolvlm_processor::{Message, SpecialNames, Template, Tokenizer, read_base64, read_data_url};

/// Texts to be read by a stranger's tokenizer.
const TEXTS: [&str; 4] =
    ["", "a", "Hello, world! 12345 <image>\n\t  été 日本 👩‍👩‍👧", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"];
/// Ids are shown up to this one.
const MOST: u32 = 2048;

/// `tokenizer.json`, and, as the second part, a text more to be read.
pub(crate) fn tokenizer(bytes: &[u8]) {
    let files = files(bytes, &["tokenizer.json", "text"]);
    let Ok(tokenizer) = Tokenizer::open(&files) else { return };
    let more = files.map("text").map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    for text in TEXTS.into_iter().chain([more.as_str()]) {
        for ids in [tokenizer.encode_special(text), tokenizer.encode_plain(text), tokenizer.encode_unframed(text)] {
            let Ok(ids) = ids else { continue };
            assert!(ids.iter().all(|&id| (id as usize) < tokenizer.len()), "an id beyond the tokenizer's");
            let _ = (tokenizer.decode(&ids, false), tokenizer.decode(&ids, true));
        }
    }
    let ids: Vec<u32> = (0..MOST.min(tokenizer.len() as u32)).chain([u32::MAX]).collect();
    let _ = tokenizer.decode(&ids, true);
}

/// A chat template.
pub(crate) fn template(bytes: &[u8]) {
    let source = String::from_utf8_lossy(bytes);
    let special = SpecialNames { bos: Some("<s>".into()), eos: Some("</s>".into()), ..SpecialNames::default() };
    let Ok(template) = Template::new("attack", &source, &special) else { return };
    let chat =
        [Message::text("system", "Be brief."), Message::user(2, "What <image>?"), Message::text("assistant", "A cat.")];
    for generation_prompt in [false, true] {
        let _ = template.render(&chat, generation_prompt).is_ok();
    }
}

/// A picture written out in a text.
pub(crate) fn data_url(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = read_data_url(&text).is_ok();
    if let Ok(file) = read_base64(&text) {
        assert!(file.len() <= text.len() / 4 * 3 + 3, "more bytes than the text holds");
    }
}
