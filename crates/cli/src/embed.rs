//! `smolvlm embed`: vectors of pictures and questions, and which picture a question means.

use crate::error::Error;
use crate::options::{ModelArgs, PictureArgs};
use crate::output::{NewFile, print_line};
use crate::pictures::{Source, SourceArgs};
use crate::progress::Progress;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use smolvlm_engine::{Event, Vectors};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  smolvlm embed -m COLSMOL page1.png page2.png --query \"Who signed the contract?\"    which page answers it best
  smolvlm embed -m COLSMOL *.png -o pages.safetensors                                keep the vectors of pages
  smolvlm embed -m BASE --adapter COLSMOL page.png --json                            base and adapter apart

The model is one that makes vectors: ColSmol and its kin (ColIdefics3).";

/// Vectors of pictures and questions, to find pictures by (ColSmol)
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Pictures: files, addresses, or - for stdin
    #[arg(value_name = "PICTURE")]
    words: Vec<String>,
    #[command(flatten)]
    sources: SourceArgs,
    /// A question; may be repeated. With pictures each is scored against all
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    query: Vec<String>,
    /// What stands in front of questions, as in training
    #[arg(long, value_name = "TEXT", default_value = "Query: ")]
    query_prefix: String,
    #[command(flatten)]
    pictures: PictureArgs,
    /// Write all vectors to FILE, as safetensors: `picture.0`, `query.0` and so on, f32 [tokens, width]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print one JSON object: names, tokens, width and scores
    #[arg(long)]
    json: bool,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let sources = args.sources.sources(args.words.iter())?;
    if sources.is_empty() && args.query.is_empty() {
        return Error::usage("no picture and no --query: there is nothing to make vectors of");
    }
    let file = args.output.as_deref().map(NewFile::begin).transpose()?;
    let options = args.pictures.decode();
    let pictures = sources.iter().map(|source| args.sources.open(source, &options)).collect::<Result<Vec<_>, _>>()?;
    let engine = args.model.open()?;
    let progress = Progress::new();
    let watch = &mut |event: Event<'_>| {
        if let Event::Tiles { done, total } = event {
            progress.show("tiles", done, total);
        }
        ControlFlow::Continue(())
    };
    let options = args.pictures.plan();
    let mut of_pictures = Vec::new();
    for picture in &pictures {
        of_pictures.extend(engine.embed_picture(picture, &options, watch)?);
    }
    let mut of_queries = Vec::new();
    for query in &args.query {
        of_queries.extend(engine.embed_text(&args.query_prefix, query, watch)?);
    }
    progress.clear();
    if let Some(file) = file {
        file.finish(&packed(&of_pictures, &of_queries)?)?;
    }
    let scores: Vec<Vec<f32>> =
        of_queries.iter().map(|query| of_pictures.iter().map(|picture| query.score(picture)).collect()).collect();
    let names: Vec<String> = sources.iter().map(Source::name).collect();
    if args.json {
        return print_json((&names, &of_pictures), (&args.query, &of_queries), &scores);
    }
    print_table((&names, &of_pictures), &args.query, &scores)
}

/// The vectors as a file.
fn packed(pictures: &[Vectors], queries: &[Vectors]) -> Result<Vec<u8>, Error> {
    let named = |kind: &'static str, list: &[Vectors]| -> Vec<(String, Vec<usize>, Vec<u8>)> {
        let bytes = |vectors: &Vectors| vectors.numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let of = |(i, vectors): (usize, &Vectors)| {
            (format!("{kind}.{i}"), vec![vectors.len(), vectors.width], bytes(vectors))
        };
        list.iter().enumerate().map(of).collect()
    };
    let all = [named("picture", pictures), named("query", queries)].concat();
    let failed = |e: safetensors::SafeTensorError| Error::Usage(format!("the vectors cannot be written: {e}"));
    let mut views = BTreeMap::new();
    for (name, shape, bytes) in &all {
        views.insert(name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?);
    }
    safetensors::serialize(views, None).map_err(failed)
}

/// Names with what was made of them.
type Named<'a> = (&'a [String], &'a [Vectors]);

fn print_json(pictures: Named<'_>, queries: Named<'_>, scores: &[Vec<f32>]) -> Result<(), Error> {
    let of = |key: &str, (names, vectors): Named<'_>| -> Vec<serde_json::Value> {
        names.iter().zip(vectors).map(|(name, vectors)| json!({key: name, "tokens": vectors.len()})).collect()
    };
    let width = pictures.1.iter().chain(queries.1).map(|vectors| vectors.width).next();
    let (pictures, queries) = (of("picture", pictures), of("query", queries));
    print_line(&json!({"width": width, "pictures": pictures, "queries": queries, "scores": scores}).to_string())
}

/// Each question with its pictures, the best first; without questions what was made of each picture.
fn print_table((names, vectors): Named<'_>, queries: &[String], scores: &[Vec<f32>]) -> Result<(), Error> {
    if queries.is_empty() {
        for (name, vectors) in names.iter().zip(vectors) {
            print_line(&format!("{name}: {} vectors of {}", vectors.len(), vectors.width))?;
        }
    }
    for (query, scores) in queries.iter().zip(scores) {
        print_line(query)?;
        let mut ranked: Vec<_> = names.iter().zip(scores).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(a.1));
        for (name, score) in ranked {
            print_line(&format!("{score:9.3}  {name}"))?;
        }
    }
    Ok(())
}
