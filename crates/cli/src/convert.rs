//! `smolvlm convert`: checkpoints from one kind of file to another.

use crate::error::Error;
use crate::options::ModelName;
use crate::output::print_line;
use crate::progress::Progress;
use clap::ValueEnum;
use smolvlm_backend::Stored;
use smolvlm_convert::{to_folder, to_gguf};
use smolvlm_gguf::Kind;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  smolvlm convert -m smolvlm-256m -o smolvlm-256m.gguf --type q8_0     for llama.cpp: this, and mmproj-smolvlm-256m.gguf
  smolvlm convert -m smolvlm-256m.gguf -o folder                       a checkpoint as Hugging Face has it
  smolvlm convert -m DIR -o half --type bf16                           half the bytes
  smolvlm convert -m nano -o nano                                      the built-in model, to look at or to train";

/// Convert a model: to GGUF files for llama.cpp, or to a folder in Hugging Face's form
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelName,
    /// What is written: a name that ends in .gguf (the tower goes beside it, as mmproj-NAME.gguf), or a folder
    #[arg(short, long, value_name = "FILE.gguf|FOLDER")]
    output: PathBuf,
    /// What matrices are kept in; a folder takes f32, f16 and bf16 [default: as they are; what has fewer bits becomes f32]
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Type>,
    /// The same for the tower's GGUF file [default: f32 and bf16 as the decoder, else f16]
    #[arg(long, value_enum, value_name = "TYPE")]
    mmproj_type: Option<Type>,
}

/// `--type`
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(non_camel_case_types)] // named as ggml names them
enum Type {
    F32,
    F16,
    Bf16,
    #[value(name = "q8_0")]
    Q8_0,
    #[value(name = "q5_1")]
    Q5_1,
    #[value(name = "q5_0")]
    Q5_0,
    #[value(name = "q4_1")]
    Q4_1,
    #[value(name = "q4_0")]
    Q4_0,
}

impl Type {
    fn kind(self) -> Kind {
        match self {
            Type::F32 => Kind::F32,
            Type::F16 => Kind::F16,
            Type::Bf16 => Kind::BF16,
            Type::Q8_0 => Kind::Q8_0,
            Type::Q5_1 => Kind::Q5_1,
            Type::Q5_0 => Kind::Q5_0,
            Type::Q4_1 => Kind::Q4_1,
            Type::Q4_0 => Kind::Q4_0,
        }
    }

    /// What a folder's numbers are in.
    fn stored(self) -> Result<Stored, Error> {
        match self {
            Type::F32 => Ok(Stored::F32),
            Type::F16 => Ok(Stored::F16),
            Type::Bf16 => Ok(Stored::Bf16),
            _ => Error::usage(
                "a folder's weights are in f32, f16 or bf16; a name that ends in .gguf would be right for fewer bits",
            ),
        }
    }
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let is_gguf = args.output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    let is_file =
        ["safetensors", "bin", "pt", "pth"].iter().any(|of| args.output.extension().is_some_and(|e| e == *of));
    if is_file {
        let name = args.output.display();
        return Error::usage(format!(
            "-o {name}: a folder is written, or a name that ends in .gguf; {name} is a file's name"
        ));
    }
    if !is_gguf && args.mmproj_type.is_some() {
        return Error::usage("--mmproj-type: a folder has one file of weights");
    }
    let stored = if is_gguf { None } else { args.kind.map(Type::stored).transpose()? };
    let files = args.model.files()?;
    let progress = Progress::new();
    if !is_gguf {
        to_folder(&files, &args.output, stored, &|done, total| progress.show("converting", done, total))?;
        progress.clear();
        return print_line(&args.output.display().to_string());
    }
    let kind = match args.kind {
        Some(kind) => kind.kind(),
        None => smolvlm_convert::kind_of(&files)?,
    };
    let tower = match (args.mmproj_type, kind) {
        (Some(tower), _) => tower.kind(),
        (None, Kind::F32 | Kind::BF16) => kind,
        (None, _) => Kind::F16,
    };
    let made = to_gguf(&files, &args.output, [kind, tower], &mut |done, total| {
        progress.show("converting", done, total);
    })?;
    progress.clear();
    print_line(&made.text.display().to_string())?;
    made.mmproj.map_or(Ok(()), |mmproj| print_line(&mmproj.display().to_string()))
}
