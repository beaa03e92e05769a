//! Disks that are full or cannot be written. Each is a small file system in memory, which only a process with a view of its
//! own of the file tree may mount: so the tests call this program again in such a view (`unshare`), where the system allows
//! it, and say that nothing was shown where it does not.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // only the other tests break its answers
mod server;

use server::{Hub, REPO};
use smolvlm_hub::{Event, Repo, Settings, pull, verify};
use std::process::Command;

/// What the program calls itself with: the endpoint, and the cache.
const CHILD: [&str; 2] = ["SMOLVLM_TEST_ENDPOINT", "SMOLVLM_TEST_CACHE"];

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let weights: Vec<u8> = (0..600_000u32).map(|at| (at * 7 + at / 251) as u8).collect();
    vec![("config.json", b"{}".to_vec()), ("tokenizer.json", b"{}".to_vec()), ("model.safetensors", weights)]
}

/// A pull by the process that is called; what came of it goes to stdout.
#[test]
#[ignore = "the other tests' child"]
fn child() {
    // Called by nobody, where all ignored tests are.
    let [Ok(endpoint), Ok(cache)] = CHILD.map(std::env::var) else { return };
    let settings = Settings { endpoint, cache: cache.into(), token: None, offline: false };
    match pull(&settings, &Repo::parse(REPO).unwrap(), &|_: Event<'_>| {}) {
        Ok(_) => println!("came: {} broken", verify(&settings, REPO).unwrap().0.len()),
        Err(error) => println!("refused: {error}"),
    }
}

/// Runs a shell's script in a view of its own of the file tree, where `$DISK` is a folder to mount over and `$PULL` pulls
/// into it; `None` where the system gives no such view.
fn in_a_view(hub: &Hub, script: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let pull = format!("{} --exact child --ignored --nocapture", std::env::current_exe().unwrap().display());
    let run = |script: &str| {
        let mut view = Command::new("unshare");
        view.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script]).env("PULL", &pull).env("DISK", &disk);
        view.env(CHILD[0], &hub.endpoint).env(CHILD[1], disk.join("hub")).output().ok()
    };
    let may = run("mount -t tmpfs none $DISK").is_some_and(|output| output.status.success());
    if !may {
        println!("not shown: this system lets nobody mount a disk of their own");
        return None;
    }
    let output = run(script).unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", told(&output.stdout), told(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// What the children said, in order.
fn said(output: &str) -> Vec<&str> {
    output.lines().filter(|line| line.starts_with("came: ") || line.starts_with("refused: ")).collect()
}

#[test]
fn a_disk_that_fills_up_is_named_and_what_came_is_gone_on_with() {
    let hub = Hub::serve(&files());
    let script = "mount -t tmpfs -o size=400k none $DISK; $PULL; mount -o remount,size=4m $DISK; $PULL";
    let Some(output) = in_a_view(&hub, script) else { return };
    let said = said(&output);
    assert_eq!(said.len(), 2, "{output}");
    assert!(said[0].contains("the disk is full") && said[0].contains("1 MB"), "{}", said[0]);
    assert_eq!(said[1], "came: 0 broken");
    let ranges: Vec<String> = hub.asked.lock().unwrap().iter().filter_map(|asked| asked.range.clone()).collect();
    assert!(ranges.iter().any(|range| range != "bytes=0-"), "the second began anew: {ranges:?}");
}

#[test]
fn a_cache_that_cannot_be_written_serves_what_it_has() {
    let hub = Hub::serve(&files());
    let script = "mount -t tmpfs -o size=4m none $DISK; $PULL; mount -o remount,ro $DISK; $PULL; \
                  mount -o remount,rw $DISK; rm -r $DISK/hub/models--org--tiny; mount -o remount,ro $DISK; $PULL";
    let Some(output) = in_a_view(&hub, script) else { return };
    let said = said(&output);
    assert_eq!((said.len(), said[0], said[1]), (3, "came: 0 broken", "came: 0 broken"), "{output}");
    assert!(said[2].starts_with("refused: ") && said[2].contains("Read-only file system"), "{}", said[2]);
}
