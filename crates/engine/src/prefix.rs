//! Beginnings that have passed the decoder, kept for requests that begin alike: a conversation's next turn, another question
//! about the same picture. A row's keys and values have the same bits however it came through the decoder, in a long piece
//! or alone, so what is taken from here is what would be computed.

use crate::pictures::PictureKey;
use smolvlm_backend::KvSequence;
use std::collections::VecDeque;

/// The shortest beginning that is worth the copy of its last block.
const SHORTEST: usize = 16;
/// The most sequences that are kept: each is compared with every prompt.
const MOST: usize = 256;

/// What stands at a sequence's positions.
#[derive(Debug, Clone, Default)]
pub(crate) struct Key {
    pub(crate) ids: Vec<u32>,
    /// The pictures whose features took the places of tokens: where each one's first place is, and what it is.
    pub(crate) pictures: Vec<(usize, PictureKey)>,
}

impl Key {
    /// How many positions hold the same as in another.
    fn common(&self, other: &Key) -> usize {
        let alike = self.ids.iter().zip(&other.ids).take_while(|(a, b)| a == b).count();
        // Where tokens are alike so are the pictures' places.
        let pictures = self.pictures.iter().zip(&other.pictures);
        let differs = pictures.map(|(a, b)| (a.0.min(b.0), a != b)).find(|(_, differs)| *differs);
        differs.map_or(alike, |(place, _)| alike.min(place))
    }

    /// The first `len` positions.
    fn first(&self, len: usize) -> Key {
        Key {
            ids: self.ids.iter().take(len).copied().collect(),
            pictures: self.pictures.iter().take_while(|(place, _)| *place < len).copied().collect(),
        }
    }
}

/// A beginning and its keys and values.
struct Entry {
    key: Key,
    sequence: KvSequence,
}

/// See the module.
pub(crate) struct Prefixes {
    /// The most bytes.
    most: usize,
    bytes: usize,
    /// Those that were used last stand last.
    entries: VecDeque<Entry>,
}

impl Prefixes {
    /// None yet; they take at most so many bytes.
    pub(crate) fn new(most: usize) -> Prefixes {
        Prefixes { most, bytes: 0, entries: VecDeque::new() }
    }

    /// What they take; blocks that several share count once.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The longest known beginning of a prompt, but for its last position at least: that one's logits are wanted.
    pub(crate) fn find(&mut self, prompt: &Key) -> Option<KvSequence> {
        let common = |entry: &Entry| prompt.common(&entry.key).min(prompt.ids.len().saturating_sub(1));
        let (best, len) = self.entries.iter().map(common).enumerate().max_by_key(|(_, len)| *len)?;
        if len < SHORTEST {
            return None;
        }
        let entry = self.entries.remove(best)?;
        let sequence = entry.sequence.first(len);
        self.entries.push_back(entry);
        Some(sequence)
    }

    /// Keeps a sequence, whose positions hold the first of a key's.
    pub(crate) fn keep(&mut self, key: &Key, sequence: KvSequence) {
        if self.most == 0 || sequence.is_empty() {
            return;
        }
        let key = key.first(sequence.len());
        if let Some(longer) = self.entries.iter().position(|entry| key.common(&entry.key) == key.ids.len()) {
            let used = self.entries.remove(longer);
            self.entries.extend(used);
            return;
        }
        while let Some(shorter) = self.entries.iter().position(|old| key.common(&old.key) == old.key.ids.len()) {
            self.remove(shorter);
        }
        self.bytes += sequence.own_bytes(self.entries.iter().map(|entry| &entry.sequence));
        self.entries.push_back(Entry { key, sequence });
        while (self.bytes > self.most || self.entries.len() > MOST) && self.let_go() {}
    }

    /// Lets the one go that was not used for longest; whether there was one.
    pub(crate) fn let_go(&mut self) -> bool {
        let any = !self.entries.is_empty();
        self.remove(0);
        any
    }

    fn remove(&mut self, place: usize) {
        if let Some(entry) = self.entries.remove(place) {
            self.bytes -= entry.sequence.own_bytes(self.entries.iter().map(|entry| &entry.sequence));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_backend::{Cpu, Heads, KvKind, KvLayout};

    /// A key of tokens, with pictures at places.
    fn key(ids: impl IntoIterator<Item = u32>, pictures: &[(usize, u8)]) -> Key {
        let picture = |&(place, name): &(usize, u8)| (place, PictureKey::named(name));
        Key { ids: ids.into_iter().collect(), pictures: pictures.iter().map(picture).collect() }
    }

    fn layout() -> KvLayout {
        KvLayout { layers: 1, heads: Heads { heads: 1, kv_heads: 1, dim: 2, scale: 1.0 }, kind: KvKind::F32 }
    }

    fn grown(mut sequence: KvSequence, len: usize) -> KvSequence {
        let rows = len - sequence.len();
        sequence.reserve(&Cpu::new(1), rows);
        sequence.advance(rows);
        sequence
    }

    fn sequence(len: usize) -> KvSequence {
        grown(KvSequence::new(layout()), len)
    }

    #[test]
    fn beginnings_are_common_up_to_the_first_other_token_or_picture() {
        let one = key(0..100, &[(20, 1), (60, 2)]);
        assert_eq!(one.common(&key(0..100, &[(20, 1), (60, 2)])), 100);
        assert_eq!(one.common(&key((0..50).chain(90..99), &[(20, 1)])), 50);
        assert_eq!(one.common(&key(0..100, &[(20, 3), (60, 2)])), 20);
        assert_eq!(one.common(&key(0..100, &[(20, 1), (60, 1)])), 60);
        // Another picture behind what is common anyway does not count.
        assert_eq!(one.common(&key((0..10).chain(90..99), &[(12, 3)])), 10);
    }

    #[test]
    fn the_longest_beginning_is_found_and_leaves_the_last_position() {
        let mut prefixes = Prefixes::new(1 << 20);
        prefixes.keep(&key(0..90, &[]), sequence(90));
        prefixes.keep(&key((0..30).chain(500..600), &[(40, 1)]), sequence(130));
        let mut find = |key: Key| prefixes.find(&key).map(|sequence| sequence.len());
        assert_eq!(find(key(0..200, &[])), Some(90));
        assert_eq!(find(key(0..90, &[])), Some(89));
        assert_eq!(find(key((0..30).chain(500..550), &[(40, 1)])), Some(79));
        assert_eq!(find(key((0..30).chain(500..550), &[(40, 2)])), Some(40));
        assert_eq!((find(key(0..5, &[])), find(key(7..200, &[]))), (None, None));
        // A sequence that is shorter than its tokens: the newest has not passed the decoder.
        prefixes.keep(&key(1000..1100, &[(70, 1)]), sequence(60));
        assert_eq!(prefixes.find(&key(1000..1100, &[(70, 1)])).unwrap().len(), 60);
    }

    #[test]
    fn shared_blocks_count_once_and_the_unused_go_first() {
        let block = layout().block_bytes();
        let mut prefixes = Prefixes::new(6 * block);
        let first = sequence(128);
        prefixes.keep(&key(0..128, &[]), first.clone());
        assert_eq!(prefixes.bytes(), 2 * block);
        // Two that go on behind it: what it held is in them.
        prefixes.keep(&key(0..150, &[]), grown(first.clone(), 150));
        prefixes.keep(&key((0..128).chain(900..910), &[]), grown(first, 138));
        assert_eq!((prefixes.bytes(), prefixes.entries.len()), (4 * block, 2));
        // What is known already is but used.
        prefixes.keep(&key(0..100, &[]), sequence(100));
        assert_eq!((prefixes.bytes(), prefixes.entries.len()), (4 * block, 2));
        // No room: the one with 900 goes, which was not used since.
        prefixes.keep(&key(2000..2180, &[]), sequence(180));
        assert_eq!((prefixes.bytes(), prefixes.entries.len()), (6 * block, 2));
        assert_eq!(prefixes.find(&key((0..128).chain(900..910), &[])).unwrap().len(), 128);
        assert!(prefixes.let_go() && prefixes.let_go() && !prefixes.let_go());
        assert_eq!(prefixes.bytes(), 0);
        // More than there is room for at all.
        prefixes.keep(&key(0..600, &[]), sequence(600));
        assert_eq!((prefixes.bytes(), prefixes.entries.len()), (0, 0));
    }
}
