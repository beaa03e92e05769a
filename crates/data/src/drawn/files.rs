//! Drawn samples written for others: pictures with JSON Lines, or Parquet. [`crate::open`] reads both.

mod json_lines;
mod parquet;

use crate::Error;
use json_lines::JsonLines;
use smolvlm_processor::Picture;
use smolvlm_synth::{Rgb, Sample};
use smolvlm_sys::aside::NewFolder;
use std::path::{Path, PathBuf};

/// How samples are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `data.jsonl`, and `pictures/` of PNG files.
    JsonLines,
    /// `data.parquet`, pictures within.
    Parquet,
}

/// Writes samples into a folder, which has its name only once it is whole.
///
/// A row has `messages` (of `role` and `content`), `images` or `videos` (animated PNG), and for each answer the `skill` that was asked for and, in
/// `also`, other answers that are right.
pub struct Writer {
    folder: NewFolder,
    output: PathBuf,
    rows: Rows,
}

enum Rows {
    JsonLines(JsonLines),
    Parquet(parquet::Parquet),
}

impl Writer {
    /// Begins the folder `output`, which must not be there; its parent must.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn begin(output: &Path, format: Format) -> Result<Writer, Error> {
        if output.exists() {
            return Err(failed(output, std::io::ErrorKind::AlreadyExists.into()));
        }
        let folder = NewFolder::begin(output).map_err(|source| failed(output, source))?;
        let rows = match format {
            Format::JsonLines => Rows::JsonLines(JsonLines::begin(folder.path())?),
            Format::Parquet => Rows::Parquet(parquet::Parquet::begin(folder.path())?),
        };
        Ok(Writer { folder, output: output.to_owned(), rows })
    }

    /// Writes a sample.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn push(&mut self, sample: &Sample) -> Result<(), Error> {
        match &mut self.rows {
            Rows::JsonLines(rows) => rows.push(sample),
            Rows::Parquet(rows) => rows.push(sample),
        }
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    /// Something cannot be written.
    pub fn finish(self) -> Result<(), Error> {
        match self.rows {
            Rows::JsonLines(rows) => rows.finish()?,
            Rows::Parquet(rows) => rows.finish()?,
        }
        self.folder.finish(&self.output).map_err(|source| failed(&self.output, source))
    }
}

fn failed(path: &Path, source: std::io::Error) -> Error {
    Error::Read { path: path.display().to_string(), source }
}

/// A sample's PNG files: one a picture, or an animated one of a clip's frames.
fn files(sample: &Sample) -> Result<Vec<Vec<u8>>, Error> {
    let picture = |rgb: &Rgb| Picture { width: rgb.width, height: rgb.height, rgb: rgb.data.clone() };
    let pictures: Vec<Picture> = sample.pictures.iter().map(picture).collect();
    let files = match sample.fps {
        Some(fps) => Picture::to_apng(&pictures, fps).map(|film| vec![film]),
        None => pictures.iter().map(Picture::to_png).collect(),
    };
    files.map_err(|e| Error::Format { path: "a drawn picture".into(), what: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ClipFrames, Columns, Content, PictureData, PictureFile, open};
    use smolvlm_processor::{ClipDefaults, ClipMode, ClipSettings, DecodeOptions};
    use smolvlm_synth::{Kit, Mix, Split, Stream};
    use std::sync::Arc;

    /// The pixels of a sample's pictures and of its clips' frames.
    fn pixels(sample: crate::Sample) -> (Content, Vec<Picture>) {
        let decode = DecodeOptions::default();
        let defaults = ClipDefaults { mode: ClipMode::SmolVlm2, fps: 1.0, max_frames: 64, edge: 96 };
        let shown = ClipFrames::new(ClipSettings::new(ClipMode::SmolVlm2, defaults, 96), 96, decode);
        let sample = shown.expanded(sample).unwrap();
        let data = |file: PictureFile| -> PictureData { file.read(&decode).unwrap() };
        let pictures = sample.pictures.into_iter().map(|file| data(file).decode(&decode).unwrap().into_owned());
        (sample.content, pictures.collect())
    }

    #[test]
    fn what_is_written_is_read_as_what_was_drawn() {
        let mix = Mix::parse("single,pictures,caption,films").unwrap();
        let stream = Stream::new(Arc::new(Kit::default()), mix, Split::Train, 1).unwrap();
        let drawn = open(Path::new("synth:single,pictures,caption,films"), &Columns::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for (format, file) in [(Format::JsonLines, "data.jsonl"), (Format::Parquet, "data.parquet")] {
            let output = folder.path().join(file).with_extension("folder");
            let mut writer = Writer::begin(&output, format).unwrap();
            (0..40).for_each(|index| writer.push(&stream.sample(index)).unwrap());
            assert!(!output.exists());
            writer.finish().unwrap();
            let source = open(&output.join(file), &Columns::default()).unwrap();
            assert_eq!(source.len(), 40);
            for index in [39, 0, 7, 20] {
                assert_eq!(pixels(source.read(index).unwrap()), pixels(drawn.read(index).unwrap()), "{file} {index}");
            }
            assert!(Writer::begin(&output, format).err().unwrap().to_string().contains("exists"));
            std::fs::remove_dir_all(output).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
