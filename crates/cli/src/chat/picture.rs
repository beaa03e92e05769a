//! A picture of a conversation: read once, so that it stays what it was.

use crate::error::Error;
use crate::pictures::{Source, SourceArgs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smolvlm_engine::{Engine, PictureSource};
use smolvlm_processor::{DecodeOptions, MediaSource, Picture, PicturePlan, PlanOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture that was shown to the model, or will be.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its name for people.
    pub(super) name: String,
    /// Its file, as it came.
    pub(super) bytes: Arc<[u8]>,
    /// Width and height.
    pub(super) size: (u32, u32),
    /// Where it can be found again, if not in the bytes alone.
    place: Option<MediaSource>,
}

impl Seen {
    /// Reads a picture; it comes back beside what is kept of it.
    ///
    /// # Errors
    /// It cannot be had, or is none.
    pub(super) fn open(
        source: &Source,
        sources: &SourceArgs,
        options: &DecodeOptions,
    ) -> Result<(Seen, Picture), Error> {
        let bytes = sources.bytes(source)?;
        let name = source.name();
        let picture = Picture::decode(&bytes, options).map_err(|error| {
            Error::Processor(smolvlm_processor::Error::PictureFile { path: name.clone(), source: Box::new(error) })
        })?;
        let place = match source {
            Source::File(path) => Some(MediaSource::File(absolute(path))),
            Source::Web(url) => Some(MediaSource::Url(url.clone())),
            Source::Stdin | Source::Clipboard | Source::Data(_) => None,
        };
        let size = (picture.width, picture.height);
        Ok((Seen { name, bytes: bytes.into(), size, place }, picture))
    }

    /// As the engine takes it.
    pub(super) fn source(&self) -> PictureSource {
        PictureSource::Bytes(Arc::clone(&self.bytes))
    }

    /// What it becomes: its plan, and the tokens that stand for it.
    ///
    /// # Errors
    /// It cannot be cut so; the model sees nothing.
    pub(super) fn plan(&self, engine: &Engine, options: &PlanOptions) -> Result<(PicturePlan, usize), Error> {
        let processor = engine.processor();
        let plan = processor.picture_settings(options)?.plan(self.size.0, self.size.1)?;
        let tokens = plan.tiles as usize * processor.tokens_per_tile();
        Ok((plan, tokens))
    }

    /// A line that says so.
    ///
    /// # Errors
    /// As [`Seen::plan`].
    pub(super) fn about(&self, engine: &Engine, options: &PlanOptions) -> Result<String, Error> {
        let (plan, tokens) = self.plan(engine, options)?;
        let (width, height) = self.size;
        let tiles = if plan.tiles == 1 { "tile" } else { "tiles" };
        Ok(format!("{} ({width}x{height}, {} {tiles}, {tokens} tokens)", self.name, plan.tiles))
    }

    /// Its part of a message in a saved conversation: a file by its path, a fetched one by its address, any other itself.
    pub(super) fn part(&self) -> serde_json::Value {
        match &self.place {
            Some(MediaSource::File(path)) if path.to_str().is_some() => {
                serde_json::json!({ "type": "image", "path": path })
            }
            Some(MediaSource::Url(url)) => serde_json::json!({ "type": "image", "url": url }),
            _ => {
                let url = format!("data:;base64,{}", STANDARD.encode(&self.bytes));
                serde_json::json!({ "type": "image", "url": url })
            }
        }
    }
}

/// A path that stays the same wherever the program is called.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_picture_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        let red = Picture { width: 2, height: 1, rgb: vec![255, 0, 0, 255, 0, 0] };
        std::fs::write(&path, red.to_png().unwrap()).unwrap();
        let open = |source: &Source| Seen::open(source, &SourceArgs::default(), &DecodeOptions::default());
        let (file, picture) = open(&Source::File(path.clone())).unwrap();
        assert_eq!((file.size, picture.rgb), ((2, 1), red.rgb.clone()));
        assert_eq!(file.part(), serde_json::json!({"type": "image", "path": path}));
        let url = format!("data:image/png;base64,{}", STANDARD.encode(red.to_png().unwrap()));
        let (data, _) = open(&Source::of(&url)).unwrap();
        let saved = data.part()["url"].as_str().unwrap().to_owned();
        assert_eq!(open(&Source::of(&saved)).unwrap().1.rgb, red.rgb);
        assert_eq!(data.name, "data:image/png;base64");
        std::fs::write(&path, "no picture").unwrap();
        assert!(open(&Source::File(path)).unwrap_err().to_string().contains("a.png: "));
        // What was read stays.
        assert_eq!(Picture::decode(&file.bytes, &DecodeOptions::default()).unwrap().rgb, red.rgb);
    }
}
