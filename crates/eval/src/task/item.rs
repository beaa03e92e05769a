//! A row of a benchmark, whatever columns hold it.

use crate::metrics::Truth;
use smolvlm_data::{ClipFile, PictureFile};
use std::collections::BTreeMap;

/// What is asked in a row, what is shown, and what is right.
#[derive(Debug, Clone, Default)]
pub(crate) struct Item {
    /// The question, without its options.
    pub(crate) question: String,
    /// A hint to it.
    pub(crate) hint: Option<String>,
    /// What was taught before it.
    pub(crate) lecture: Option<String>,
    /// What is said in its clip.
    pub(crate) subtitles: Option<String>,
    /// What is to be chosen from, with the letters.
    pub(crate) choices: Vec<(char, String)>,
    /// The pictures.
    pub(crate) pictures: Vec<PictureFile>,
    /// The clip.
    pub(crate) clip: Option<ClipFile>,
    /// Whose picture it shows, where another row holds it.
    pub(crate) picture_of: Option<String>,
    /// What is right.
    pub(crate) truth: Truth,
    /// By which its score is grouped.
    pub(crate) skill: Option<String>,
    /// Other columns that prompts need.
    pub(crate) more: BTreeMap<String, String>,
}
