//! The system below: files, memory maps and facts about the process. `unsafe` lives here so that it need not elsewhere.
#![allow(unsafe_code)]

mod amx;
#[cfg(not(target_family = "wasm"))]
pub mod aside;
mod cut;
mod files;
mod heap;
mod map;
mod memory;
mod pages;
mod process;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod seeds;
mod watch;

pub use amx::request_amx;
pub use cut::report_cut_files;
pub use files::{Files, Made};
pub use heap::{give_back_heap, share_heap};
pub use map::FileMap;
pub use memory::{Bound, Room, room};
pub use pages::Pages;
pub use process::{held, peak_rss, threads};
pub use watch::Stopwatch;
