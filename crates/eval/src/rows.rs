//! Which rows are asked about, and whose pictures they are shown.

use crate::picture::{Key, Shown, clip_key};
use smolvlm_data::random::permuted;
use smolvlm_data::{ClipFile, Draw, Mixture, PictureFile};
use std::collections::BTreeMap;

/// All rows of the sources in order, or so many of them: drawn by the seed, and in order again.
pub(crate) fn chosen(mixture: &Mixture, limit: Option<u64>, seed: u64) -> Vec<Draw> {
    let rows: Vec<Draw> = mixture.rows().collect();
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
    mixture: &Mixture,
    rows: &[Draw],
    seed: u64,
    progress: &mut dyn FnMut(usize),
) -> Vec<Option<Draw>> {
    let mut circles: BTreeMap<(usize, usize), BTreeMap<Vec<Key>, Draw>> = BTreeMap::new();
    let mut shown = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let keys = keys(mixture, *row);
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
fn keys(mixture: &Mixture, row: Draw) -> Option<Vec<Key>> {
    let (pictures, clips) = shown(mixture, row).ok()?;
    let pictures = pictures.into_iter().map(|file| Shown::File(file).key());
    Some(pictures.chain(clips.iter().map(clip_key)).collect())
}

/// A row's pictures and clips.
pub(crate) fn shown(mixture: &Mixture, row: Draw) -> Result<(Vec<PictureFile>, Vec<ClipFile>), String> {
    let source = mixture.source(row.source).ok_or("there is no such source")?;
    let sample = source.read(row.row as usize)?;
    Ok((sample.pictures, sample.clips))
}

#[cfg(test)]
mod tests {
    use super::*;
    use smolvlm_data::SourceConfig;

    fn mixture(rows: &[&str]) -> (tempfile::TempDir, Mixture) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let row = |pictures: &&str| {
            let pictures: Vec<&str> = pictures.split_whitespace().collect();
            format!(r#"{{"question": "Q", "answer": "A", "images": {}}}"#, serde_json::json!(pictures))
        };
        std::fs::write(&path, rows.iter().map(row).collect::<Vec<_>>().join("\n")).unwrap();
        let mixture = Mixture::open(&[SourceConfig::new(path)], 0).unwrap();
        (dir, mixture)
    }

    #[test]
    fn a_limit_draws_rows_and_keeps_their_order() {
        let (_dir, mixture) = mixture(&["a"; 50]);
        let rows = |limit, seed| chosen(&mixture, limit, seed).iter().map(|draw| draw.row).collect::<Vec<_>>();
        assert_eq!(rows(None, 1), (0..50).collect::<Vec<_>>());
        assert_eq!(rows(Some(60), 1).len(), 50);
        let some = rows(Some(10), 1);
        assert!(some.len() == 10 && some.is_sorted() && some != (0..10).collect::<Vec<_>>());
        assert!(some == rows(Some(10), 1) && some != rows(Some(10), 2));
    }

    #[test]
    fn no_row_is_shown_its_own_pictures() {
        let rows = ["a", "a", "b", "c", "", "d e", "e d", "f g h", "b"];
        let (_dir, mixture) = mixture(&rows);
        let draws = chosen(&mixture, None, 0);
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
