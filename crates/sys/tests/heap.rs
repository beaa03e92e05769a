//! That threads share the heap. A file of its own, as it changes the whole process.
#![allow(clippy::unwrap_used)]
#![cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]

use std::sync::Barrier;

/// Parts of the heap beside the first: glibc reserves 64 MiB for each, on a border of so much.
fn parts() -> usize {
    const PART: u64 = 64 << 20;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let range = |line: &str| {
        let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap())
    };
    let ranges: Vec<(u64, u64)> = maps.lines().map(range).collect();
    let whole = |two: &&[(u64, u64)]| {
        let [(start, middle), (next, end)] = **two else { return false };
        start % PART == 0 && middle == next && end - start == PART
    };
    ranges.windows(2).filter(whole).count()
}

#[test]
fn threads_share_the_heap() {
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
}
