//! The published models' settings by name, to price pictures without a checkpoint.

use crate::{PicturePlan, PictureSettings};

/// How a model's tokenizer reads the markers between tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markers {
    /// `<global-img>` and `<row_1_col_1>` to `<row_6_col_6>` are single tokens; markers beyond are text.
    Tokens,
    /// All markers are text.
    Text,
}

/// What pictures cost with a published model.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The name to ask for it by.
    pub name: &'static str,
    /// The models that it holds for, as they are published.
    pub models: &'static [&'static str],
    /// How pictures are resized and cut.
    pub pictures: PictureSettings,
    /// Image tokens a tile takes.
    pub tokens_per_tile: usize,
    /// How the markers between tiles are read.
    pub markers: Markers,
    /// The positions that the language model was made for.
    pub context: usize,
}

const SMALL: PictureSettings = PictureSettings { longest_edge: 2048, tile: 512, split: true, resize: true };
const LARGE: PictureSettings = PictureSettings { longest_edge: 1536, tile: 384, split: true, resize: true };

/// The published models.
pub static PRESETS: [Preset; 6] = [
    Preset {
        name: "256m",
        models: &["SmolVLM-256M-Instruct", "SmolVLM-256M-Base"],
        pictures: SMALL,
        tokens_per_tile: 64,
        markers: Markers::Tokens,
        context: 8192,
    },
    Preset {
        name: "500m",
        models: &["SmolVLM-500M-Instruct", "SmolVLM-500M-Base"],
        pictures: SMALL,
        tokens_per_tile: 64,
        markers: Markers::Tokens,
        context: 8192,
    },
    Preset {
        name: "2b",
        models: &["SmolVLM-Instruct", "SmolVLM-Base", "SmolVLM-Synthetic", "SmolVLM-Instruct-DPO"],
        pictures: LARGE,
        tokens_per_tile: 81,
        markers: Markers::Text,
        context: 16384,
    },
    Preset {
        name: "smolvlm2-256m",
        models: &["SmolVLM2-256M-Video-Instruct"],
        pictures: SMALL,
        tokens_per_tile: 64,
        markers: Markers::Tokens,
        context: 8192,
    },
    Preset {
        name: "smolvlm2-500m",
        models: &["SmolVLM2-500M-Video-Instruct"],
        pictures: SMALL,
        tokens_per_tile: 64,
        markers: Markers::Tokens,
        context: 8192,
    },
    Preset {
        name: "smolvlm2-2b",
        models: &["SmolVLM2-2.2B-Instruct", "SmolVLM2-2.2B-Base"],
        pictures: LARGE,
        tokens_per_tile: 81,
        markers: Markers::Tokens,
        context: 8192,
    },
];

/// Tokens of `<global-img>` read as text: `< global - img >`. Counted, as the next two, with SmolLM2's tokenizer
/// without SmolVLM's added tokens (the tests of `prompts.rs` count again).
const GLOBAL_AS_TEXT: usize = 5;
/// Tokens of `<row_1_col_1>` read as text: `< row _ 1 _ col _ 1 >`.
const ROW_COL_AS_TEXT: usize = 9;
/// The tokenizer reads digits one by one: each digit more is a token more.
const DIGIT: usize = 1;
/// Line ends behind all rows but the last, and the double one before the overview, are a token each.
const LINE_END: usize = 1;
/// The largest row and column that have a token of their own.
const LAST_TOKEN: u32 = 6;

impl Preset {
    /// The preset of that name; upper and lower case are alike.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name.eq_ignore_ascii_case(name))
    }

    /// Tokens that a picture takes in a prompt: its image tokens and the markers around them.
    pub fn picture_tokens(&self, plan: &PicturePlan) -> usize {
        let global = match self.markers {
            Markers::Tokens => 1,
            Markers::Text => GLOBAL_AS_TEXT,
        };
        // <fake_token_around_image> <global-img> <image>… <fake_token_around_image>
        let mut tokens = self.tokens_per_tile.saturating_add(global + 2);
        for row in 1..=plan.rows {
            for col in 1..=plan.cols {
                // <fake_token_around_image> <row_r_col_c> <image>…
                tokens = tokens.saturating_add(1 + self.row_col_tokens(row, col) + self.tokens_per_tile);
            }
            tokens = tokens.saturating_add(LINE_END);
        }
        tokens
    }

    fn row_col_tokens(&self, row: u32, col: u32) -> usize {
        if self.markers == Markers::Tokens && row <= LAST_TOKEN && col <= LAST_TOKEN {
            return 1;
        }
        let more = |n: u32| n.checked_ilog10().unwrap_or(0) as usize * DIGIT;
        ROW_COL_AS_TEXT + more(row) + more(col)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_costs() {
        let cost = |name: &str, w, h| {
            let preset = Preset::named(name).unwrap();
            preset.picture_tokens(&preset.pictures.plan(w, h).unwrap())
        };
        // rows · ((N + 2) · cols + 1) + N + 3
        assert_eq!(cost("256m", 100, 100), 4 * (66 * 4 + 1) + 67);
        assert_eq!(cost("SmolVLM2-500M", 1920, 1080), 3 * (66 * 4 + 1) + 67);
        assert_eq!(cost("smolvlm2-2b", 640, 480), 3 * (83 * 4 + 1) + 84);
        assert_eq!(cost("2b", 640, 480), 3 * ((81 + 10) * 4 + 1) + 81 + 7);
        assert!(Preset::named("7b").is_none());
    }
}
