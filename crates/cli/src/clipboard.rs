//! The picture in the clipboard, by the system's own tools.

use crate::error::Error;
use std::io::{ErrorKind, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// A tool that writes the clipboard's picture to its stdout: its name, its words.
type Tool = (&'static str, &'static [&'static str]);

/// A tool that says nothing for so long is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(target_os = "macos")]
const TOOLS: &[Tool] = &[("pngpaste", &["-"])];
#[cfg(windows)]
const TOOLS: &[Tool] = &[(
    "powershell",
    &[
        "-NoProfile",
        "-STA",
        "-Command",
        "Add-Type -AssemblyName System.Windows.Forms; $p = [Windows.Forms.Clipboard]::GetImage(); if ($p) { $s = New-Object \
         IO.MemoryStream; $p.Save($s, [Drawing.Imaging.ImageFormat]::Png); $o = [Console]::OpenStandardOutput(); \
         $s.WriteTo($o) }",
    ],
)];
#[cfg(not(any(target_os = "macos", windows)))]
const TOOLS: &[Tool] =
    &[("wl-paste", &["--type", "image/png"]), ("xclip", &["-selection", "clipboard", "-target", "image/png", "-out"])];

/// The clipboard's picture, a PNG file of at most so many bytes.
pub(crate) fn picture(most: u64) -> Result<Vec<u8>, Error> {
    first_of(TOOLS, PATIENCE, most)
}

/// What the first tool that is there and has something writes.
fn first_of(tools: &[Tool], patience: Duration, most: u64) -> Result<Vec<u8>, Error> {
    let mut found = false;
    for (tool, words) in tools {
        let mut command = Command::new(tool);
        command.args(*words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => {
                found = true;
                let bytes = output(child, patience, most).map_err(|what| Error::Usage(format!("{tool} {what}")))?;
                if !bytes.is_empty() {
                    return Ok(bytes);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::File { path: (*tool).into(), source }),
        }
    }
    let names: Vec<&str> = tools.iter().map(|(name, _)| *name).collect();
    match found {
        true => Error::usage("the clipboard holds no picture"),
        false => Error::usage(format!("the clipboard is read by {}, which is not installed", names.join(" or "))),
    }
}

/// What a tool writes until it ends.
fn output(mut child: Child, patience: Duration, most: u64) -> Result<Vec<u8>, &'static str> {
    let (send, receive) = mpsc::channel();
    let Some(stdout) = child.stdout.take() else { return Err("has no output") };
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let read = stdout.take(most + 1).read_to_end(&mut bytes);
        send.send(read.map(|_| bytes))
    });
    let result = match receive.recv_timeout(patience) {
        Ok(Ok(bytes)) if bytes.len() as u64 > most => Err("gives more than 64 MiB, which no picture needs"),
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err("cannot be read from"),
        Err(_) => Err("gives no answer"),
    };
    let _ = child.kill(); // it may have ended
    let _ = child.wait();
    result
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn asked(tools: &[Tool], most: u64) -> Result<Vec<u8>, String> {
        first_of(tools, Duration::from_secs(1), most).map_err(|error| error.to_string())
    }

    #[test]
    fn tools_are_asked_in_turn() {
        let (absent, empty): (Tool, Tool) = (("no-such-tool", &[]), ("true", &[]));
        let full: Tool = ("echo", &["-n", "hello"]);
        assert_eq!(asked(&[absent, full], 10).unwrap(), b"hello");
        assert_eq!(asked(&[empty, full], 10).unwrap(), b"hello");
        assert!(asked(&[absent], 10).unwrap_err().contains("no-such-tool, which is not installed"));
        assert!(asked(&[absent, empty], 10).unwrap_err().contains("holds no picture"));
        assert!(asked(&[full], 4).unwrap_err().contains("more than"));
        let start = std::time::Instant::now();
        assert!(asked(&[("sleep", &["20"])], 4).unwrap_err().contains("sleep gives no answer"));
        assert!(asked(&[("cat", &["/dev/zero"])], 4).unwrap_err().contains("more than"));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}
