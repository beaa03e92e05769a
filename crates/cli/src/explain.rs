//! `smolvlm explain`: what a picture or a clip will cost, before it is run.

mod clip;

use crate::clips::ClipArgs;
use crate::error::Error;
use crate::options::{ModelName, PictureArgs};
use crate::output::{NewFile, print_line};
use crate::pictures::{Medium, Source, SourceArgs};
use clip::Priced;
use serde_json::{Value, json};
use smolvlm_kernels::Pool;
use smolvlm_processor::{PRESETS, PicturePlan, PictureSettings, Preset, Processor};
use std::io::BufRead;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  smolvlm explain photo.jpg
  smolvlm explain photo.jpg --png tiles.png           draws what the model will see
  smolvlm explain *.jpg --preset 2b --max-edge 768
  smolvlm explain --preset 256m --size 1920x1080 --json
  smolvlm explain -m MODEL --size - < sizes.txt       one size a line, as 640x480
  smolvlm explain -m MODEL clip.mp4 --contact-sheet frames.png    draws the frames that the model will see";

/// Show what pictures and clips will cost: sizes, tiles, tokens, frames, and what a lower --max-edge would save
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Pictures and clips: files, http(s) addresses, data: URLs, - for stdin; of pictures only the headers are read
    #[arg(value_name = "PICTURE")]
    files: Vec<String>,
    /// A size in pixels in place of a picture, as 1920x1080; may be repeated; - reads one a line from stdin
    #[arg(long, value_name = "WxH")]
    size: Vec<String>,
    #[command(flatten)]
    model: ModelName,
    /// A published model's settings, without its files: 256m, 500m, 2b, smolvlm2-256m, smolvlm2-500m, smolvlm2-2b
    #[arg(long, value_name = "NAME", conflicts_with = "model")]
    #[cfg_attr(not(feature = "nano"), doc = "[default: 256m]")]
    preset: Option<String>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    pictures: PictureArgs,
    /// A clip, also an animated picture or a folder of frames; may be repeated
    #[arg(long, value_name = "CLIP")]
    video: Vec<String>,
    #[command(flatten)]
    clips: ClipArgs,
    /// Draw the frames that are shown of the one clip given to FILE
    #[arg(long, value_name = "FILE")]
    contact_sheet: Option<PathBuf>,
    /// Print one JSON object a line for each picture or size
    #[arg(long)]
    json: bool,
    /// Draw the tiles of the one picture given, as the model will see them, to FILE
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

/// Where the settings come from.
enum Pricing {
    Preset(&'static Preset),
    Model(Box<Processor>),
}

impl Pricing {
    fn of(args: &Args) -> Result<Pricing, Error> {
        let name = match &args.preset {
            Some(name) => name,
            None if args.model.is_some() => {
                return Ok(Pricing::Model(Box::new(Processor::open(args.model.files()?)?)));
            }
            None => "256m",
        };
        Preset::named(name).map(Pricing::Preset).ok_or_else(|| {
            let names: Vec<&str> = PRESETS.iter().map(|p| p.name).collect();
            Error::Usage(format!("no preset is named '{name}'; there are {}", names.join(", ")))
        })
    }

    fn settings(&self, pictures: &PictureArgs) -> Result<PictureSettings, Error> {
        Ok(match self {
            Pricing::Preset(preset) => pictures.plan().apply(preset.pictures)?,
            Pricing::Model(processor) => processor.picture_settings(&pictures.plan())?,
        })
    }

    /// Image tokens, and all tokens of the picture's block in the prompt.
    fn tokens(&self, plan: &PicturePlan) -> Result<(usize, usize), Error> {
        let tiles = plan.tiles as usize;
        Ok(match self {
            Pricing::Preset(preset) => (tiles * preset.tokens_per_tile, preset.picture_tokens(plan)),
            Pricing::Model(processor) => (tiles * processor.tokens_per_tile(), processor.picture_tokens(plan)?),
        })
    }
}

/// What one picture costs.
struct Cost {
    name: Option<String>,
    plan: PicturePlan,
    image_tokens: usize,
    prompt_tokens: usize,
}

/// The command.
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let words = args.sources.sources(args.files.iter())?;
    let (mut sources, mut clips) = (Vec::new(), Vec::new());
    for medium in words.into_iter().map(Source::medium) {
        match medium {
            Medium::Picture(source) => sources.push(source),
            Medium::Clip(source) => clips.push(source),
        }
    }
    clips.extend(args.video.iter().map(|word| Source::of(word)));
    if sources.is_empty() && clips.is_empty() && args.size.is_empty() {
        return Error::usage(
            "no picture, no clip and no size; for example: smolvlm explain photo.jpg, or --size 1920x1080",
        );
    }
    let pricing = Pricing::of(&args)?;
    let settings = pricing.settings(&args.pictures)?;
    if let Some(png) = &args.png {
        draw(&args, &settings, &sources, png)?;
    }
    if args.contact_sheet.is_some() && clips.len() != 1 {
        return Error::usage("--contact-sheet draws one clip: give one");
    }
    for source in &clips {
        let clip = Priced::open(&args, &pricing, source)?;
        if let Some(path) = &args.contact_sheet {
            clip.contact_sheet(path)?;
        }
        clip.show(&args, &pricing)?;
    }
    for source in &sources {
        let (width, height) = args.sources.size(source, &args.pictures.decode())?;
        show(&args, &pricing, &settings, Some(source.name()), width, height)?;
    }
    for size in &args.size {
        if size != "-" {
            let (width, height) = parse_size(size)?;
            show(&args, &pricing, &settings, None, width, height)?;
            continue;
        }
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|source| Error::Stream { stream: "stdin", source })?;
            if !line.trim().is_empty() {
                let (width, height) = parse_size(line.trim())?;
                show(&args, &pricing, &settings, None, width, height)?;
            }
        }
    }
    Ok(())
}

/// `WIDTHxHEIGHT`.
pub(crate) fn parse_size(text: &str) -> Result<(u32, u32), Error> {
    let size =
        text.split_once(['x', 'X', '×']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
    match size {
        Some((width, height)) if width > 0 && height > 0 => Ok((width, height)),
        _ => Error::usage(format!("'{text}' is no size in pixels; write it as 1920x1080")),
    }
}

fn show(
    args: &Args,
    pricing: &Pricing,
    settings: &PictureSettings,
    name: Option<String>,
    width: u32,
    height: u32,
) -> Result<(), Error> {
    let cost = |settings: &PictureSettings, name| -> Result<Cost, Error> {
        let plan = settings.plan(width, height)?;
        let (image_tokens, prompt_tokens) = pricing.tokens(&plan)?;
        Ok(Cost { name, plan, image_tokens, prompt_tokens })
    };
    let this = cost(settings, name)?;
    let mut cheaper = Vec::new();
    if settings.split && settings.resize {
        // Each lower edge that whole tiles make.
        let mut edge = (settings.longest_edge - 1) / settings.tile * settings.tile;
        while edge >= settings.tile {
            cheaper.push((edge, cost(&PictureSettings { longest_edge: edge, ..*settings }, None)?));
            edge -= settings.tile;
        }
    }
    if args.json { print_line(&as_json(&this, &cheaper).to_string()) } else { print_line(&as_text(&this, &cheaper)) }
}

fn as_json(cost: &Cost, cheaper: &[(u32, Cost)]) -> Value {
    let object = |cost: &Cost| {
        json!({
            "width": cost.plan.width, "height": cost.plan.height,
            "resized": [cost.plan.resized.0, cost.plan.resized.1],
            "refined": [cost.plan.refined.0, cost.plan.refined.1],
            "rows": cost.plan.rows, "cols": cost.plan.cols, "tiles": cost.plan.tiles,
            "image_tokens": cost.image_tokens, "prompt_tokens": cost.prompt_tokens,
        })
    };
    let mut all = object(cost);
    if let Some(all) = all.as_object_mut() {
        if let Some(name) = &cost.name {
            all.insert("picture".into(), name.as_str().into());
        }
        let cheaper = cheaper.iter().map(|(edge, cost)| {
            let mut one = json!({ "max_edge": edge });
            if let (Some(one), Some(rest)) = (one.as_object_mut(), object(cost).as_object()) {
                one.extend(rest.clone());
            }
            one
        });
        all.insert("cheaper".into(), cheaper.collect());
    }
    all
}

fn as_text(cost: &Cost, cheaper: &[(u32, Cost)]) -> String {
    let PicturePlan { width, height, resized, refined, .. } = cost.plan;
    let grid = |plan: &PicturePlan| {
        if plan.rows == 0 { "whole".to_string() } else { format!("{}x{} + 1", plan.rows, plan.cols) }
    };
    let mut text = format!(
        "{}{width}x{height} -> {}x{} -> {}x{}\n  {:>12} {:>9} {:>6} {:>13} {:>14}",
        cost.name.as_ref().map_or(String::new(), |name| format!("{name}: ")),
        resized.0,
        resized.1,
        refined.0,
        refined.1,
        "",
        "rows x cols",
        "tiles",
        "image tokens",
        "prompt tokens",
    );
    let mut line = |label: String, cost: &Cost| {
        let (plan, image, prompt) = (&cost.plan, cost.image_tokens, cost.prompt_tokens);
        text += &format!("\n  {label:>14} {:>9} {:>6} {image:>13} {prompt:>14}", grid(plan), plan.tiles);
    };
    line("as asked".into(), cost);
    for (edge, cost) in cheaper {
        line(format!("--max-edge {edge}"), cost);
    }
    text
}

/// `--png`: the tiles of the one picture.
fn draw(args: &Args, settings: &PictureSettings, sources: &[Source], png: &Path) -> Result<(), Error> {
    let [source @ Source::File(_)] = sources else {
        return Error::usage("--png draws one picture: give one file");
    };
    let out = NewFile::begin(png)?;
    let picture = args.sources.open(source, &args.pictures.decode())?;
    let plan = settings.plan(picture.width, picture.height)?;
    let drawn = plan.draw(&picture, &Pool::new(smolvlm_sys::threads()))?;
    out.finish(&drawn.to_png()?)
}
