//! Bringing a model from the hub, and telling how far that is.

use crate::{Error, Repo, Settings, in_cache};
use std::path::PathBuf;

/// How far a download is, and what else happens on the way to a model's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A tower's file beside a decoder's is left alone, since it is of another model.
    LeftAlone {
        /// What is wrong with it, with its name.
        what: &'a str,
    },
    /// So many bytes in so many files are to come; what is there already counts too.
    All {
        /// Bytes of all files.
        bytes: u64,
        /// How many files.
        files: usize,
    },
    /// So many more bytes of a file are there.
    More {
        /// The file's name.
        file: &'a str,
        /// Bytes.
        bytes: u64,
    },
    /// So many bytes of a file were wrong, and come again.
    Again {
        /// The file's name.
        file: &'a str,
        /// Bytes.
        bytes: u64,
    },
}

/// Who is told how far a download is; called by several threads.
pub type Watch<'a> = dyn Fn(Event<'_>) + Sync + 'a;

/// Brings a model's files that are not here yet; where they lie.
///
/// # Errors
/// The network, the hub or the disk fails; what has come stays, and the next pull goes on from there. The environment or
/// the program's making forbid the network, and the model is not here.
pub fn pull(settings: &Settings, repo: &Repo, watch: &Watch<'_>) -> Result<PathBuf, Error> {
    if settings.offline {
        return in_cache(settings, repo).ok_or_else(|| Error::Offline { name: repo.to_string() });
    }
    download(settings, repo, &[], watch)
}

#[cfg(feature = "net")]
pub(crate) use crate::download::download;

#[cfg(not(feature = "net"))]
pub(crate) fn download(_: &Settings, repo: &Repo, _: &[&str], _: &Watch<'_>) -> Result<PathBuf, Error> {
    Err(Error::NoNetwork { name: repo.to_string() })
}
