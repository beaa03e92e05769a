//! Downloads from a hub on loopback.

#![allow(clippy::unwrap_used)] // helpers of tests: what fails there fails the test

mod server;

use server::{COMMIT, Hub, LARGE, REPO};
use smolvlm_hub::{Error, Event, Repo, Settings, kept, pull, remove, verify};
use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let weights: Vec<u8> = (0..300_000u32).map(|at| (at * 7 + at / 251) as u8).collect();
    vec![
        ("config.json", b"{}".to_vec()),
        ("tokenizer.json", vec![b'x'; LARGE + 7]),
        ("model.safetensors", weights),
        ("README.md", b"not wanted".to_vec()),
        ("empty.json", Vec::new()),
    ]
}

fn settings(hub: &Hub, cache: &Path) -> Settings {
    Settings { endpoint: hub.endpoint.clone(), cache: cache.to_owned(), token: None, offline: false }
}

fn repo() -> Repo {
    Repo::parse(REPO).unwrap()
}

/// That all that is wanted is there as it should be.
fn whole(dir: &Path) {
    for (name, bytes) in files() {
        match name {
            "README.md" => assert!(!dir.join(name).exists()),
            _ => assert!(fs::read(dir.join(name)).unwrap() == bytes, "{name}"),
        }
    }
}

#[test]
fn a_model_comes_whole_with_its_places_in_the_cache() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = Settings { token: Some("mine".into()), ..settings(&hub, dir.path()) };
    let (all, more) = (AtomicU64::new(0), AtomicU64::new(0));
    let watch = |event: Event<'_>| match event {
        Event::All { bytes, files } => all.store(bytes * 10 + files as u64, Ordering::Relaxed),
        Event::More { bytes, .. } => drop(more.fetch_add(bytes, Ordering::Relaxed)),
        Event::Again { .. } | Event::LeftAlone { .. } => panic!("nothing was wrong"),
    };
    let path = pull(&settings, &repo(), &watch).unwrap();
    whole(&path);
    assert_eq!(path, dir.path().join("models--org--tiny/snapshots").join(COMMIT));
    let bytes: u64 = files().iter().filter(|(name, _)| *name != "README.md").map(|(_, bytes)| bytes.len() as u64).sum();
    assert_eq!((all.load(Ordering::Relaxed), more.load(Ordering::Relaxed)), (bytes * 10 + 4, bytes));
    assert_eq!(fs::read_to_string(dir.path().join("models--org--tiny/refs/main")).unwrap(), COMMIT);
    let blob = dir.path().join("models--org--tiny/blobs").join(server::git_hash(b"{}"));
    assert_eq!(fs::read(blob).unwrap(), b"{}");
    let asked = hub.asked.lock().unwrap();
    // The token is the hub's alone.
    assert!(asked.iter().all(|asked| asked.token.as_deref() == (!asked.cdn).then_some("Bearer mine")), "{asked:?}");
    assert!(asked.iter().any(|asked| asked.cdn));
}

#[test]
fn a_second_pull_asks_for_the_list_alone() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    for _ in 0..2 {
        whole(&pull(&settings, &repo(), &|_| {}).unwrap());
    }
    let lists = |path: &str| path.starts_with("/api/");
    let asked = hub.asked.lock().unwrap();
    assert!(asked.iter().filter(|asked| lists(&asked.path)).count() == 2 && lists(&asked.last().unwrap().path));
}

#[test]
fn a_download_that_is_cut_ten_times_ends_whole() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    // Pseudo-random places, some of them at once.
    let cuts = (1..=10u64).map(|at| (at * at * 2_654_435_761 % 29_000) as usize).collect();
    hub.faults.lock().unwrap().cuts = cuts;
    whole(&pull(&settings, &repo(), &|_| {}).unwrap());
    assert_eq!(verify(&settings, REPO).unwrap(), (Vec::new(), 4));
    assert!(hub.asked.lock().unwrap().iter().any(|asked| asked.range.is_some()), "it goes on from where it was");
}

#[test]
fn what_an_earlier_pull_left_is_gone_on_with() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    let whole_one = pull(&settings, &repo(), &|_| {}).unwrap();
    let blob = fs::canonicalize(whole_one.join("model.safetensors")).unwrap();
    let part = blob.with_extension("incomplete");
    for (left, ranges) in [(1000, true), (1000, false), (300_000, true), (300_001, true)] {
        fs::remove_file(whole_one.join("model.safetensors")).unwrap();
        let mut bytes = fs::read(&blob).unwrap();
        bytes.resize(left, 0);
        fs::write(&part, bytes).unwrap();
        fs::remove_file(&blob).unwrap();
        hub.faults.lock().unwrap().no_ranges = !ranges;
        whole(&pull(&settings, &repo(), &|_| {}).unwrap());
        assert!(!part.exists());
    }
}

#[test]
fn wrong_bytes_never_get_a_name() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    hub.faults.lock().unwrap().flips = 2;
    whole(&pull(&settings, &repo(), &|_| {}).unwrap());
    fs::write(dir.path().join("models--org--tiny/blobs").join(server::git_hash(b"{}")), "[]").unwrap();
    let (broken, count) = verify(&settings, REPO).unwrap();
    assert_eq!((broken.len(), count), (1, 4));
    assert!(broken[0].what.contains("hash"));
    assert_eq!(broken[0].files, [format!("{COMMIT}/config.json")]);
}

#[test]
fn a_damaged_file_comes_anew() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    let path = pull(&settings, &repo(), &|_| {}).unwrap();
    for name in ["model.safetensors", "config.json"] {
        let blob = fs::canonicalize(path.join(name)).unwrap();
        fs::OpenOptions::new().write(true).open(blob).unwrap().set_len(1).unwrap();
    }
    whole(&pull(&settings, &repo(), &|_| {}).unwrap());
}

#[test]
fn two_at_once_are_safe() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    thread::scope(|scope| {
        let pulls: Vec<_> = (0..4).map(|_| scope.spawn(|| pull(&settings, &repo(), &|_| {}).unwrap())).collect();
        pulls.into_iter().for_each(|pull| whole(&pull.join().unwrap()));
    });
    let asked = hub.asked.lock().unwrap();
    let weights = asked.iter().filter(|asked| asked.cdn && asked.path.ends_with("model.safetensors")).count();
    assert_eq!(weights, 1, "one fetches it, the others wait");
}

#[test]
fn every_refusal_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let hub = Hub::serve(&files());
    let message = |status, header, token: Option<&str>| {
        hub.faults.lock().unwrap().refusals = vec![(status, header)];
        let settings = Settings { token: token.map(str::to_owned), ..settings(&hub, dir.path()) };
        pull(&settings, &repo(), &|_| {}).unwrap_err().to_string()
    };
    let signed = Some("t");
    assert!(message(401, "X-Error-Code: RepoNotFound", None).ends_with("set HF_TOKEN to a token of yours"));
    assert!(message(404, "X-Error-Code: RepoNotFound", signed).ends_with("the account of HF_TOKEN may not see it"));
    assert!(message(401, "X-Error-Message: Invalid username or password.", signed).contains("no such model"));
    assert!(message(403, "X-Error-Code: GatedRepo", None).contains("agree to its terms"));
    assert!(message(403, "X-Error-Code: GatedRepo", signed).contains("the account that HF_TOKEN belongs to"));
    assert!(message(404, "X-Error-Code: RevisionNotFound", None).contains("no revision 'main'"));
    assert!(message(429, "Retry-After: 42", None).contains("wait 42 s; who sets HF_TOKEN"));
    assert!(message(403, "X-Error-Message: no", None).ends_with("status 403 (no)"));
    assert!(message(302, "X: y", None).contains("not a hub"));
}

#[test]
fn servers_that_fail_for_a_moment_are_asked_again() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    hub.faults.lock().unwrap().refusals = vec![(503, ""), (500, "")];
    whole(&pull(&settings(&hub, dir.path()), &repo(), &|_| {}).unwrap());
}

#[test]
fn offline_nothing_is_asked_and_models_can_be_listed_and_removed() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let online = settings(&hub, dir.path());
    let offline = Settings { offline: true, ..online.clone() };
    assert!(matches!(pull(&offline, &repo(), &|_| {}), Err(Error::Offline { .. })));
    assert!(kept(&offline).unwrap().is_empty() && hub.asked.lock().unwrap().is_empty());
    let dir = pull(&online, &repo(), &|_| {}).unwrap();
    assert_eq!(pull(&offline, &repo(), &|_| {}).unwrap(), dir, "all of it is here");
    let there = kept(&offline).unwrap();
    assert_eq!((there.len(), there[0].name.as_str(), there[0].unfinished), (1, REPO, 0));
    assert_eq!(there[0].revisions, ["main"]);
    assert_eq!(remove(&offline, REPO).unwrap(), there[0].bytes);
    assert!(kept(&offline).unwrap().is_empty());
    assert!(matches!(remove(&offline, REPO), Err(Error::NotHere { .. })));
}

#[test]
fn what_is_not_whole_is_told() {
    let (hub, dir) = (Hub::serve(&files()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    let snapshot = pull(&settings, &repo(), &|_| {}).unwrap();
    let broken = || verify(&settings, REPO).unwrap().0.into_iter().map(|broken| broken.what).collect::<Vec<_>>();
    assert!(broken().is_empty());
    let blobs = snapshot.join("../../blobs");
    // What another program left of a file that is whole now does no harm, and goes with the next that comes.
    let whole = std::fs::read_dir(&blobs).unwrap().next().unwrap().unwrap().path();
    let name = whole.file_name().unwrap().to_string_lossy().into_owned();
    std::fs::write(blobs.join(format!("{name}.0123abcd.incomplete")), "x").unwrap();
    assert!(broken().is_empty() && kept(&settings).unwrap()[0].unfinished == 0);
    std::fs::write(blobs.join("ffff.incomplete"), "xyz").unwrap();
    assert!(broken()[0].contains("not come whole") && kept(&settings).unwrap()[0].unfinished == 3);
    std::fs::remove_file(blobs.join("ffff.incomplete")).unwrap();
    std::fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
    assert_eq!(broken(), ["tokenizer.json is missing: pull it again"]);
}

#[test]
fn an_adapter_comes_too() {
    let files =
        [("adapter_config.json", b"{}".to_vec()), ("adapter_model.safetensors", vec![7; 9]), ("README.md", vec![])];
    let (hub, dir) = (Hub::serve(&files), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    let folder = pull(&settings, &repo(), &|_| {}).unwrap();
    assert_eq!(std::fs::read(folder.join("adapter_model.safetensors")).unwrap(), [7; 9]);
    assert_eq!(pull(&Settings { offline: true, ..settings }, &repo(), &|_| {}).unwrap(), folder);
    let error = smolvlm_hub::resolve(folder.to_str().unwrap(), None, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("an adapter, no model") && error.contains("--adapter"), "{error}");
}

#[test]
fn a_model_without_a_config_is_refused() {
    let hub = Hub::serve(&[("README.md", b"x".to_vec())]);
    let dir = tempfile::tempdir().unwrap();
    let error = pull(&settings(&hub, dir.path()), &repo(), &|_| {}).unwrap_err();
    assert!(matches!(error, Error::NoModel { .. }), "{error}");
}

#[test]
fn of_a_repository_of_gguf_files_come_the_two_that_are_meant() {
    let file = |name: &'static str| (name, vec![name.len() as u8; LARGE]);
    let names = ["tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf", "mmproj-tiny-Q8_0.gguf", "mmproj-tiny-f16.gguf", "README.md"];
    let (hub, dir) = (Hub::serve(&names.map(file)), tempfile::tempdir().unwrap());
    let settings = settings(&hub, dir.path());
    let pulled = |name: &str| pull(&settings, &Repo::parse(name).unwrap(), &|_| {});
    for (name, want) in [
        ("org/tiny:q8_0", &["mmproj-tiny-Q8_0.gguf", "tiny-Q8_0.gguf"][..]),
        ("org/tiny:q4_k_m", &["mmproj-tiny-Q8_0.gguf", "mmproj-tiny-f16.gguf", "tiny-Q4_K_M.gguf", "tiny-Q8_0.gguf"]),
    ] {
        let mut there: Vec<String> = fs::read_dir(pulled(name).unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, want);
    }
    let refused = |name: &str| pulled(name).unwrap_err().to_string();
    assert!(
        refused("org/tiny").contains("org/tiny:QUANT names one of them: tiny-Q4_K_M.gguf"),
        "{}",
        refused("org/tiny")
    );
    assert!(refused("org/tiny:q2_k").contains("no file of q2_k"));
}

#[test]
fn of_a_data_set_come_the_files_that_are_meant_below_their_folders() {
    let part = |at: u8| vec![at; LARGE];
    let files = [
        ("data/test-00000-of-00002.parquet", part(1)),
        ("data/test-00001-of-00002.parquet", part(2)),
        ("data/train-00000-of-00001.parquet", part(3)),
        ("README.md", b"not wanted".to_vec()),
    ];
    let (hub, dir) = (Hub::serve(&files), tempfile::tempdir().unwrap());
    let online = settings(&hub, dir.path());
    let offline = Settings { offline: true, ..online.clone() };
    let of = |settings: &Settings, pattern: &str| smolvlm_hub::data(settings, REPO, &[pattern], &|_| {});
    assert!(matches!(of(&offline, "data/test-*.parquet"), Err(Error::Offline { .. })));
    let folder = of(&online, "data/test-*.parquet").unwrap();
    assert_eq!(folder, dir.path().join("datasets--org--tiny/snapshots").join(COMMIT));
    for (name, bytes) in &files {
        match name.starts_with("data/test") {
            true => assert!(fs::read(folder.join(name)).unwrap() == *bytes, "{name}"),
            false => assert!(!folder.join(name).exists(), "{name}"),
        }
    }
    let asked = || hub.asked.lock().unwrap().len();
    let before = asked();
    assert_eq!(of(&offline, "data/test-*.parquet").unwrap(), folder, "all of it is here");
    assert_eq!((of(&online, "data/test-*.parquet").unwrap(), asked()), (folder.clone(), before));
    fs::remove_file(folder.join(files[1].0)).unwrap();
    assert!(matches!(of(&offline, "data/test-*.parquet"), Err(Error::Offline { .. })), "one of two parts is none");
    of(&online, "data/test-*.parquet").unwrap();
    assert!(fs::read(folder.join(files[1].0)).unwrap() == files[1].1);
    let refused = of(&online, "data/dev-*.parquet").unwrap_err().to_string();
    assert_eq!(refused, "datasets/org/tiny: no file of it is called data/dev-*.parquet");
}
