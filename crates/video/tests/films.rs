//! Films that FFmpeg makes here, each frame with its number in black and white squares: the frames that come are those that
//! were asked for, whatever the container, the rate and the order of coding. Without FFmpeg these tests are left out, and say so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // helpers outside test functions

use smolvlm_processor::{DecodeOptions, Picture};
use smolvlm_video::{Clip, ClipOptions, Error, Programs};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Squares of a frame's number, eight a row.
const BITS: usize = 16;
/// The side of a square in pixels.
const SQUARE: usize = 16;
const WIDTH: usize = 8 * SQUARE;
const HEIGHT: usize = 2 * SQUARE;

fn ffmpeg_is_there() -> bool {
    let there = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        eprintln!("left out: FFmpeg is not installed (apt install ffmpeg)");
    }
    there
}

/// A frame that shows its number.
fn numbered(number: usize) -> Vec<u8> {
    let level = |x: usize, y: usize| if number >> (y / SQUARE * 8 + x / SQUARE) & 1 == 1 { 230 } else { 25 };
    (0..HEIGHT).flat_map(|y| (0..WIDTH).flat_map(move |x| [level(x, y); 3])).collect()
}

/// The number that a frame shows; turned back first by so many quarters.
fn number(picture: &Picture, quarters: usize) -> usize {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let lit = |bit: usize| {
        let (mut x, mut y) = (bit % 8 * SQUARE + SQUARE / 2, bit / 8 * SQUARE + SQUARE / 2);
        let (mut w, mut h) = (WIDTH, HEIGHT);
        for _ in 0..quarters {
            // A quarter to the right.
            (x, y) = (h - 1 - y, x);
            (w, h) = (h, w);
        }
        assert_eq!((w, h), (width, height));
        usize::from(picture.rgb[3 * (y * width + x)] > 128)
    };
    (0..BITS).map(|bit| lit(bit) << bit).sum()
}

/// A film of so many numbered frames.
fn film(folder: &Path, name: &str, frames: usize, rate: &str, how: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &size, "-r", rate, "-i", "pipe:0"])
        .args(how)
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = ffmpeg.stdin.take().unwrap();
    (0..frames).for_each(|at| pipe.write_all(&numbered(at)).unwrap());
    drop(pipe);
    assert!(ffmpeg.wait().unwrap().success(), "{name}");
    path
}

const H264: [&str; 8] = ["-c:v", "libx264", "-bf", "3", "-g", "50", "-pix_fmt", "yuv420p"];

/// The numbers that frames show.
fn shown(path: &Path, options: &ClipOptions, wanted: &[usize], quarters: usize) -> Vec<usize> {
    let mut numbers = Vec::new();
    let clip = Clip::open(path, options).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    clip.frames(wanted, &mut |index, picture| {
        assert_eq!(index, wanted[numbers.len()]);
        numbers.push(number(&picture, quarters));
        ControlFlow::Continue(())
    })
    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    numbers
}

#[test]
fn the_frames_that_come_are_those_that_were_asked_for() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // Dense, sparse, at the ends.
    let wanted: [&[usize]; 4] = [&[0], &[399], &[0, 1, 2, 3, 57, 58, 399], &[49, 50, 51, 260, 398]];
    let open_gop =
        ["-c:v", "libx265", "-x265-params", "open-gop=1:keyint=40:bframes=4:log-level=none", "-tag:v", "hvc1"];
    let kinds: [(&str, &str, &[&str]); 9] = [
        ("a.mp4", "25", &H264),
        ("b.mov", "30000/1001", &H264),
        ("c.mkv", "24000/1001", &H264),
        ("d.ts", "25", &H264),
        ("e.mp4", "25", &open_gop),
        ("f.webm", "25", &["-c:v", "libvpx-vp9", "-g", "60", "-deadline", "realtime", "-cpu-used", "8"]),
        ("g.webm", "25", &["-c:v", "libvpx", "-g", "60", "-auto-alt-ref", "1", "-deadline", "realtime"]),
        ("h.avi", "25", &["-c:v", "mpeg4", "-bf", "2", "-g", "50", "-q:v", "2"]),
        ("i.avi", "25", &H264),
    ];
    for (name, rate, how) in kinds {
        let path = film(folder.path(), name, 400, rate, how);
        let info = Clip::open(&path, &ClipOptions::default()).unwrap().info();
        let (over, under) = rate.split_once('/').unwrap_or((rate, "1"));
        let fps = over.parse::<f64>().unwrap() / under.parse::<f64>().unwrap();
        assert_eq!(info.frames, 400, "{name}");
        assert!((info.fps / fps - 1.0).abs() < 1e-3, "{name}: {} frames a second", info.fps);
        for wanted in wanted {
            assert_eq!(shown(&path, &ClipOptions::default(), wanted, 0), wanted, "{name}");
        }
    }
}

#[test]
fn an_uneven_rate_is_taken_as_even_or_by_the_clock() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    // A hundred frames, of which the first fifty are shown for a second each and the rest for a tenth.
    let times = "setpts='if(lt(N,50),N,50+(N-50)/10)/TB'";
    let how = [&["-vf", times, "-vsync", "vfr"], H264.as_slice()].concat();
    let path = film(folder.path(), "a.mkv", 100, "25", &how);
    let options = ClipOptions::default();
    assert_eq!(shown(&path, &options, &[0, 30, 49, 50, 99], 0), [0, 30, 49, 50, 99]);
    let clip = Clip::open(&path, &options).unwrap();
    assert!(clip.drift() > 5.0, "{}", clip.drift());
    // The even rate has its 60th frame at 33 seconds; by the clock the 33rd is shown then.
    let info = clip.info();
    let settings = smolvlm_processor::ClipSettings {
        max_frames: 3,
        fps: 1.0,
        skip_seconds: 0.0,
        ..smolvlm_processor::ClipSettings::new(
            smolvlm_processor::ClipMode::SmolVlm2,
            smolvlm_processor::ClipDefaults {
                mode: smolvlm_processor::ClipMode::SmolVlm2,
                fps: 1.0,
                max_frames: 3,
                edge: 64,
            },
            64,
        )
    };
    let real = ClipOptions { true_times: true, ..options };
    let clip = Clip::open(&path, &real).unwrap();
    let plan = clip.plan(&settings).unwrap();
    let middle = plan.chosen[1];
    assert_eq!(middle.index, 49);
    let pool = smolvlm_kernels::Pool::new(1);
    let mut count = 0;
    clip.show(&plan, &settings, 64, &pool, &mut |frame| {
        assert_eq!((frame.number, frame.tile.width, frame.tile.height), (count, 64, 64));
        count += 1;
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(count, 3);
    assert!((middle.seconds - 49.0 / info.fps).abs() < 1e-6);
}

#[test]
fn a_turned_film_stands_upright() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let flat = film(folder.path(), "flat.mp4", 30, "25", &H264);
    let turned = folder.path().join("turned.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(&flat)
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=270"])
        .arg(&turned)
        .status();
    assert!(made.unwrap().success());
    assert_eq!(shown(&turned, &ClipOptions::default(), &[0, 7, 29], 1), [0, 7, 29]);
}

#[test]
fn damaged_films_are_refused_or_shown_as_far_as_they_go() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ClipOptions::default();
    let says = |path: &Path| Clip::open(path, &options).err().map_or("it opened".into(), |error| error.to_string());
    let whole = std::fs::read(film(folder.path(), "a.mp4", 200, "25", &H264)).unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    // Its index stands at the end.
    let cut = says(&put("cut.mp4", &whole[..whole.len() / 2]));
    assert!(cut.contains("moov atom not found") && !cut.contains("0x"), "{cut}");
    assert!(says(&put("empty.mp4", b"")).contains("Invalid data"), "{}", says(&put("empty.mp4", b"")));
    assert!(says(&put("text.mp4", b"hello, this is no film")).contains("Invalid data"));
    // A list of other files is no film.
    let list = format!("#EXTM3U\n#EXTINF:1,\nfile:{}\n", folder.path().join("a.mp4").display());
    let refused = says(&put("list.m3u8", list.as_bytes()));
    assert!(refused.contains("FFmpeg says"), "{refused}");
    let concat = format!("ffconcat version 1.0\nfile '{}'\n", folder.path().join("a.mp4").display());
    assert!(says(&put("list.ffconcat", concat.as_bytes())).contains("FFmpeg says"));
    // Sound alone.
    let sound = folder.path().join("sound.m4a");
    let made =
        Command::new("ffmpeg").args(["-v", "error", "-y", "-f", "lavfi", "-i", "sine=duration=1"]).arg(&sound).status();
    assert!(made.unwrap().success());
    assert!(says(&sound).contains("is it sound alone?"), "{}", says(&sound));
    // A stream whose second half is missing shows its first.
    let stream = std::fs::read(film(folder.path(), "b.ts", 200, "25", &H264)).unwrap();
    let half = put("half.ts", &stream[..stream.len() / 2]);
    let frames = Clip::open(&half, &options).unwrap().info().frames;
    assert!((20..190).contains(&frames), "{frames}");
    assert_eq!(shown(&half, &options, &[0, 10], 0), [0, 10]);
    // One frame, and one that is too large.
    assert_eq!(shown(&film(folder.path(), "one.mp4", 1, "25", &H264), &options, &[0], 0), [0]);
    let small = DecodeOptions { max_pixels: 1000, ..DecodeOptions::default() };
    let error =
        Clip::open(&folder.path().join("a.mp4"), &ClipOptions { decode: small, ..options.clone() }).err().unwrap();
    assert!(matches!(error, Error::TooLarge { width: 128, height: 32, limit: 1000, .. }), "{error}");
}

#[test]
fn a_film_of_a_day_and_one_of_8k_pixels_are_shown() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = ClipOptions::default();
    // A frame every ten minutes, for a day and a night.
    let long = film(folder.path(), "long.mkv", 145, "1/600", &["-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p"]);
    let info = Clip::open(&long, &options).unwrap().info();
    assert!(info.duration > 86_000.0 && info.frames == 145, "{info:?}");
    assert_eq!(shown(&long, &options, &[0, 71, 144], 0), [0, 71, 144]);
    let large = folder.path().join("large.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", "color=red:size=7680x4320:rate=1:duration=2"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
        .arg(&large)
        .status();
    assert!(made.unwrap().success());
    let mut sizes = Vec::new();
    let clip = Clip::open(&large, &options).unwrap();
    clip.frames(&[0, 1], &mut |_, picture| {
        sizes.push((picture.width, picture.height));
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(sizes, [(7680, 4320); 2]);
}

#[test]
fn names_are_files_whatever_they_look_like() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let film = film(folder.path(), "a.mp4", 30, "25", &H264);
    for name in ["-version.mp4", "concat:a.mp4|b.mp4", "a%03d.mp4", "pipe:0", "http:x.mp4", "a b'\"\\.mp4", "größe.mp4"]
    {
        let path = folder.path().join(name);
        std::fs::copy(&film, &path).unwrap();
        assert_eq!(shown(&path, &ClipOptions::default(), &[0, 29], 0), [0, 29], "{name}");
    }
}

/// Programs that do this in FFmpeg's place.
#[cfg(unix)]
fn script(folder: &Path, name: &str, lines: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[cfg(unix)]
#[test]
fn ffmpeg_may_be_missing_hang_or_die() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    std::fs::write(&path, "anything").unwrap();
    let with = |program: PathBuf| ClipOptions {
        programs: Programs { ffmpeg: program.clone(), ffprobe: program, patience: Duration::from_millis(300) },
        ..ClipOptions::default()
    };
    let failed = |program: PathBuf| Clip::open(&path, &with(program)).err().unwrap();
    let missing = failed(folder.path().join("nowhere"));
    assert!(
        matches!(missing, Error::Missing { .. }) && missing.to_string().contains("apt install ffmpeg"),
        "{missing}"
    );
    let start = Instant::now();
    let hanging = failed(script(folder.path(), "hangs", "exec sleep 60"));
    assert!(matches!(hanging, Error::Hanging { .. }), "{hanging}");
    assert!(start.elapsed() < Duration::from_secs(10));
    let dying = failed(script(folder.path(), "dies", "echo '[x @ 0x1] out of luck' >&2; exit 3"));
    assert_eq!(dying.to_string(), format!("{}: FFmpeg says: out of luck", path.display()));
    // It complains without end: that fills no memory and is no reason to wait.
    let loud = failed(script(folder.path(), "loud", "yes complaint | head -c 3000000 >&2; exit 1"));
    assert!(loud.to_string().len() < 300, "{loud}");
    let silent = failed(script(folder.path(), "silent", "exit 0"));
    assert!(matches!(silent, Error::NoFrames { .. }), "{silent}");
}

#[cfg(unix)]
#[test]
fn ffmpeg_may_die_or_hang_behind_some_frames() {
    if !ffmpeg_is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = film(folder.path(), "a.mp4", 30, "25", &H264);
    let frame = r"printf 'P6\n2 1\n255\nabcdef'";
    for (end, what) in [("exit 1", "of 3 frames 2 could be decoded"), ("exec sleep 60", "has said nothing")] {
        let ffmpeg = script(folder.path(), "some", &format!("{frame}\n{end}"));
        let programs = Programs { ffmpeg, patience: Duration::from_millis(300), ..Programs::default() };
        let clip = Clip::open(&path, &ClipOptions { programs, ..ClipOptions::default() }).unwrap();
        let error = clip.frames(&[0, 1, 2], &mut |_, _| ControlFlow::Continue(())).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    // Whoever breaks off gets no more, and nothing runs on.
    let ffmpeg = script(folder.path(), "endless", &format!("while true; do {frame}; done"));
    let programs = Programs { ffmpeg, ..Programs::default() };
    let clip = Clip::open(&path, &ClipOptions { programs, ..ClipOptions::default() }).unwrap();
    let mut count = 0;
    let stopped = clip.frames(&[0, 1, 2], &mut |_, _| {
        count += 1;
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(Error::Stopped)) && count == 1);
}
