//! `smolvlm data show`: samples as the readers see them.

use crate::error::{Error, one_line};
use crate::options::ColumnArgs;
use crate::output::print_line;
use serde_json::{Value, json};
use smolvlm_data::{Content, PictureFile, Sample, open};
use smolvlm_processor::{DecodeOptions, Part};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  smolvlm data show train.jsonl
  smolvlm data show train.parquet -n 10 --question query --answer multiple_choice_answer
  smolvlm data show photos/ --prompt \"Caption the picture.\" --json";

/// Show the first samples as the readers see them: who says what, and the pictures with their sizes
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// .json, .jsonl, .parquet, .csv, .tsv, .tar, .txt, or a folder of them or of pictures with their metadata
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How many samples of each file
    #[arg(short, long, value_name = "N", default_value_t = 3)]
    number: usize,
    #[command(flatten)]
    columns: ColumnArgs,
    /// Print one JSON object a line for each sample, texts in full
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    for file in &args.files {
        let source = open(file, &args.columns.columns())?;
        let name = one_line(&file.display().to_string());
        if !args.json {
            print_line(&format!("{name}: {} samples", source.len()))?;
        }
        for row in 0..source.len().min(args.number) {
            let sample = source.read(row);
            if args.json {
                let mut object = json!({ "file": file.display().to_string(), "row": row + 1 });
                let fields = sample.map_or_else(|error| json!({ "error": error }), |sample| as_json(&sample));
                if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
                    object.extend(fields);
                }
                print_line(&object.to_string())?;
            } else {
                let text = sample.map_or_else(|e| format!("  error: {}", one_line(&e)), |sample| as_text(&sample));
                print_line(&format!("\n{name}:{}\n{text}", row + 1))?;
            }
        }
    }
    Ok(())
}

/// A picture's (width, height), from its header.
fn size(file: &PictureFile) -> Result<(u32, u32), String> {
    file.size(&DecodeOptions::default()).map_err(|e| e.to_string())
}

/// Who says what; a document is nobody's.
fn turns(sample: &Sample) -> Vec<(&str, &[Part])> {
    match &sample.content {
        Content::Chat(messages) => messages.iter().map(|m| (m.role.as_str(), m.content.as_slice())).collect(),
        Content::Document(parts) => vec![("document", parts.as_slice())],
    }
}

/// A line a turn.
fn as_text(sample: &Sample) -> String {
    const MOST: usize = 300;
    let mut pictures = sample.pictures.iter();
    let mut shown = |part: &Part| match part {
        Part::Text(text) => {
            let short: String = text.chars().take(MOST).collect();
            let rest = text.chars().count().saturating_sub(MOST);
            let more = if rest == 0 { String::new() } else { format!("… ({rest} more)") };
            format!("{}{more}", one_line(&short))
        }
        Part::Clip(_) => "[clip]".to_owned(),
        Part::Image(_) | Part::Frame => match pictures.next().map(size) {
            Some(Ok((width, height))) => format!("[picture {width}x{height}]"),
            Some(Err(error)) => format!("[picture: {}]", one_line(&error)),
            None => "[picture: there is none for this place]".to_owned(),
        },
    };
    let mut lines = Vec::new();
    for (role, parts) in turns(sample) {
        let parts: Vec<String> = parts.iter().map(&mut shown).collect();
        lines.push(format!("  {role:<10} {}", parts.join(" ")));
    }
    lines.join("\n")
}

fn as_json(sample: &Sample) -> Value {
    let mut pictures = sample.pictures.iter();
    let mut part = |part: &Part| match part {
        Part::Text(text) => json!({ "type": "text", "text": text }),
        Part::Clip(_) => json!({ "type": "video" }),
        Part::Image(_) | Part::Frame => {
            let file = pictures.next();
            let mut object = match file.map(size) {
                Some(Ok((width, height))) => json!({ "type": "image", "width": width, "height": height }),
                Some(Err(error)) => json!({ "type": "image", "error": error }),
                None => json!({ "type": "image", "error": "there is none for this place" }),
            };
            if let (Some(object), Some(PictureFile::Path(path))) = (object.as_object_mut(), file) {
                object.insert("path".into(), path.display().to_string().into());
            }
            object
        }
    };
    let mut messages = Vec::new();
    for (role, parts) in turns(sample) {
        messages.push(json!({ "role": role, "content": parts.iter().map(&mut part).collect::<Vec<_>>() }));
    }
    match (&sample.content, messages.as_mut_slice()) {
        (Content::Document(_), [document]) => json!({ "document": document.get_mut("content").map(Value::take) }),
        _ => json!({ "messages": messages }),
    }
}
