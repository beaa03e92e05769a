//! What a run would do, for people to read.

use crate::error::Error;
use crate::output::print_line;
use serde_json::json;
use smolvlm_train::{DryRun, ShownSample};
use std::fmt::Write;
use std::io::IsTerminal;

/// Pieces of more characters are shown by their ends.
const PIECE: usize = 400;

/// Prints a dry run.
pub(super) fn print(dry: &DryRun, as_json: bool) -> Result<(), Error> {
    if as_json {
        return print_line(&to_json(dry).to_string());
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut out = String::new();
    let _ = writeln!(out, "The first samples; what is learnt is {}:", learnt("green and underlined", "«so»", colour));
    for sample in &dry.samples {
        show(&mut out, sample, colour);
    }
    for skipped in dry.skipped.iter().take(5) {
        let _ = writeln!(out, "left out: {}: {}", skipped.name, skipped.why);
    }
    let _ = writeln!(out, "\nAn epoch has {} samples.", dry.epoch);
    for (index, (steps, [vision, connector, text])) in dry.stages.iter().enumerate() {
        let of = |n: &usize| if *n == 0 { "frozen".to_string() } else { thousands(*n) };
        let _ = writeln!(
            out,
            "Stage {}: {steps} steps; trained: tower {}, connector {}, decoder {} (in all {})",
            index + 1,
            of(vision),
            of(connector),
            of(text),
            thousands(vision + connector + text)
        );
    }
    let _ = writeln!(out, "\nMemory:");
    for (what, bytes) in &dry.memory {
        let _ = writeln!(out, "  {what:<32} {:>8.2} GB", bytes / 1e9);
    }
    let _ = writeln!(out, "  {:<32} {:>8.2} GB", "the most so far, all told", dry.peak as f64 / 1e9);
    let mfu = dry.mfu.map_or_else(String::new, |mfu| format!(", {:.0} % of the processor's peak", 100.0 * mfu));
    let speed = dry.tokens as f64 / dry.seconds;
    let _ = writeln!(out, "\nA step of {} tokens takes {:.2} s: {speed:.0} tokens/s{mfu}.", dry.tokens, dry.seconds);
    let total: u64 = dry.stages.iter().map(|(steps, _)| steps).sum();
    let left = std::time::Duration::from_secs_f64(total as f64 * dry.seconds);
    let _ = write!(out, "{total} steps take {}, if they are like the first.", indicatif::HumanDuration(left));
    print_line(&out)
}

fn show(out: &mut String, sample: &ShownSample, colour: bool) {
    let _ = writeln!(out, "\n{}: {} tokens, {} learnt", sample.name, sample.tokens, sample.learnt);
    for plan in &sample.pictures {
        let tiles = match (plan.rows, plan.cols) {
            (0, 0) => "one tile".to_string(),
            (rows, cols) => format!("{rows}x{cols} + 1 tiles"),
        };
        let (width, height) = plan.refined;
        let _ = writeln!(out, "  picture {}x{} -> {width}x{height}: {tiles}", plan.width, plan.height);
    }
    let text: String = sample
        .pieces
        .iter()
        .map(|(text, is_learnt)| {
            let text = crate::error::one_line(&shortened(text));
            if *is_learnt { learnt(&text, &format!("«{text}»"), colour) } else { text }
        })
        .collect();
    let _ = writeln!(out, "  {text}");
}

fn learnt(coloured: &str, plain: &str, colour: bool) -> String {
    if colour { format!("\u{1b}[4;32m{coloured}\u{1b}[0m") } else { plain.to_string() }
}

fn shortened(text: &str) -> String {
    let count = text.chars().count();
    if count <= PIECE {
        return text.to_string();
    }
    let (head, tail) = (text.chars().take(PIECE / 2), text.chars().skip(count - PIECE / 2));
    head.chain(" … ".chars()).chain(tail).collect()
}

fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn to_json(dry: &DryRun) -> serde_json::Value {
    let sample = |sample: &ShownSample| {
        let pieces: Vec<_> =
            sample.pieces.iter().map(|(text, learnt)| json!({"text": text, "learnt": learnt})).collect();
        let tiles: Vec<u32> = sample.pictures.iter().map(|plan| plan.tiles).collect();
        json!({"name": sample.name, "tokens": sample.tokens, "learnt": sample.learnt, "tiles": tiles, "pieces": pieces})
    };
    let stages: Vec<_> = dry
        .stages
        .iter()
        .map(|(steps, [vision, connector, text])| {
            json!({"steps": steps, "trained": {"vision": vision, "connector": connector, "text": text,
                   "all": vision + connector + text}})
        })
        .collect();
    let memory: serde_json::Map<String, serde_json::Value> =
        dry.memory.iter().map(|(what, bytes)| (what.to_string(), json!(bytes))).collect();
    json!({
        "samples": dry.samples.iter().map(sample).collect::<Vec<_>>(),
        "skipped": dry.skipped.iter().map(|s| json!({"name": s.name, "why": s.why})).collect::<Vec<_>>(),
        "epoch": dry.epoch, "stages": stages, "memory": memory, "peak_rss": dry.peak, "seconds": dry.seconds,
        "tokens": dry.tokens, "mfu": dry.mfu,
    })
}
