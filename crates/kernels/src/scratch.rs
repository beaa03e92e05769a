//! Scratch memory of a thread.

use std::cell::RefCell;

/// Floats of a cache line.
const LINE: usize = 16;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` floats of this thread's own, with unknown contents, from the start of a cache line; grown when needed and
/// kept, so that a warm thread allocates nothing.
///
/// # Panics
/// If called inside itself.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len + LINE {
            scratch.resize(len + LINE, 0.0);
        }
        let skip = scratch.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        f(&mut scratch[skip..][..len])
    })
}
