//! Large pieces of memory straight from the system: zeroed when first touched, and in huge pages where it allows them.

use std::ops::{Deref, DerefMut};

/// Zeroed memory that starts on a page.
#[cfg(unix)]
pub struct Pages {
    start: std::ptr::NonNull<u8>,
    len: usize,
}

/// Zeroed memory that starts on a page: there is none on this system.
#[cfg(not(unix))]
pub enum Pages {}

#[cfg(unix)]
impl Pages {
    /// `len` zeroed bytes, at least one; `None` where the system has no more.
    pub fn zeroed(len: usize) -> Option<Pages> {
        // SAFETY: a new private mapping of no file; the arguments are what the call asks for.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        #[cfg(target_os = "linux")]
        // SAFETY: the range was mapped just now. A refusal costs speed alone.
        unsafe {
            libc::madvise(start, len, libc::MADV_HUGEPAGE);
        }
        Some(Pages { start: std::ptr::NonNull::new(start.cast())?, len })
    }
}

#[cfg(unix)]
// SAFETY: it owns its bytes and gives them out under the usual rules of borrowing.
unsafe impl Send for Pages {}
#[cfg(unix)]
// SAFETY: as above.
unsafe impl Sync for Pages {}

#[cfg(unix)]
impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `len` mapped bytes that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

#[cfg(unix)]
impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

#[cfg(unix)]
impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped in `zeroed` with this length.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

#[cfg(not(unix))]
impl Pages {
    /// None: the usual allocator serves.
    pub fn zeroed(_: usize) -> Option<Pages> {
        None
    }
}

#[cfg(not(unix))]
impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match *self {}
    }
}

#[cfg(not(unix))]
impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        match *self {}
    }
}
