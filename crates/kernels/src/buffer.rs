//! Memory that vector loads like: zeroed, and aligned to a cache line.

use smolvlm_sys::Pages;

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
        }
    }

    /// The bytes, to write.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.memory {
            Memory::Small(lines, len) => &mut bytemuck::cast_slice_mut(lines)[..*len],
            Memory::Large(pages) => pages,
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
    fn aligned_and_zeroed() {
        for len in [0, 1, 63, 64, 1000, LARGE + 5] {
            let mut buffer = AlignedBytes::zeroed(len);
            assert_eq!(buffer.bytes().as_ptr() as usize % ALIGN, 0);
            assert!(buffer.bytes().iter().all(|&b| b == 0));
            assert_eq!(buffer.values_mut::<f32>().len(), len / 4);
        }
    }
}
