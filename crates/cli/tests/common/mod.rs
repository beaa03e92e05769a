//! Running the program.
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a call printed and how it ended.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// The text of a call that must have ended well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout
    }

    /// The error of a call that must have been refused: one line, no panic, nothing on stdout.
    pub(crate) fn refused(self) -> String {
        assert!(matches!(self.code, 1 | 2), "ended with {}: {}{}", self.code, self.stdout, self.stderr);
        assert!(self.stdout.is_empty(), "printed: {}", self.stdout);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        let lines: Vec<&str> = self.stderr.lines().collect();
        assert!(lines.len() == 1 && lines[0].starts_with("error: "), "not one error: {}", self.stderr);
        lines[0].to_string()
    }
}

/// Calls `smolvlm` with these arguments, and this on stdin. `SMOLVLM_PROGRAM` names another program to call: a
/// script that runs it under an emulator. No test asks the network, or sees this machine's models.
pub(crate) fn smolvlm_with(args: &[&str], stdin: impl AsRef<[u8]>) -> Output {
    let program = std::env::var_os("SMOLVLM_PROGRAM").unwrap_or_else(|| env!("CARGO_BIN_EXE_smolvlm").into());
    let mut child = Command::new(program)
        .args(args)
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", std::env::temp_dir().join("no-models"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A call that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Calls `smolvlm`.
pub(crate) fn smolvlm(args: &[&str]) -> Output {
    smolvlm_with(args, "")
}

/// A path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A copy of a checkpoint folder, without its cases, to damage.
pub(crate) fn copy_of(model: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(model).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
    }
    copy
}
