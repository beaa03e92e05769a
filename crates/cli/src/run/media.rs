//! The pictures and clips that are asked about, on their way to an answer.

use super::Args;
use crate::clips::{ClipArgs, Opened, Watched};
use crate::error::Error;
use crate::pictures::Medium;
use crate::progress::Progress;
use serde_json::Value;
use smolvlm_engine::{Answer, Capture, Engine, Event, Features, PictureSource, Request};
use smolvlm_processor::{Message, Picture, Processor};
use smolvlm_video::{Shown, expand};
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Instant;

/// Pictures, decoded, and clips, opened, in the order of their places.
pub(super) struct Media {
    sights: Vec<Sight>,
}

enum Sight {
    Picture(Picture),
    Clip(Box<Opened>),
}

/// What is shown of each clip, in order.
pub(super) struct Plans(Vec<Shown>);

impl Media {
    /// Decodes pictures and opens clips; of these no frame is decoded yet.
    pub(super) fn open(args: &Args, media: &[Medium]) -> Result<Media, Error> {
        let options = args.pictures.decode();
        let open = |medium: &Medium| match medium {
            Medium::Picture(source) => Ok(Sight::Picture(args.sources.open(source, &options)?)),
            Medium::Clip(source) => Ok(Sight::Clip(Box::new(args.clips.open(source, &args.sources, options)?))),
        };
        Ok(Media { sights: media.iter().map(open).collect::<Result<_, Error>>()? })
    }

    fn clips(&self) -> impl Iterator<Item = &Opened> {
        self.sights.iter().filter_map(|sight| match sight {
            Sight::Clip(clip) => Some(&**clip),
            Sight::Picture(_) => None,
        })
    }

    /// What is shown of the clips, which takes their places in the messages.
    pub(super) fn plan(
        &self,
        clips: &ClipArgs,
        processor: &Processor,
        messages: &mut [Message],
    ) -> Result<Plans, Error> {
        let plan = |opened: &Opened| Ok(opened.clip.plan(&clips.settings(processor)?.0)?);
        let plans = self.clips().map(plan).collect::<Result<Vec<Shown>, Error>>()?;
        expand(messages, plans.iter());
        Ok(Plans(plans))
    }

    /// Answers. Frames of clips pass the tower as they are decoded, unless a capture is to have all that was computed.
    pub(super) fn answers(
        &self,
        engine: &Engine,
        args: &ClipArgs,
        plans: &Plans,
        asked: (&Request, Option<&mut Capture>),
        observer: &mut dyn FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(Vec<Answer>, Vec<Value>), Error> {
        let (request, capture) = asked;
        if plans.0.is_empty() || capture.is_some() {
            let (pictures, reports) = self.pictures(engine.processor(), args, plans)?;
            return Ok((engine.answers(request, &pictures, capture, observer)?, reports));
        }
        self.fit(engine, plans, request)?;
        let progress = Progress::new();
        let (mut features, mut reports, mut vision) = (Vec::<Features>::new(), Vec::new(), 0.0);
        let mut plans = plans.0.iter();
        for sight in &self.sights {
            match (sight, plans.as_slice().first()) {
                (Sight::Picture(picture), _) => {
                    let start = Instant::now();
                    features.push(engine.see(picture, &request.plan)?);
                    vision += start.elapsed().as_secs_f64();
                }
                (Sight::Clip(opened), Some(shown)) => {
                    plans.next();
                    let watched = args.see(engine, opened, shown, &progress)?;
                    reports.push(watched.report(opened, shown));
                    note(&watched);
                    vision += watched.vision;
                    features.extend(watched.features);
                }
                (Sight::Clip(_), None) => {}
            }
        }
        progress.clear();
        let mut answers = engine.answers_seen(request, &features, observer)?;
        answers.iter_mut().for_each(|answer| answer.times.vision += vision);
        Ok((answers, reports))
    }

    /// That the prompt fits the context, before frames are decoded for it.
    fn fit(&self, engine: &Engine, plans: &Plans, request: &Request) -> Result<(), Error> {
        let tile = engine.processor().settings().sight.as_ref().map_or(0, |sight| sight.pictures.tile);
        let mut plans = plans.0.iter();
        let sizes = self.sights.iter().flat_map(|sight| match sight {
            Sight::Picture(picture) => vec![(picture.width, picture.height)],
            Sight::Clip(_) => plans.next().map_or(Vec::new(), |shown| vec![(tile, tile); shown.chosen.len()]),
        });
        engine.plan(request, &sizes.collect::<Vec<_>>())?;
        Ok(())
    }

    /// All pictures and frames, decoded.
    fn pictures(
        &self,
        processor: &Processor,
        args: &ClipArgs,
        plans: &Plans,
    ) -> Result<(Vec<Picture>, Vec<Value>), Error> {
        let (mut pictures, mut reports) = (Vec::new(), Vec::new());
        let mut plans = plans.0.iter();
        for sight in &self.sights {
            match sight {
                Sight::Picture(picture) => pictures.push(picture.clone()),
                Sight::Clip(opened) => {
                    let Some(shown) = plans.next() else { continue };
                    pictures.extend(args.tiles(processor, opened, shown)?);
                    reports.push(opened.report(shown, None));
                }
            }
        }
        Ok((pictures, reports))
    }
}

/// What takes the places of a row's chat, as the engine takes it; clips' parts are put in theirs.
pub(super) fn sources(
    args: &Args,
    processor: &Processor,
    media: Vec<Medium>,
    messages: &mut [Message],
) -> Result<Vec<PictureSource>, Error> {
    use crate::pictures::Source;
    let (mut sources, mut plans) = (Vec::new(), Vec::new());
    for medium in media {
        match medium {
            Medium::Picture(Source::File(file)) => sources.push(PictureSource::File(file)),
            Medium::Picture(source) => sources.push(PictureSource::Bytes(args.sources.bytes(&source)?.into())),
            Medium::Clip(source) => {
                let (shown, tiles) = args.clips.frames(&source, &args.sources, args.pictures.decode(), processor)?;
                sources.extend(tiles.into_iter().map(PictureSource::Frame));
                plans.push(shown);
            }
        }
    }
    expand(messages, plans.iter());
    Ok(sources)
}

/// Says on stderr what was not looked at again.
fn note(watched: &Watched) {
    if let Some((alike, seconds)) = watched.saved() {
        let all = watched.features.len();
        let _ = writeln!(
            std::io::stderr(),
            "{alike} of {all} frames are like those before them and were not looked at again: about {seconds:.1} s saved"
        );
    }
}
