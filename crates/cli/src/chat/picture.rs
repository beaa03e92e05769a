//! A picture or a clip of a conversation: read once, so that it stays what it was.

use crate::clips::ClipArgs;
use crate::error::Error;
use crate::pictures::{Medium, Source, SourceArgs};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use smolvlm_engine::{Engine, PictureSource};
use smolvlm_processor::{DecodeOptions, MediaSource, Part, Picture, PlanOptions, Processor};
use smolvlm_video::Shown;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A picture or a clip that was shown to the model, or will be.
#[derive(Debug)]
pub(super) struct Seen {
    /// Its name for people.
    pub(super) name: String,
    /// Its file, as it came; of a clip that can be found again nothing.
    bytes: Arc<[u8]>,
    kind: Kind,
    /// Where it can be found again, if not in the bytes alone.
    place: Option<MediaSource>,
}

#[derive(Debug)]
enum Kind {
    /// A picture of this width and height.
    Picture(u32, u32),
    /// What is shown of a clip, and the frames.
    Clip(Box<Shown>, Vec<Arc<Picture>>),
}

impl Seen {
    /// Reads a picture or a clip; it, or the clip's first frame, comes back beside what is kept of it.
    ///
    /// # Errors
    /// It cannot be had, or is none.
    pub(super) fn open(
        medium: &Medium,
        (sources, clips): (&SourceArgs, &ClipArgs),
        options: &DecodeOptions,
        processor: &Processor,
    ) -> Result<(Seen, Picture), Error> {
        match medium {
            Medium::Picture(source) => Seen::picture(source, sources, options),
            Medium::Clip(source) => {
                let (shown, tiles) = clips.frames(source, sources, *options, processor)?;
                let first = tiles
                    .first()
                    .map(|tile| (**tile).clone())
                    .ok_or_else(|| Error::Usage("the clip has no frames".into()))?;
                let place = place(source);
                let bytes = if place.is_some() { Vec::new() } else { sources.bytes(source)? };
                let kind = Kind::Clip(Box::new(shown), tiles);
                Ok((Seen { name: source.name(), bytes: bytes.into(), kind, place }, first))
            }
        }
    }

    fn picture(source: &Source, sources: &SourceArgs, options: &DecodeOptions) -> Result<(Seen, Picture), Error> {
        let bytes = sources.bytes(source)?;
        let name = source.name();
        let picture = Picture::decode(&bytes, options).map_err(|error| {
            Error::Processor(smolvlm_processor::Error::PictureFile { path: name.clone(), source: Box::new(error) })
        })?;
        let kind = Kind::Picture(picture.width, picture.height);
        Ok((Seen { name, bytes: bytes.into(), kind, place: place(source) }, picture))
    }

    /// As the engine takes it: one for each of its places.
    pub(super) fn sources(&self) -> Vec<PictureSource> {
        match &self.kind {
            Kind::Picture(..) => vec![PictureSource::Bytes(Arc::clone(&self.bytes))],
            Kind::Clip(_, tiles) => tiles.iter().map(|tile| PictureSource::Frame(Arc::clone(tile))).collect(),
        }
    }

    /// What stands for it in a message.
    pub(super) fn parts(&self) -> Vec<Part> {
        match &self.kind {
            Kind::Picture(..) => vec![Part::Image(MediaSource::Given)],
            Kind::Clip(shown, _) => shown.parts.clone(),
        }
    }

    /// The widths and heights of what takes its places.
    pub(super) fn sizes(&self) -> Vec<(u32, u32)> {
        match &self.kind {
            Kind::Picture(width, height) => vec![(*width, *height)],
            Kind::Clip(_, tiles) => tiles.iter().map(|tile| (tile.width, tile.height)).collect(),
        }
    }

    /// Its tiles, and the tokens that stand for them.
    ///
    /// # Errors
    /// It cannot be cut so; the model sees nothing.
    pub(super) fn cost(&self, engine: &Engine, options: &PlanOptions) -> Result<(usize, usize), Error> {
        let processor = engine.processor();
        let tiles = match &self.kind {
            Kind::Picture(width, height) => processor.picture_settings(options)?.plan(*width, *height)?.tiles as usize,
            Kind::Clip(_, tiles) => tiles.len(),
        };
        Ok((tiles, tiles * processor.tokens_per_tile()))
    }

    /// A line that says so.
    ///
    /// # Errors
    /// As [`Seen::cost`].
    pub(super) fn about(&self, engine: &Engine, options: &PlanOptions) -> Result<String, Error> {
        let (tiles, tokens) = self.cost(engine, options)?;
        Ok(match &self.kind {
            Kind::Picture(width, height) => {
                let of_tiles = if tiles == 1 { "tile" } else { "tiles" };
                format!("{} ({width}x{height}, {tiles} {of_tiles}, {tokens} tokens)", self.name)
            }
            Kind::Clip(shown, _) => {
                let seconds = shown.clip.duration;
                format!("{} ({seconds:.0} s, {tiles} of {} frames, {tokens} tokens)", self.name, shown.clip.frames)
            }
        })
    }

    /// Its part of a message in a saved conversation: a file by its path, a fetched one by its address, any other itself.
    pub(super) fn part(&self) -> serde_json::Value {
        let kind = match &self.kind {
            Kind::Picture(..) => "image",
            Kind::Clip(..) => "video",
        };
        match &self.place {
            Some(MediaSource::File(path)) if path.to_str().is_some() => {
                serde_json::json!({ "type": kind, "path": path })
            }
            Some(MediaSource::Url(url)) => serde_json::json!({ "type": kind, "url": url }),
            _ => {
                let url = format!("data:;base64,{}", STANDARD.encode(&self.bytes));
                serde_json::json!({ "type": kind, "url": url })
            }
        }
    }
}

/// Where a source can be found again.
fn place(source: &Source) -> Option<MediaSource> {
    match source {
        Source::File(path) => Some(MediaSource::File(absolute(path))),
        Source::Web(url) => Some(MediaSource::Url(url.clone())),
        Source::Stdin | Source::Clipboard | Source::Data(_) => None,
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
        let open = |source: &Source| Seen::picture(source, &SourceArgs::default(), &DecodeOptions::default());
        let (file, picture) = open(&Source::File(path.clone())).unwrap();
        assert_eq!((file.sizes(), picture.rgb), (vec![(2, 1)], red.rgb.clone()));
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
