//! Memory that vector loads like: zeroed, and aligned to a cache line.

use crate::pool::SendPtr;
use smolvlm_sys::Pages;
use std::sync::Arc;

/// A cache line, and the width of the widest vector register.
const ALIGN: usize = 64;
/// From here on memory comes straight from the system: touched first by the threads that use it, in huge pages.
const LARGE: usize = 1 << 20;

/// Bytes that start on a 64-byte boundary, zeroed at first.
pub struct AlignedBytes {
    memory: Memory,
}

enum Memory {
    /// Whole cache lines.
    Small(Vec<Line>, usize),
    Large(Pages),
    /// Part of an arena's pages: bytes from the place that no other part has.
    Part {
        _pages: Arc<Pages>,
        start: SendPtr<u8>,
        len: usize,
    },
}

/// Memory for many pieces that live as long as each other, a model's weights: side by side in few large mappings, so
/// that even small ones lie in huge pages. Reading a weight then meets no page's end, where the processor would stop
/// fetching ahead.
#[derive(Default)]
pub struct Arena {
    /// The newest mapping, and how much of it is given out.
    newest: Option<(Arc<Pages>, SendPtr<u8>, usize)>,
}

/// The size of a mapping.
const MAPPING: usize = 64 << 20;

impl Arena {
    /// `len` zeroed bytes.
    pub fn zeroed(&mut self, len: usize) -> AlignedBytes {
        if len > MAPPING / 2 {
            return AlignedBytes::zeroed(len);
        }
        let used = match &self.newest {
            Some((_, _, used)) if used + len <= MAPPING => *used,
            _ => {
                let Some(mut pages) = Pages::zeroed(MAPPING) else { return AlignedBytes::zeroed(len) };
                let start = SendPtr(pages.as_mut_ptr());
                self.newest = Some((Arc::new(pages), start, 0));
                0
            }
        };
        let Some((pages, start, given)) = &mut self.newest else { return AlignedBytes::zeroed(len) };
        *given = (used + len).next_multiple_of(ALIGN);
        let start = SendPtr(start.at(used));
        AlignedBytes { memory: Memory::Part { _pages: Arc::clone(pages), start, len } }
    }
}

/// A cache line.
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u8; ALIGN]);

impl AlignedBytes {
    /// `len` zeroed bytes. Where the system has no memory left, the process ends as with any vector.
    pub fn zeroed(len: usize) -> AlignedBytes {
        let large = if len >= LARGE { Pages::zeroed(len) } else { None };
        let small = || Memory::Small(vec![Line([0; ALIGN]); len.div_ceil(ALIGN)], len);
        AlignedBytes { memory: large.map_or_else(small, Memory::Large) }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.memory {
            Memory::Small(lines, len) => &bytemuck::cast_slice(lines)[..*len],
            Memory::Large(pages) => pages,
            // SAFETY: `len` bytes inside the pages, which `_pages` keeps, and given to this part alone.
            Memory::Part { start, len, .. } => unsafe { std::slice::from_raw_parts(start.at(0), *len) },
        }
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Small(lines, len) => &mut bytemuck::cast_slice_mut(lines)[..*len],
            Memory::Large(pages) => pages,
            // SAFETY: as in `bytes`, and `self` is borrowed alone.
            Memory::Part { start, len, .. } => unsafe { std::slice::from_raw_parts_mut(start.at(0), *len) },
        }
    }

    /// The bytes as values of a plain type; a rest shorter than one value is left out.
    pub fn values<T: bytemuck::Pod>(&self) -> &[T] {
        let whole = self.bytes().len() / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice(&self.bytes()[..whole])
    }

    /// As [`AlignedBytes::values`], to write.
    pub fn values_mut<T: bytemuck::Pod>(&mut self) -> &mut [T] {
        let whole = self.bytes().len() / size_of::<T>() * size_of::<T>();
        bytemuck::cast_slice_mut(&mut self.bytes_mut()[..whole])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_an_arena_are_apart() {
        let mut arena = Arena::default();
        let mut parts: Vec<AlignedBytes> =
            [100, 64, 1, MAPPING / 2, MAPPING / 2, 7].map(|len| arena.zeroed(len)).into();
        drop(arena);
        for (i, part) in parts.iter_mut().enumerate() {
            assert!(part.bytes().iter().all(|&b| b == 0) && (part.bytes().as_ptr() as usize).is_multiple_of(ALIGN));
            part.bytes_mut().fill(i as u8 + 1);
        }
        assert!(parts.iter().enumerate().all(|(i, part)| part.bytes().iter().all(|&b| b == i as u8 + 1)));
    }

    #[test]
    fn aligned_and_zeroed() {
        for len in [0, 1, 63, 64, 1000, LARGE + 5] {
            let mut buffer = AlignedBytes::zeroed(len);
            assert_eq!(buffer.bytes().as_ptr() as usize % ALIGN, 0);
            assert!(buffer.bytes().iter().all(|&b| b == 0));
            assert_eq!(buffer.values_mut::<f32>().len(), len / 4);
        }
    }
}
