//! Tensors to disk: safetensors, written one tensor at a time.

use crate::{Error, peft};
use safetensors::tensor::{Dtype, View};
use smolvlm_sys::Files;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

/// A tensor to write: its bytes are made when it is its turn, so that a whole checkpoint never lies in memory twice.
pub struct Export<'a> {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Box<dyn Fn() -> Cow<'a, [u8]> + 'a>,
}

impl<'a> Export<'a> {
    /// A tensor as another file has it.
    pub fn raw(dtype: Dtype, shape: &[usize], bytes: &'a [u8]) -> Export<'a> {
        Export { dtype, shape: shape.to_vec(), bytes: Box::new(move || Cow::Borrowed(bytes)) }
    }

    /// Bytes.
    pub fn u8(bytes: &'a [u8]) -> Export<'a> {
        Export::raw(Dtype::U8, &[bytes.len()], bytes)
    }

    /// Bytes that are made when they are written.
    pub fn made(dtype: Dtype, shape: &[usize], bytes: impl Fn() -> Vec<u8> + 'a) -> Export<'a> {
        Export { dtype, shape: shape.to_vec(), bytes: Box::new(move || Cow::Owned(bytes())) }
    }

    /// f32 numbers, made when they are written, in a type of fewer bits where one is asked for.
    ///
    /// # Panics
    /// If the type is none of F32, BF16 and F16.
    pub fn f32(dtype: Dtype, shape: &[usize], numbers: impl Fn() -> Vec<f32> + 'a) -> Export<'a> {
        let bytes = move || -> Cow<'a, [u8]> {
            let numbers = numbers();
            Cow::Owned(match dtype {
                Dtype::F32 => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
                Dtype::BF16 => numbers.iter().flat_map(|&x| half::bf16::from_f32(x).to_le_bytes()).collect(),
                Dtype::F16 => numbers.iter().flat_map(|&x| half::f16::from_f32(x).to_le_bytes()).collect(),
                other => unreachable!("numbers are not written as {other:?}"),
            })
        };
        Export { dtype, shape: shape.to_vec(), bytes: Box::new(bytes) }
    }
}

impl View for Export<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        (self.bytes)()
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.bitsize() / 8
    }
}

/// Writes tensors to a new file, down to the disk.
///
/// # Errors
/// Where it cannot be written: the disk is full, or the folder is not there.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (String, Export<'a>)>) -> Result<(), Error> {
    let failed = |source| Error::Read { path: path.display().to_string(), source };
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize_to_file(tensors, Some(metadata), path).map_err(|e| match e {
        safetensors::SafeTensorError::IoError(source) => failed(source),
        other => failed(std::io::Error::other(other.to_string())),
    })?;
    File::open(path).and_then(|file| file.sync_all()).map_err(failed)
}

/// Copies what a checkpoint holds beside its weights.
///
/// # Errors
/// A file cannot be read or written.
pub fn copy_settings(from: &Files, to: &Path) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::Read { path, source }
    };
    for name in from.names().map_err(failed(Path::new(&from.to_string())))? {
        let kind = Path::new(&name).extension().unwrap_or_default().to_string_lossy().into_owned();
        let settings = ["json", "jinja", "txt", "model"].contains(&kind.as_str()) || name == "LICENSE";
        if settings && !name.ends_with(".index.json") && name != peft::CONFIG {
            let (mut file, _) = from.open(&name).map_err(failed(&from.path(&name)))?;
            let path = to.join(&name);
            File::create(&path).and_then(|mut copy| std::io::copy(&mut file, &mut copy)).map_err(failed(&path))?;
        }
    }
    Ok(())
}
