//! Which rows are asked about, and whose pictures they are shown.

use crate::data::Data;
use crate::picture::{Key, Shown, clip_key};
use smolvlm_data::Draw;
use smolvlm_data::random::permuted;
use std::collections::BTreeMap;

/// A part of all rows: the first number of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, counted from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

/// All rows in order, or so many of them: drawn by the seed, and in order again; of these a part.
pub(crate) fn chosen(data: &dyn Data, limit: Option<u64>, seed: u64, shard: Shard) -> Vec<Draw> {
    let rows = limited(data.rows(), limit, seed);
    rows.into_iter().skip(shard.index).step_by(shard.of.max(1)).collect()
}

fn limited(rows: Vec<Draw>, limit: Option<u64>, seed: u64) -> Vec<Draw> {
    let all = rows.len() as u64;
    let Some(count) = limit.filter(|count| *count < all) else { return rows };
    let mut places: Vec<u64> = (0..count).map(|i| permuted(seed, 0, all, i)).collect();
    places.sort_unstable();
    places.into_iter().filter_map(|place| rows.get(place as usize).copied()).collect()
}

/// For each row the one whose pictures and clips it is shown: as many, and others. All pictures stand in a circle, drawn by the
/// seed, and each is shown in the place of the one before; so no row is shown its own, and each picture as often as the
/// next one was. `None` where a row cannot be read, or no other has as many pictures; itself where it has none.
pub(crate) fn exchanged(
    data: &dyn Data,
    rows: &[Draw],
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Vec<Option<Draw>> {
    let mut circles: BTreeMap<(usize, usize), BTreeMap<Vec<Key>, Draw>> = BTreeMap::new();
    let mut shown = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let keys = keys(data, *row);
        if let Some(keys) = &keys {
            let clips = keys.iter().filter(|key| matches!(key, Key::Clip(_))).count();
            circles.entry((keys.len(), clips)).or_default().entry(keys.clone()).or_insert(*row);
        }
        shown.push(keys);
        progress(index + 1);
    }
    let mut other: BTreeMap<Vec<Key>, Draw> = BTreeMap::new();
    for ((pictures, _), circle) in circles {
        let places = circle.len() as u64;
        let circle: Vec<(Vec<Key>, Draw)> = circle.into_iter().collect();
        let at = |i: u64| circle.get(permuted(seed, pictures as u64, places, i % places) as usize);
        for i in (0..places).filter(|_| places > 1 && pictures > 0) {
            if let (Some((keys, _)), Some((_, next))) = (at(i), at(i + 1)) {
                other.insert(keys.clone(), *next);
            }
        }
    }
    let of = |(keys, row): (Option<Vec<Key>>, &Draw)| {
        let keys = keys?;
        if keys.is_empty() { Some(*row) } else { other.get(&keys).copied() }
    };
    shown.into_iter().zip(rows).map(of).collect()
}

/// What tells a row's pictures and clips from others'.
fn keys(data: &dyn Data, row: Draw) -> Option<Vec<Key>> {
    let read = data.read(row).ok()?;
    let pictures = read.pictures.into_iter().map(|file| Shown::File(file).key());
    Some(pictures.chain(read.clips.iter().map(clip_key)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Mixed;
    use smolvlm_data::SourceConfig;

    const WHOLE: Shard = Shard { index: 0, of: 1 };

    fn mixture(rows: &[&str]) -> (tempfile::TempDir, Mixed) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let row = |pictures: &&str| {
            let pictures: Vec<&str> = pictures.split_whitespace().collect();
            format!(r#"{{"question": "Q", "answer": "A", "images": {}}}"#, serde_json::json!(pictures))
        };
        std::fs::write(&path, rows.iter().map(row).collect::<Vec<_>>().join("\n")).unwrap();
        let mixture = Mixed::open(&[SourceConfig::new(path)], 0).unwrap();
        (dir, mixture)
    }

    #[test]
    fn a_limit_draws_rows_and_keeps_their_order() {
        let (_dir, mixture) = mixture(&["a"; 50]);
        let rows = |limit, seed| chosen(&mixture, limit, seed, WHOLE).iter().map(|draw| draw.row).collect::<Vec<_>>();
        assert_eq!(rows(None, 1), (0..50).collect::<Vec<_>>());
        assert_eq!(rows(Some(60), 1).len(), 50);
        let some = rows(Some(10), 1);
        assert!(some.len() == 10 && some.is_sorted() && some != (0..10).collect::<Vec<_>>());
        assert!(some == rows(Some(10), 1) && some != rows(Some(10), 2));
        let part = |index| chosen(&mixture, Some(10), 1, Shard { index, of: 3 });
        let mut all: Vec<u64> = (0..3).flat_map(part).map(|draw| draw.row).collect();
        all.sort_unstable();
        assert_eq!((all, part(1).len(), part(7).len()), (some, 3, 1));
    }

    #[test]
    fn no_row_is_shown_its_own_pictures() {
        let rows = ["a", "a", "b", "c", "", "d e", "e d", "f g h", "b"];
        let (_dir, mixture) = mixture(&rows);
        let draws = chosen(&mixture, None, 0, WHOLE);
        for seed in 0..20 {
            let mut seen = Vec::new();
            for (row, other) in exchanged(&mixture, &draws, seed, &mut |_| {}).into_iter().enumerate() {
                let Some(other) = other else {
                    assert_eq!(rows[row], "f g h");
                    continue;
                };
                let other = rows[other.row as usize];
                assert_eq!(other.split_whitespace().count(), rows[row].split_whitespace().count());
                assert!(other != rows[row] || other.is_empty(), "{row} {other}");
                seen.push(other);
            }
            assert!(["a", "b", "c"].iter().all(|name| seen.contains(name)), "{seen:?}");
        }
    }
}
