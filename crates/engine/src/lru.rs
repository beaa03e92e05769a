//! What is kept as long as there is room for it; what was not used for longest goes first.

use std::collections::BTreeMap;

/// Values that take some bytes each.
pub(crate) struct Lru<K, V> {
    /// The most bytes.
    most: usize,
    bytes: usize,
    /// Counts uses.
    uses: u64,
    entries: BTreeMap<K, Entry<V>>,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    /// The number of its last use.
    used: u64,
}

impl<K: Ord + Clone, V> Lru<K, V> {
    pub(crate) fn new(most: usize) -> Lru<K, V> {
        Lru { most, bytes: 0, uses: 0, entries: BTreeMap::new() }
    }

    /// What all values take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a value is there; this is no use of it.
    pub(crate) fn contains(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// A value, which is used thereby.
    pub(crate) fn get(&mut self, key: &K) -> Option<&V> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.uses;
        Some(&entry.value)
    }

    /// Puts a value in, which is used thereby. It may be more than there is room for until [`Lru::trim`].
    pub(crate) fn put(&mut self, key: K, value: V, bytes: usize) {
        self.uses += 1;
        self.bytes += bytes;
        if let Some(before) = self.entries.insert(key, Entry { value, bytes, used: self.uses }) {
            self.bytes -= before.bytes;
        }
    }

    /// Lets go what there is no room for.
    pub(crate) fn trim(&mut self) {
        while self.bytes > self.most && self.let_go() {}
    }

    /// Lets the value go that was not used for longest; whether there was one.
    pub(crate) fn let_go(&mut self) -> bool {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
        let Some(entry) = oldest.and_then(|key| self.entries.remove(&key)) else { return false };
        self.bytes -= entry.bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let mut lru = Lru::new(10);
        for key in 1..=3 {
            lru.put(key, key * 10, 3);
        }
        assert_eq!(lru.get(&1), Some(&10));
        lru.put(4, 40, 4);
        assert_eq!(lru.bytes(), 13);
        lru.trim();
        assert_eq!((lru.bytes(), lru.contains(&2), lru.get(&1)), (10, false, Some(&10)));
        // The same key again takes its bytes once.
        lru.put(4, 41, 1);
        assert_eq!((lru.bytes(), lru.get(&4)), (7, Some(&41)));
        // What alone is too much does not stay.
        lru.put(5, 50, 11);
        lru.trim();
        assert_eq!((lru.bytes(), lru.contains(&5)), (0, false));
        assert!(!lru.let_go());
    }
}
