//! `smolvlm watch`: clips part by part, and streams that FFmpeg sends here.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{smolvlm, text};
use serde_json::Value;
use smolvlm_golden::repository;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn model() -> PathBuf {
    repository().join("golden/smolvlm2")
}

fn frames() -> PathBuf {
    model().join("clips/frames")
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_clip_is_told_part_by_part_and_in_the_whole() {
    let (model, frames) = (model(), frames());
    // 23 frames at four a second, in parts of two seconds.
    let words = ["watch", "-m", text(&model), text(&frames), "--fps", "4", "--every", "2s", "-n", "6"];
    let told = objects(&smolvlm(&[&words[..], &["--json"]].concat()).ok());
    let spans: Vec<(f64, f64)> =
        told.iter().map(|part| (part["from"].as_f64().unwrap(), part["to"].as_f64().unwrap())).collect();
    assert_eq!(spans, [(0.0, 2.0), (2.0, 4.0), (4.0, 5.75), (0.0, 5.75)]);
    let shown: Vec<Option<u64>> = told.iter().map(|part| part["frames"].as_u64()).collect();
    assert_eq!(shown, [Some(2), Some(2), Some(2), None]);
    assert_eq!(told[3]["whole"], true);
    // The first part is answered as the first two seconds are by themselves.
    let first = tempfile::tempdir().unwrap();
    for at in 0..8 {
        let name = format!("{at:03}.png");
        std::fs::copy(frames.join(&name), first.path().join(&name)).unwrap();
    }
    let question = "Describe what happens in the video.";
    let alone = smolvlm(&["run", "-m", text(&model), text(first.path()), question, "--fps", "4", "-n", "6"]).ok();
    assert_eq!(alone.trim(), told[0]["text"].as_str().unwrap());
    let plain = smolvlm(&[&words[..], &["--no-summary"]].concat()).ok();
    assert_eq!(plain.lines().count(), 3);
    assert!(plain.lines().nth(1).unwrap().starts_with("00:02-00:04  "), "{plain}");
    // One part is the whole.
    let one = smolvlm(&["watch", "-m", text(&model), text(&frames), "--fps", "4", "--every", "1h", "-n", "2"]).ok();
    assert_eq!(one.lines().count(), 1);
}

#[test]
fn more_parts_than_fit_are_summed_up_in_steps() {
    let (model, frames) = (model(), frames());
    let words = ["watch", "-m", text(&model), text(&frames), "--fps", "1", "--every", "1s", "-n", "2", "--json"];
    let told = objects(&smolvlm(&words).ok());
    assert_eq!((told.len(), told[23]["whole"].as_bool()), (24, Some(true)));
}

/// FFmpeg, sending the golden frames over and over to whoever listens at an address here.
fn sender(seconds: &str) -> Option<(Child, String)> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("tcp://127.0.0.1:{port}");
    let child = Command::new("ffmpeg")
        .args(["-v", "error", "-re", "-stream_loop", "-1", "-framerate", "10", "-i"])
        .arg(frames().join("%03d.png"))
        .args(["-t", seconds, "-c:v", "mpeg2video", "-q:v", "2", "-f", "mpegts", &format!("{address}?listen=1")])
        .stdin(Stdio::null())
        .spawn();
    let Ok(child) = child else {
        eprintln!("left out: FFmpeg is not installed (apt install ffmpeg)");
        return None;
    };
    // Until it listens. To knock would be to come: Linux tells who listens, elsewhere a while must do.
    let listens = |table: &str| table.lines().any(|line| line.contains(&format!(":{port:04X} 00000000:0000 0A")));
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(100));
        match std::fs::read_to_string("/proc/net/tcp") {
            Ok(table) if listens(&table) => return Some((child, address)),
            Ok(_) => {}
            Err(_) => {
                std::thread::sleep(std::time::Duration::from_secs(2));
                break;
            }
        }
    }
    Some((child, address))
}

#[test]
fn a_stream_is_watched_until_it_ends() {
    let Some((mut ffmpeg, address)) = sender("8") else { return };
    let model = model();
    let output = smolvlm(&["watch", "-m", text(&model), &address, "--every", "2s", "-n", "3", "--json"]);
    assert!(output.stderr.contains("the stream has ended"), "{}", output.stderr);
    let told = objects(&output.ok());
    assert!(told.len() >= 2, "{told:?}");
    assert!(told[..told.len() - 1].iter().all(|part| part["dropped"] == 0));
    assert_eq!(told.last().unwrap()["whole"], true);
    ffmpeg.wait().unwrap();
}

#[cfg(unix)]
#[test]
fn a_stream_is_watched_until_somebody_stops_it() {
    let Some((mut ffmpeg, address)) = sender("100") else { return };
    let model = model();
    let mut child = Command::new(env!("CARGO_BIN_EXE_smolvlm"))
        .args(["watch", "-m", text(&model), &address, "--every", "1s", "-n", "3", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    lines.next().unwrap().unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    assert_eq!(rest.last().unwrap()["whole"], true);
    assert!(child.wait().unwrap().success());
    ffmpeg.kill().unwrap();
    ffmpeg.wait().unwrap();
}

#[test]
fn what_cannot_be_watched_is_said() {
    let model = model();
    for (clip, says) in [("nowhere.mp4", "nowhere.mp4"), ("tcp://127.0.0.1:1", "127.0.0.1:1")] {
        let error = smolvlm(&["watch", "-m", text(&model), clip]).refused();
        assert!(error.contains(says), "{error}");
    }
    assert!(smolvlm(&["watch", "-m", text(&model), "a.mp4", "--every", "never"]).refused().contains("30s, 2m or 1h"));
}
