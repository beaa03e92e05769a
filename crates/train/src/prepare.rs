//! Steps made ready beside the one that runs: samples read, pictures decoded and cut.

use crate::cache::{FeatureCache, Key};
use crate::{Config, Error};
use smolvlm_backend::Pool;
use smolvlm_data::{ClipFrames, Encoding, Example, Loader, Mixture, Pack, Packing, Skipped, SourceConfig, pack};
use smolvlm_processor::{ClipMode, DecodeOptions, Processor};
use std::sync::Arc;

/// A step, ready.
pub(crate) struct Ready {
    pub(crate) examples: Vec<Example>,
    /// Each example's pictures.
    pub(crate) pictures: Vec<Vec<Prepared>>,
    pub(crate) packs: Vec<Pack>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Ready {
    /// That none of these samples can be learnt from, with what is wrong with the first.
    pub(crate) fn useless(&self, whose: &str) -> Error {
        let why = self.skipped.first().map_or_else(String::new, |s| format!(": {}: {}", s.name, s.why));
        Error::Config { what: format!("none {whose} can be learnt from{why}") }
    }
}

/// A picture, ready.
pub(crate) struct Prepared {
    /// Its tiles; none where its features are kept.
    pub(crate) tiles: Option<Vec<u8>>,
    /// Where its features are kept.
    pub(crate) key: Option<Key>,
}

/// How steps are made ready.
#[derive(Clone, Copy)]
pub(crate) struct Preparer<'a> {
    pub(crate) loader: &'a Loader,
    pub(crate) packing: Packing,
    pub(crate) pack_tokens: usize,
    pub(crate) cache: Option<&'a FeatureCache>,
    pub(crate) pool: &'a Pool,
}

impl<'a> Preparer<'a> {
    /// Of a run's settings.
    pub(crate) fn new(
        config: &Config,
        loader: &'a Loader,
        cache: Option<&'a FeatureCache>,
        pool: &'a Pool,
    ) -> Preparer<'a> {
        let (packing, pack_tokens) = (config.data.packing, config.data.pack_tokens);
        Preparer { loader, packing, pack_tokens, cache, pool }
    }

    /// The draws `start..start + count`, ready.
    pub(crate) fn step(&self, start: u64, count: usize) -> Ready {
        let step = self.loader.load(start, count);
        let mut ready = Ready { examples: Vec::new(), pictures: Vec::new(), packs: Vec::new(), skipped: step.skipped };
        for mut example in step.examples {
            match self.pictures(&mut example) {
                Ok(pictures) => {
                    ready.examples.push(example);
                    ready.pictures.push(pictures);
                }
                Err(why) => ready.skipped.push(Skipped { name: example.name, why }),
            }
        }
        ready.packs = pack(&ready.examples, self.packing, self.pack_tokens);
        ready
    }

    /// Decodes and cuts what is not kept; the encoded files are let go.
    fn pictures(&self, example: &mut Example) -> Result<Vec<Prepared>, String> {
        let decode = &self.loader.encoding.decode;
        let mut prepared = Vec::new();
        for (at, picture) in example.pictures.iter_mut().enumerate() {
            let data = std::mem::take(&mut picture.data);
            let key = self.cache.map(|cache| cache.key(data.bytes(), &picture.plan, decode));
            let kept = key.zip(self.cache).is_some_and(|(key, cache)| cache.has(key));
            let named = |e: smolvlm_processor::Error| format!("picture {at}: {e}");
            let tiles = match kept {
                // It may still be let go before its turn comes.
                true => None,
                false => {
                    let decoded = data.decode(decode).map_err(named)?;
                    Some(picture.plan.tiles(&decoded, self.pool).map_err(named)?)
                }
            };
            if kept {
                picture.data = data;
            }
            prepared.push(Prepared { tiles, key });
        }
        Ok(prepared)
    }
}

/// The examples of some sources.
///
/// # Errors
/// One of them cannot be opened.
pub(crate) fn loader(
    config: &Config,
    sources: &[SourceConfig],
    seed: u64,
    processor: Arc<Processor>,
) -> Result<Loader, Error> {
    let data = &config.data;
    let clips = clips(config, &processor)?;
    let length = data.length.min(processor.context());
    let encoding = Encoding {
        labels: data.labels,
        length,
        long: data.long,
        longest_edge: data.max_edge,
        split: data.split,
        scale_frequency: data.scale_frequency,
        clips: clips.as_ref().map_or(ClipMode::default(), |clips| clips.settings().mode),
        decode: DecodeOptions::default(),
        seed,
    };
    Ok(Loader { mixture: Mixture::open(sources, seed)?, encoding, processor, clips })
}

/// How clips become frames, which are kept as features are; none where the model sees nothing.
fn clips(config: &Config, processor: &Processor) -> Result<Option<ClipFrames>, Error> {
    let Some(clips) = ClipFrames::of(processor, config.data.clips, DecodeOptions::default()) else { return Ok(None) };
    if config.cache.limit_mib == 0 {
        return Ok(Some(clips));
    }
    let folder = config.cache.folder.as_deref().map_or_else(|| config.output.join("frames"), |f| f.join("frames"));
    let failed = |source| Error::file(&folder, source);
    clips.keeping(&folder, config.cache.limit_mib << 20).map(Some).map_err(failed)
}
