//! Pictures that stand in two sets: the same pixels, or nearly the same.
//!
//! Nearly the same is told by a perceptual hash: the signs, against their median, of the 8 x 8 lowest frequencies of the
//! picture at 32 x 32 pixels (the constant ones left out), in which JPEG, other sizes and a little crop or light change few
//! of the 64 bits. Tried on photographs, drawings, charts and pages of text: of [`LIMIT`] bits and below are JPEG at quality
//! 10, half and quarter size, 20% of contrast, or 1% cut off each edge for 99 of 100 pictures, 2% for 85, 20% more light
//! where it does not burn out; and no two of 60 pages or of 60 charts. What a template draws alike, as icons of folders
//! with a small emblem, is nearly the same, too.

use crate::{PictureFile, Source};
use sha2::{Digest, Sha256};
use smolvlm_kernels::{Pool, resample::lanczos_rgb};
use smolvlm_processor::{DecodeOptions, Picture};

/// The most bits in which hashes of nearly the same pictures differ, unless another number is asked for.
pub const LIMIT: u32 = 8;
/// The greatest such number: unrelated pictures differ in some 32 of the 64, and beyond a quarter many are met by chance.
pub const MOST_LIMIT: u32 = 16;

/// The side of the small picture that is hashed.
const SIDE: usize = 32;
/// Frequencies of each axis that are hashed.
const FREQUENCIES: usize = 8;
/// The least median amplitude, in levels of 255: below it the bits would be those of rounding and of JPEG's noise.
const LEAST_AMPLITUDE: f64 = 0.2;

/// What a picture is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// SHA-256 of its size and its samples.
    exact: [u8; 32],
    /// The perceptual hash; none of a picture that is too plain for one.
    near: Option<u64>,
}

impl Fingerprint {
    /// Of a decoded picture.
    pub fn of(picture: &Picture, pool: &Pool) -> Fingerprint {
        let mut sha = Sha256::new();
        sha.update(picture.width.to_le_bytes());
        sha.update(picture.height.to_le_bytes());
        sha.update(&picture.rgb);
        Fingerprint { exact: sha.finalize().into(), near: perceptual(picture, pool) }
    }

    /// Whether size and pixels are the same.
    pub fn same(&self, other: &Fingerprint) -> bool {
        self.exact == other.exact
    }

    /// In how many of 64 bits the perceptual hashes differ; `None` where a picture is too plain to have one.
    pub fn distance(&self, other: &Fingerprint) -> Option<u32> {
        Some((self.near? ^ other.near?).count_ones())
    }
}

fn perceptual(picture: &Picture, pool: &Pool) -> Option<u64> {
    let size = (picture.width as usize, picture.height as usize);
    if size.0.checked_mul(size.1)?.checked_mul(3)? != picture.rgb.len() || picture.rgb.is_empty() {
        return None;
    }
    let mut small = vec![0; 3 * SIDE * SIDE];
    lanczos_rgb(&picture.rgb, size, &mut small, (SIDE, SIDE), pool);
    let luma = |rgb: &[u8]| rgb.iter().zip([0.299, 0.587, 0.114]).map(|(&x, weight)| f64::from(x) * weight).sum();
    let luma: Vec<f64> = small.chunks_exact(3).map(luma).collect();
    let amplitudes = amplitudes(&luma);
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2 - 1..=values.len() / 2).map(|middle| middle.iter().sum::<f64>() / 2.0)
    };
    if median(amplitudes.iter().map(|a| a.abs()).collect())? < LEAST_AMPLITUDE {
        return None;
    }
    let middle = median(amplitudes.clone())?;
    Some(amplitudes.iter().fold(0, |bits, &amplitude| bits << 1 | u64::from(amplitude > middle)))
}

/// The cosine transform (DCT-II) of [SIDE, SIDE] samples at the frequencies 1 to [`FREQUENCIES`] of both axes.
fn amplitudes(luma: &[f64]) -> Vec<f64> {
    let wave = |k: usize| {
        let at = move |x: usize| (std::f64::consts::PI * ((2 * x + 1) * k) as f64 / (2 * SIDE) as f64).cos();
        (0..SIDE).map(at).collect::<Vec<f64>>()
    };
    let waves: Vec<Vec<f64>> = (1..=FREQUENCIES).map(wave).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let scale = 4.0 / (SIDE * SIDE) as f64;
    let mut found = Vec::with_capacity(FREQUENCIES * FREQUENCIES);
    for across in &waves {
        let column: Vec<f64> = luma.chunks_exact(SIDE).map(|row| dot(row, across)).collect();
        found.extend(waves.iter().map(|down| scale * dot(&column, down)));
    }
    found
}

/// A row's pictures: what each is known by or what is wrong with it; or what is wrong with the row.
pub type RowPrints = Result<Vec<Result<Fingerprint, String>>, String>;

/// Decodes all pictures of a source and hands on what they are known by, row by row and in order. A few rows are held at a
/// time.
///
/// # Errors
/// What `each` fails with.
pub fn fingerprints<E>(
    source: &dyn Source,
    decode: &DecodeOptions,
    pool: &Pool,
    mut each: impl FnMut(usize, RowPrints) -> Result<(), E>,
) -> Result<(), E> {
    let alone = Pool::new(1);
    let mut start = 0;
    while start < source.len() {
        let end = source.len().min(start + 4 * pool.threads());
        let mut batch: Vec<RowPrints> = (start..end).map(|_| Ok(Vec::new())).collect();
        pool.chunks(&mut batch, 1, |index, slot| {
            if let Some(slot) = slot.first_mut() {
                *slot = of_row(source, start + index, decode, &alone);
            }
        });
        for (row, prints) in (start..).zip(batch) {
            each(row, prints)?;
        }
        start = end;
    }
    Ok(())
}

fn of_row(source: &dyn Source, row: usize, decode: &DecodeOptions, pool: &Pool) -> RowPrints {
    let print = |file: PictureFile| {
        let data = file.read(decode).map_err(|e| e.to_string())?;
        let picture = data.decode(decode).map_err(|e| e.to_string())?;
        Ok(Fingerprint::of(&picture, pool))
    };
    Ok(source.read(row)?.pictures.into_iter().map(print).collect())
}

/// Where a picture stands; all are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PictureAt {
    /// The source.
    pub source: u32,
    /// Its row.
    pub row: u32,
    /// Of the row's pictures.
    pub picture: u32,
}

/// A picture that was looked for and found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Where.
    pub at: PictureAt,
    /// In how many bits the hashes differ; `None` where all pixels are the same.
    pub distance: Option<u32>,
}

/// Pictures to be found again, some 80 bytes each.
///
/// Hashes that differ in at most `limit` bits differ in at most a quarter of it in one of their four pieces of 16 bits. Each
/// piece has a table; what lies there so near is compared, a few hundredths of a percent of all pictures at the default
/// limit's two bits a piece.
pub struct PictureIndex {
    pictures: Vec<(PictureAt, Fingerprint)>,
    /// The pictures in the order of `exact`.
    by_pixels: Vec<u32>,
    pieces: Vec<Piece>,
    limit: u32,
    /// What a piece may differ by.
    changes: Vec<u16>,
}

/// The pictures by 16 bits of their hashes.
struct Piece {
    shift: u32,
    /// Where in `pictures` those of each value begin; 2^16 + 1 places.
    starts: Vec<u32>,
    pictures: Vec<u32>,
}

impl Piece {
    fn new(shift: u32, pictures: &[(PictureAt, Fingerprint)]) -> Piece {
        let of = |print: &Fingerprint| print.near.map(|hash| (hash >> shift) as u16);
        let mut order: Vec<(u16, u32)> =
            (0..).zip(pictures).filter_map(|(at, (_, print))| Some((of(print)?, at))).collect();
        order.sort_unstable();
        let mut starts = vec![0; (1 << 16) + 1];
        for (value, _) in &order {
            if let Some(count) = starts.get_mut(usize::from(*value) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Piece { shift, starts, pictures: order.into_iter().map(|(_, at)| at).collect() }
    }

    /// The pictures whose piece is `value`.
    fn of(&self, value: u16) -> &[u32] {
        let start = |at: usize| self.starts.get(at).map_or(0, |&start| start as usize);
        self.pictures.get(start(usize::from(value))..start(usize::from(value) + 1)).unwrap_or_default()
    }
}

impl PictureIndex {
    /// Of pictures, at most 2^32 - 1. `limit` is how many bits the hashes of nearly the same ones may differ in, at most
    /// [`MOST_LIMIT`].
    pub fn new(pictures: Vec<(PictureAt, Fingerprint)>, limit: u32) -> PictureIndex {
        let limit = limit.min(MOST_LIMIT);
        let mut by_pixels: Vec<u32> = (0..pictures.len() as u32).collect();
        by_pixels.sort_by_key(|&at| pictures.get(at as usize).map(|(_, print)| print.exact));
        let pieces = [0, 16, 32, 48].map(|shift| Piece::new(shift, &pictures)).into();
        let changes = (0..=u16::MAX).filter(|change| change.count_ones() <= limit / 4).collect();
        PictureIndex { pictures, by_pixels, pieces, limit, changes }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.pictures.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pictures.is_empty()
    }

    /// All pictures that are the same or nearly so: those of the same pixels first, then the nearest.
    pub fn find(&self, print: &Fingerprint) -> Vec<Match> {
        let exact = |at: &u32| self.pictures.get(*at as usize).map(|(_, found)| found.exact);
        let first = self.by_pixels.partition_point(|at| exact(at) < Some(print.exact));
        let same = self.by_pixels.iter().skip(first).take_while(|at| exact(at) == Some(print.exact));
        let mut candidates: Vec<u32> = same.copied().collect();
        for piece in &self.pieces {
            let Some(hash) = print.near else { break };
            let value = (hash >> piece.shift) as u16;
            for change in &self.changes {
                let near = |at: &&u32| {
                    let found = self.pictures.get(**at as usize);
                    found.and_then(|(_, found)| found.distance(print)).is_some_and(|bits| bits <= self.limit)
                };
                candidates.extend(piece.of(value ^ change).iter().filter(near));
            }
        }
        candidates.sort_unstable();
        candidates.dedup();
        let mut found: Vec<Match> = Vec::with_capacity(candidates.len());
        for (at, other) in candidates.iter().filter_map(|&at| self.pictures.get(at as usize)) {
            found.push(Match { at: *at, distance: if other.same(print) { None } else { other.distance(print) } });
        }
        // None before Some; of equal ones the first stays first.
        found.sort_by_key(|one| one.distance);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::hash;
    use crate::{Columns, open};

    /// A drawing of rectangles on a slope of grey.
    fn drawing(seed: u64, width: usize, height: usize) -> Picture {
        let draw = |at: u64, below: usize| (hash(seed, &[at]) % below as u64) as usize;
        let boxes: Vec<[usize; 7]> = (0..9)
            .map(|i| {
                let at = |j: u64| 10 * i + j;
                let (x, y) = (draw(at(0), width), draw(at(1), height));
                let (w, h) = (width / 8 + draw(at(2), width / 3), height / 8 + draw(at(3), height / 3));
                [x, y, x + w, y + h, draw(at(4), 256), draw(at(5), 256), draw(at(6), 256)]
            })
            .collect();
        let mut rgb = Vec::new();
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let over = boxes.iter().rev().find(|b| (b[0]..b[2]).contains(&x) && (b[1]..b[3]).contains(&y));
            rgb.extend(over.map_or([(100 + 100 * x / width) as u8; 3], |b| [b[4] as u8, b[5] as u8, b[6] as u8]));
        }
        Picture { width: width as u32, height: height as u32, rgb }
    }

    fn print(picture: &Picture) -> Fingerprint {
        Fingerprint::of(picture, &Pool::new(1))
    }

    fn halved(picture: &Picture) -> Picture {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let mut rgb = vec![0; 3 * (width / 2) * (height / 2)];
        lanczos_rgb(&picture.rgb, (width, height), &mut rgb, (width / 2, height / 2), &Pool::new(1));
        Picture { width: picture.width / 2, height: picture.height / 2, rgb }
    }

    /// Without `edge` pixels at each side.
    fn cropped(picture: &Picture, edge: usize) -> Picture {
        let (width, height) = (picture.width as usize, picture.height as usize);
        let rows = picture.rgb.chunks(3 * width).skip(edge).take(height - 2 * edge);
        let rgb = rows.flat_map(|row| row[3 * edge..3 * (width - edge)].to_vec()).collect();
        Picture { width: (width - 2 * edge) as u32, height: (height - 2 * edge) as u32, rgb }
    }

    #[test]
    fn changed_pictures_are_near_and_different_ones_are_not() {
        let drawings: Vec<Picture> = (0..40).map(|seed| drawing(seed, 200, 140)).collect();
        let prints: Vec<Fingerprint> = drawings.iter().map(print).collect();
        for (picture, found) in drawings.iter().zip(&prints) {
            let lighter = |by: f64| picture.rgb.iter().map(|&x| (f64::from(x) * by).min(255.0) as u8).collect();
            let changed = [
                halved(picture),
                cropped(picture, 2),
                Picture { rgb: lighter(1.1), ..*picture },
                Picture { rgb: lighter(0.8), ..*picture },
            ];
            for other in &changed {
                let distance = print(other).distance(found).unwrap();
                assert!(distance <= LIMIT && !print(other).same(found), "{distance}: {other:?}");
            }
        }
        for (at, one) in prints.iter().enumerate() {
            let nearest = prints.iter().take(at).filter_map(|other| one.distance(other)).min();
            assert!(nearest.is_none_or(|bits| bits > LIMIT), "{at}: {nearest:?}");
        }
    }

    #[test]
    fn jpeg_of_another_quality_is_near() {
        let file = |name: &str| smolvlm_golden::repository().join("golden/pictures").join(name);
        let open = |name: &str| print(&Picture::open(&file(name), &DecodeOptions::default()).unwrap());
        let (good, poor, other) = (open("quality-100.jpg"), open("quality-30.jpg"), open("411-37x29.jpg"));
        assert!(good.distance(&poor).unwrap() <= LIMIT && !good.same(&poor), "{:?}", good.distance(&poor));
        assert!(good.distance(&other).unwrap() > LIMIT, "{:?}", good.distance(&other));
    }

    #[test]
    fn plain_pictures_are_found_by_their_pixels_alone() {
        let plain = |width: u32, height: u32, x: u8| {
            print(&Picture { width, height, rgb: vec![x; (3 * width * height) as usize] })
        };
        let (white, black, turned) = (plain(40, 30, 255), plain(40, 30, 0), plain(30, 40, 255));
        let index = PictureIndex::new(vec![(PictureAt { source: 0, row: 0, picture: 0 }, white)], MOST_LIMIT);
        assert_eq!(index.find(&white).len(), 1);
        assert!(index.find(&black).is_empty() && index.find(&turned).is_empty());
    }

    #[test]
    fn the_index_finds_what_comparing_all_finds() {
        let print = |i: u64| {
            // Families of eight with up to twelve bits changed each.
            let changes = (0..i % 12).fold(0u64, |bits, j| bits | 1 << (hash(2, &[i, j]) % 64));
            let near = Some(hash(1, &[i / 8]) ^ changes).filter(|_| !i.is_multiple_of(50));
            Fingerprint { exact: [(i % 251) as u8; 32], near }
        };
        let at = |i: u64| PictureAt { source: 0, row: i as u32, picture: 0 };
        let all: Vec<_> = (0..1000).map(|i| (at(i), print(i))).collect();
        for limit in [0, 3, 8, 13, MOST_LIMIT] {
            let index = PictureIndex::new(all.clone(), limit);
            let mut near = 0;
            for (_, one) in all.iter().step_by(7) {
                let counts = |other: &Fingerprint| other.same(one) || one.distance(other).is_some_and(|d| d <= limit);
                let mut expected: Vec<PictureAt> = all.iter().filter(|(_, o)| counts(o)).map(|(at, _)| *at).collect();
                let found = index.find(one);
                assert!(found.is_sorted_by_key(|m| m.distance));
                near += found.iter().filter(|m| m.distance.is_some()).count();
                let mut found: Vec<PictureAt> = found.iter().map(|m| m.at).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{limit}");
            }
            assert!(limit < 8 || near > 100, "{near}");
        }
    }

    #[test]
    fn rows_come_in_order_and_bad_pictures_are_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.png"), drawing(1, 30, 20).to_png().unwrap()).unwrap();
        std::fs::write(folder.path().join("bad.png"), "no picture").unwrap();
        let rows = [
            r#"{"image": "a.png", "text": "A"}"#,
            r#"{"image": ["bad.png", "a.png"], "text": "B"}"#,
            r#"{"image": "missing.png", "text": "C"}"#,
            r#"{"image": 3, "text": "D"}"#,
            r#"{"text": "E"}"#,
        ];
        let path = folder.path().join("rows.jsonl");
        std::fs::write(&path, rows.join("\n")).unwrap();
        let source = open(&path, &Columns::default()).unwrap();
        let mut seen = Vec::new();
        fingerprints(&*source, &DecodeOptions::default(), &Pool::new(1), |row, prints| {
            assert_eq!(row, seen.len());
            seen.push(prints);
            Ok::<(), String>(())
        })
        .unwrap();
        let a = print(&drawing(1, 30, 20));
        assert_eq!(seen[0], Ok(vec![Ok(a)]));
        let both = seen[1].as_ref().unwrap();
        assert!(both[0].is_err() && both[1] == Ok(a), "{both:?}");
        assert!(seen[2].as_ref().unwrap()[0].as_ref().is_err_and(|e| e.contains("missing.png")));
        assert!(seen[3].is_err() && seen[4] == Ok(Vec::new()) && seen.len() == 5);
        let stopped = fingerprints(&*source, &DecodeOptions::default(), &Pool::new(1), |_, _| Err("enough"));
        assert_eq!(stopped, Err("enough"));
    }
}
