//! Facts about this process.

/// The most memory this process has held, in bytes; `None` where the system does not tell.
///
/// On Linux this is `VmHWM`: `getrusage` would count what the process held before it became this program.
pub fn peak_rss() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
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

/// How many threads this process may run at once: cores, less what affinity and control groups take away.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    #[test]
    fn facts_are_plausible() {
        assert!(super::threads() >= 1);
        if let Some(peak) = super::peak_rss() {
            assert!(peak > 100_000, "{peak}");
        }
    }
}
