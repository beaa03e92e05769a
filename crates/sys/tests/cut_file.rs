//! A mapped file that is cut short ends the program with a line that names it. The test is the parent of a process that
//! dies of it: this program again, called with the file's name.
#![allow(clippy::unwrap_used)]

use smolvlm_sys::{FileMap, report_cut_files};
use std::path::Path;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, how, path] if word == "child" => child(how, Path::new(path)),
        _ if cfg!(target_os = "linux") => parent(),
        _ => {}
    }
}

/// Maps the file, cuts it short and reads what is gone.
fn child(how: &str, path: &Path) {
    report_cut_files();
    let map = FileMap::open(path).unwrap();
    let before = map.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    std::fs::File::options().write(true).open(path).unwrap().set_len(10).unwrap();
    let read = || map.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    let after = if how == "thread" { std::thread::scope(|s| s.spawn(read).join().unwrap()) } else { read() };
    println!("still alive: {before}, {after}");
}

fn parent() {
    for how in ["main", "thread"] {
        let path = std::env::temp_dir().join(format!("smolvlm-cut-{how}-{}", std::process::id()));
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let program = std::env::current_exe().unwrap();
        let output = std::process::Command::new(program).args(["child", how]).arg(&path).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let says = format!("error: a file that is being read was cut short, or its disk failed: {}\n", path.display());
        assert_eq!((output.status.code(), &*out, &*error), (Some(1), "", says.as_str()), "{how}");
    }
    println!("a file that is cut short is named: ok");
}
