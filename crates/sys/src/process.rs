//! Facts about this process.

/// The most memory this process has held, in bytes; `None` where the system does not tell.
///
/// On Linux this is `VmHWM`: `getrusage` would count what the process held before it became this program.
pub fn peak_rss() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        status("VmHWM")
    }
    #[cfg(all(unix, not(target_os = "linux")))]
    {
        // SAFETY: an all-zero `rusage` is a valid one, and the call fills it in.
        let usage = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            if libc::getrusage(libc::RUSAGE_SELF, &mut usage) != 0 {
                return None;
            }
            usage
        };
        // macOS counts bytes, others KiB.
        let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
        u64::try_from(usage.ru_maxrss).ok().map(|x| x * unit)
    }
    #[cfg(not(unix))]
    None
}

/// The memory that this process holds now, in bytes; `None` where the system does not tell.
pub fn held() -> Option<u64> {
    if cfg!(target_os = "linux") { status("VmRSS") } else { None }
}

/// A size of this process as Linux tells it, in bytes.
pub(crate) fn status(field: &str) -> Option<u64> {
    kib(&std::fs::read_to_string("/proc/self/status").ok()?, field)
}

/// The bytes of a line `FIELD: N kB`.
pub(crate) fn kib(text: &str, field: &str) -> Option<u64> {
    let size = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    size.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// How many threads this process may run at once: cores, less what affinity and control groups take away.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes_are_in_bytes() {
        let meminfo = "MemTotal:       24689764 kB\nMemAvailable:   21407236 kB\nMemAvailableX: 1 kB\n";
        assert_eq!(super::kib(meminfo, "MemAvailable"), Some(21_407_236 * 1024));
        assert_eq!(super::kib("Name:\tsmolvlm\nVmPeak:\t 9 kB\nVmSize:\t    8 kB\n", "VmSize"), Some(8192));
        for none in ["", "VmSizes: 5 kB\n", "VmSize: x kB\n", "VmSize: 18446744073709551615 kB\n", "VmSize: 5\n"] {
            assert_eq!(super::kib(none, "VmSize"), None, "{none}");
        }
    }

    #[test]
    fn facts_are_plausible() {
        assert!(super::threads() >= 1);
        if let Some(peak) = super::peak_rss() {
            assert!(peak > 100_000, "{peak}");
        }
        if let Some(held) = super::held() {
            assert!(held > 100_000, "{held}");
        }
    }
}
