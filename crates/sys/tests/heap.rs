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
fn threads_share_it_and_large_pieces_go_back() {
    const THREADS: usize = 12;
    smolvlm_sys::keep_heap_small();
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
    // Untouched, glibc would keep pieces of a size that was freed once.
    for _ in 0..3 {
        let large = vec![1u8; 20 << 20];
        let place = large.as_ptr() as u64;
        drop(large);
        assert!(!maps().iter().any(|range| range.contains(&place)), "a large piece was kept");
    }
}
