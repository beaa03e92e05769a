//! Clips become frames.
//!
//! [`Clip::open`] finds out what a clip has; [`Clip::show`] takes the frames that a model is shown, each as a tile, and the
//! words around them. Films are decoded by FFmpeg as a process of its own ([`Programs`]); animated pictures and folders of
//! frames need none.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod alike;
mod animation;
mod clip;
mod error;
mod ffmpeg;
mod folder;
mod show;
mod times;

pub use alike::Alike;
pub use clip::{Clip, ClipOptions};
pub use error::Error;
pub use ffmpeg::{Programs, Stream};
pub use show::{Frame, Shown, expand, fill};
