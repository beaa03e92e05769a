//! The CPU's buffers: taken from free lists by size class, and back to them when a tensor is dropped.

use crate::tensor::DeviceBuffer;
use smolvlm_kernels::{AlignedBytes, Arena};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Memory of the CPU.
pub(crate) struct CpuBuffer {
    bytes: AlignedBytes,
    home: Weak<FreeLists>,
}

impl CpuBuffer {
    pub(crate) fn values<T: bytemuck::Pod>(&self) -> &[T] {
        self.bytes.values()
    }

    pub(crate) fn values_mut<T: bytemuck::Pod>(&mut self) -> &mut [T] {
        self.bytes.values_mut()
    }
}

impl DeviceBuffer for CpuBuffer {
    fn recycle(mut self: Arc<Self>) {
        // Only the last owner gives it back. Two that let go at once may both see the other: then it is simply freed.
        if Arc::get_mut(&mut self).is_some()
            && let Some(home) = self.home.upgrade()
        {
            home.put(self);
        }
    }
}

/// Buffers that no tensor holds.
pub(crate) struct FreeLists {
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    by_size: BTreeMap<usize, Vec<Arc<CpuBuffer>>>,
    /// Where large ones lie: side by side, so that a KV cache of many blocks lies in huge pages.
    arena: Arena,
}

/// From here on a buffer lies in the arena.
const LARGE: usize = 256 << 10;

impl FreeLists {
    pub(crate) fn new() -> Arc<FreeLists> {
        Arc::new(FreeLists { lists: Mutex::default() })
    }

    /// A buffer of at least `len` bytes with unknown contents.
    pub(crate) fn take(self: &Arc<FreeLists>, len: usize) -> Arc<CpuBuffer> {
        let size = size_class(len);
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buffer) = lists.by_size.get_mut(&size).and_then(Vec::pop) {
            return buffer;
        }
        let bytes = if size >= LARGE { lists.arena.zeroed(size) } else { AlignedBytes::zeroed(size) };
        Arc::new(CpuBuffer { bytes, home: Arc::downgrade(self) })
    }

    /// Bytes that lie in the lists.
    pub(crate) fn spare_bytes(&self) -> u64 {
        let lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.by_size.iter().map(|(size, buffers)| (size * buffers.len()) as u64).sum()
    }

    fn put(&self, buffer: Arc<CpuBuffer>) {
        let size = buffer.bytes.bytes().len();
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        lists.by_size.entry(size).or_default().push(buffer);
    }
}

/// `len` rounded up to a quarter of a power of two, so that at most a fifth is unused.
fn size_class(len: usize) -> usize {
    let step = (len.max(256).next_power_of_two() / 8).max(64);
    len.max(256).div_ceil(step) * step
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Tensor};

    #[test]
    fn a_dropped_buffer_comes_back() {
        let lists = FreeLists::new();
        let address = |t: &Tensor| t.buffer::<CpuBuffer>().values::<u8>().as_ptr();
        let first = Tensor::new(lists.take(1000), &[250], DType::F32);
        let (place, clone) = (address(&first), first.clone());
        drop(first);
        assert_eq!(lists.spare_bytes(), 0);
        let second = Tensor::new(lists.take(1000), &[250], DType::F32);
        assert_ne!(address(&second), place, "still held by the clone");
        drop(clone);
        assert_eq!(lists.spare_bytes(), 1024);
        let third = Tensor::new(lists.take(990), &[247], DType::F32);
        assert_eq!(address(&third), place);
    }

    #[test]
    fn classes_waste_little() {
        for len in 256..100_000 {
            let size = size_class(len);
            assert!(size >= len && size * 4 <= len * 5 + 256, "{len} {size}");
        }
    }
}
