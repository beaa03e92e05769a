//! That the heap stays small. A file of its own, as it changes the whole process.
#![allow(clippy::unwrap_used)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use std::ops::Range;
use std::sync::Barrier;

fn maps() -> Vec<Range<u64>> {
    let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let range = |line: &str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        number(start)..number(end)
    };
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().map(range).collect()
}

/// Parts of the heap beside the first: glibc reserves 64 MiB for each, on a border of so much.
fn parts() -> usize {
    const PART: u64 = 64 << 20;
    let whole = |two: &&[Range<u64>]| {
        let [first, second] = *two else { return false };
        first.start % PART == 0 && first.end == second.start && second.end - first.start == PART
    };
    maps().windows(2).filter(whole).count()
}

#[test]
fn threads_share_it_and_free_memory_goes_back() {
    const THREADS: usize = 12;
    smolvlm_sys::share_heap();
    let (there, counted) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let (there, counted) = (&there, &counted);
            scope.spawn(move || {
                let held = vec![number as u8; 10_000];
                there.wait();
                counted.wait();
                drop(held);
            });
        }
        there.wait();
        let found = parts();
        counted.wait();
        assert!(found <= 2, "{found} parts");
    });
    // Small pieces, of which every thousandth stays: what lies between them is held until it is given back.
    let pieces: Vec<Vec<u8>> = (0..400_000).map(|number| vec![number as u8; 100]).collect();
    let stay: Vec<Vec<u8>> = pieces.into_iter().step_by(1000).collect();
    let before = smolvlm_sys::held().unwrap();
    smolvlm_sys::give_back_heap();
    let after = smolvlm_sys::held().unwrap();
    assert!(after + (30 << 20) < before, "{before} bytes, and {after} behind it");
    assert!(stay.iter().zip((0..).step_by(1000)).all(|(piece, number)| piece[0] == number as u8));
}
