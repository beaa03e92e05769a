//! How much memory this process may still take.

use crate::process::kib;
use std::fmt;

/// The memory that is left, and what bounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// The bound that is met first.
    pub bound: Bound,
}

/// What bounds a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// What the machine has free, or could free by dropping files that it keeps in memory.
    Machine,
    /// The limit of a control group, as containers have it.
    Group,
    /// The limit of the process's addresses: `ulimit -v`.
    Addresses,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bound::Machine => "of this machine's memory",
            Bound::Group => "of the control group's limit",
            Bound::Addresses => "of the process's limit (ulimit -v)",
        })
    }
}

/// The least of what bounds this process; `None` where the system tells of nothing.
pub fn room() -> Option<Room> {
    let bounds = [(Bound::Machine, machine()), (Bound::Group, group()), (Bound::Addresses, addresses())];
    let rooms = bounds.into_iter().filter_map(|(bound, bytes)| Some(Room { bytes: bytes?, bound }));
    rooms.min_by_key(|room| room.bytes)
}

/// A system file's text.
fn read(path: &str) -> Option<String> {
    if cfg!(target_os = "linux") { std::fs::read_to_string(path).ok() } else { None }
}

fn machine() -> Option<u64> {
    kib(&read("/proc/meminfo")?, "MemAvailable")
}

fn group() -> Option<u64> {
    group_room(&read("/proc/self/cgroup")?, &read)
}

/// Names of a version's files: where groups are mounted, the limit, what is used, and which of that are files' pages.
struct Version {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    files: [&'static str; 2],
}

const V1: Version = Version {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    files: ["total_inactive_file", "total_active_file"],
};
const V2: Version = Version {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    files: ["inactive_file", "active_file"],
};

/// The least that the groups of `/proc/self/cgroup`, and those above them, leave. A container may see its own group as the
/// root of all.
fn group_room(cgroup: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let mut least = None;
    for line in cgroup.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (fields.next(), fields.next()) else { continue };
        let version = match kinds {
            "" => &V2,
            kinds if kinds.split(',').any(|kind| kind == "memory") => &V1,
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            let room = version.room(path, read);
            least = [least, room].into_iter().flatten().min();
            let Some((above, _)) = path.rsplit_once('/') else { break };
            path = above;
        }
    }
    least
}

impl Version {
    /// What one group leaves: its limit, less what is used and could not be dropped.
    fn room(&self, path: &str, read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
        let file = |name: &str| read(&format!("{}{path}/{name}", self.root));
        // Without a limit this is the word "max", or a number that no machine has.
        let limit: u64 = file(self.limit)?.trim().parse().ok()?;
        let used: u64 = file(self.used)?.trim().parse().ok()?;
        let stat = file("memory.stat").unwrap_or_default();
        let field = |name: &&str| stat.lines().find_map(|line| line.strip_prefix(*name)?.trim().parse::<u64>().ok());
        let files: u64 = self.files.iter().filter_map(field).sum();
        Some(limit.saturating_sub(used.saturating_sub(files)))
    }
}

/// Addresses that are taken beside what is asked for: stacks of threads, and what the allocator holds ready for them.
#[cfg(target_os = "linux")]
const BESIDE: u64 = 192 << 20;

fn addresses() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the call fills in the limit it is given.
        let told = unsafe { libc::getrlimit(libc::RLIMIT_AS, &mut limit) } == 0;
        if !told || limit.rlim_cur == libc::RLIM_INFINITY {
            return None;
        }
        #[allow(clippy::useless_conversion)] // 32 bits on some
        let limit = u64::from(limit.rlim_cur);
        Some(limit.saturating_sub(crate::process::status("VmSize")?).saturating_sub(BESIDE))
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What these files leave to a process of these groups.
    fn left(cgroup: &str, files: &[(&str, &str)]) -> Option<u64> {
        group_room(cgroup, &|path| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()))
    }

    #[test]
    fn what_a_group_of_the_second_version_leaves() {
        let stat = "anon 10\nfile 600\ninactive_file 200\nactive_file 100\n";
        let files = [
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/b/memory.current", "500\n"),
            ("/sys/fs/cgroup/a/memory.max", "1000\n"),
            ("/sys/fs/cgroup/a/memory.current", "700\n"),
            ("/sys/fs/cgroup/a/memory.stat", stat),
        ];
        assert_eq!(left("0::/a/b\n", &files), Some(600), "the limit above counts, less what cannot be dropped");
        assert_eq!(left("0::/c\n", &files), None);
        // A container's own group is the root.
        let root = [("/sys/fs/cgroup/memory.max", "1000"), ("/sys/fs/cgroup/memory.current", "1200")];
        for path in ["0::/\n", "0::/elsewhere/x\n", "0::/../y\n"] {
            assert_eq!(left(path, &root), Some(0), "{path}");
        }
    }

    #[test]
    fn what_a_group_of_the_first_version_leaves() {
        let files = [
            ("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "1000\n"),
            ("/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes", "300\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "400\n"),
        ];
        let groups = "12:cpu,cpuacct:/docker/x\n11:memory:/docker/x\n1:name=systemd:/docker/x\n0::/docker/x\n";
        assert_eq!(left(groups, &files), Some(700));
        assert_eq!(left("11:memory:/other\n", &files), Some(9_223_372_036_854_771_312));
        for odd in ["", "nonsense", "1:2", "::", "11:cpu:/docker/x\n"] {
            assert_eq!(left(odd, &files), None, "{odd}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_may_take_something() {
        let room = room().unwrap();
        assert!(room.bytes > 1 << 20, "{room:?}");
    }
}
