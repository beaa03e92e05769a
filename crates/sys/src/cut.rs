//! Files that are cut short, or whose disk fails, while they are mapped: the system then raises `SIGBUS` where a byte is
//! read, which would end the program without a word. A handler says which file it was.
//!
//! A signal may come while anything at all is half done, so the handler takes no lock and no memory: the mapped files
//! stand in a table of atomics.

use std::path::Path;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

/// Mapped files that are known by name; of more the message gives none.
const MAPS: usize = 64;
/// Bytes of a name that are kept: its end.
const NAME: usize = 200;

/// A mapped file.
struct Map {
    /// Its address; [`FREE`] or [`BEGUN`] where there is none.
    start: AtomicUsize,
    len: AtomicUsize,
    name: [AtomicU8; NAME],
}

/// A place of the table that nobody has.
const FREE: usize = 0;
/// A place that somebody is filling. No map begins at this address, which is no page's.
const BEGUN: usize = 1;

static TABLE: [Map; MAPS] = [const {
    Map { start: AtomicUsize::new(FREE), len: AtomicUsize::new(0), name: [const { AtomicU8::new(0) }; NAME] }
}; MAPS];

/// A file's place in the table, until it is dropped.
pub(crate) struct Listed(Option<&'static Map>);

impl Listed {
    /// Lists a mapped file.
    pub(crate) fn new(map: &[u8], path: &Path) -> Listed {
        let begin =
            |place: &&Map| place.start.compare_exchange(FREE, BEGUN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        // Of an empty file no byte is read.
        let Some(place) = TABLE.iter().filter(|_| !map.is_empty()).find(begin) else { return Listed(None) };
        let path = path.to_string_lossy();
        let name = &path.as_bytes()[path.len().saturating_sub(NAME)..];
        for (i, to) in place.name.iter().enumerate() {
            to.store(name.get(i).copied().unwrap_or(0), Ordering::Relaxed);
        }
        place.len.store(map.len(), Ordering::Relaxed);
        place.start.store(map.as_ptr() as usize, Ordering::Release);
        Listed(Some(place))
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.start.store(FREE, Ordering::Release);
        }
    }
}

/// What is said before the name.
const SAYS: &[u8] = b"error: a file that is being read was cut short, or its disk failed: ";

/// The message about the mapped file that has this address, in `out`; how long it is, or `None` where no file has it.
fn message(address: usize, out: &mut [u8; SAYS.len() + NAME + 1]) -> Option<usize> {
    let has = |map: &&Map| {
        let start = map.start.load(Ordering::Acquire);
        start > BEGUN && address.wrapping_sub(start) < map.len.load(Ordering::Relaxed).next_multiple_of(PAGE)
    };
    let map = TABLE.iter().find(has)?;
    let name = map.name.iter().map(|byte| byte.load(Ordering::Relaxed)).take_while(|byte| *byte != 0);
    // What could move a terminal's cursor is left out.
    let name = name.map(|byte| if byte < b' ' || byte == 0x7F { b'?' } else { byte });
    let mut len = 0;
    for (to, byte) in out.iter_mut().zip(SAYS.iter().copied().chain(name).chain([b'\n'])) {
        *to = byte;
        len += 1;
    }
    Some(len)
}

/// A map reaches to its last page's end; no page of any machine is larger.
const PAGE: usize = 64 << 10;

/// From now on a mapped file that is cut short ends the program with a line on stderr and the exit code 1. Other faults
/// that raise the same signal end it as before.
pub fn report_cut_files() {
    #[cfg(unix)]
    // SAFETY: an all-zero `sigaction` is a valid one; its handler does nothing that a signal's must not do (see `handle`).
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = handle;
        action.sa_sigaction = handler as usize;
        // On a stack of its own, where the thread has one.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut());
    }
}

/// Reads atomics, writes to stderr and ends: all that is allowed while anything may be half done.
#[cfg(unix)]
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let mut line = [0; SAYS.len() + NAME + 1];
    // SAFETY: the system gives a pointer to what it says of this signal, which has an address.
    let address = unsafe { (*info).si_addr() } as usize;
    match message(address, &mut line) {
        // SAFETY: `len` bytes of `line`; both calls are safe in a signal's handler.
        Some(len) => unsafe {
            libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), len);
            libc::_exit(1);
        },
        // SAFETY: it may be called in a handler. The fault comes again when this returns, and ends the program.
        None => unsafe {
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(address: usize) -> Option<String> {
        let mut out = [0; SAYS.len() + NAME + 1];
        message(address, &mut out).map(|len| String::from_utf8_lossy(&out[..len]).into_owned())
    }

    #[test]
    fn the_file_that_has_an_address_is_named() {
        let bytes = vec![0u8; 300_000];
        let at = bytes.as_ptr() as usize;
        let listed = Listed::new(&bytes[..200_000], Path::new("a/mod\nel.safetensors"));
        let said = says(at + 199_999).unwrap();
        assert!(said.ends_with("or its disk failed: a/mod?el.safetensors\n") && said.starts_with("error: "), "{said}");
        assert_eq!(says(at + 290_000), None);
        assert_eq!(says(at.wrapping_sub(1)), None);
        drop(listed);
        assert_eq!(says(at), None);
        let long = "x".repeat(500) + ".gguf";
        let _listed = Listed::new(&bytes, Path::new(&long));
        let said = says(at).unwrap();
        assert!(said.ends_with("xx.gguf\n") && said.len() == SAYS.len() + NAME + 1);
        assert!(Listed::new(&[], Path::new("empty")).0.is_none());
        // More files than are known do no harm. Here, as they leave the table no room for another test's.
        let bytes = [0u8; MAPS + 10];
        let listed: Vec<Listed> =
            (0..MAPS + 10).map(|i| Listed::new(&bytes[i..=i], Path::new("many.safetensors"))).collect();
        assert!(listed.iter().any(|listed| listed.0.is_none()));
    }
}
