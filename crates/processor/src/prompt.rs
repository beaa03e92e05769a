//! A chat and the sizes of its pictures become the prompt: the one place where that is planned.

use smolvlm_sys::Files;

use crate::{
    ClipMode, Error, Message, Part, PicturePlan, PictureSettings, Settings, Template, Tokenizer, clip, guard::Guarded,
    messages, settings::MAX_LONGEST_EDGE,
};

/// The text that stands for a picture in a rendered chat, and the token that receives its embeddings.
pub const IMAGE: &str = "<image>";
/// The token around and between the tiles of a picture.
pub const FAKE: &str = "<fake_token_around_image>";
/// The marker of the tile that shows the whole picture.
pub const GLOBAL: &str = "<global-img>";
/// The token that ends a turn.
pub const END_OF_UTTERANCE: &str = "<end_of_utterance>";
/// Prompts with more image tokens are refused before their text is built.
const MAX_IMAGE_TOKENS: usize = 1 << 22;

/// Everything that turns chats and pictures into model input, read from one checkpoint folder.
#[derive(Debug)]
pub struct Processor {
    settings: Settings,
    tokenizer: Tokenizer,
    template: Template,
    /// VLMEvalKit's for clips.
    vlmevalkit: Template,
    turn_end: Option<u32>,
    turn_lead: String,
}

/// How a prompt is to be made.
#[derive(Clone, Debug)]
pub struct PlanOptions {
    /// The longest edge of resized pictures in pixels, instead of the checkpoint's.
    pub longest_edge: Option<u32>,
    /// Whether pictures are cut into tiles, instead of as the checkpoint says.
    pub split: Option<bool>,
    /// Whether markers and special tokens in message texts are read as such. `<image>` in a text is then a place for a
    /// picture.
    pub special: bool,
    /// Whether the prompt ends where the assistant begins to speak.
    pub generation_prompt: bool,
    /// Whether the last message, the assistant's, is what its answer begins with, and the prompt ends with it.
    pub continues: bool,
    /// Whether the messages are a chat, which the checkpoint's template renders. Else what they say and show is one text,
    /// read as it stands.
    pub chat: bool,
    /// The most tokens that the prompt may have.
    pub context: Option<usize>,
    /// Whose way clips are shown in: VLMEvalKit's has a prompt of its own.
    pub clips: ClipMode,
}

impl PlanOptions {
    /// Picture settings with what these options put in their place.
    ///
    /// # Errors
    /// A longest edge of zero, of more than 16,384 pixels, or where the settings do not resize.
    pub fn apply(&self, pictures: PictureSettings) -> Result<PictureSettings, Error> {
        let mut pictures = pictures;
        if let Some(edge) = self.longest_edge {
            let wrong = |expected: String| Error::Setting {
                path: "options".to_owned(),
                key: "longest_edge".to_owned(),
                found: edge.to_string(),
                expected,
            };
            if !(1..=MAX_LONGEST_EDGE).contains(&edge) {
                return Err(wrong(format!("a number of pixels from 1 to {MAX_LONGEST_EDGE} would be right")));
            }
            if !pictures.resize {
                return Err(wrong("the checkpoint does not resize pictures (`do_resize` is false)".to_owned()));
            }
            pictures.longest_edge = edge;
        }
        pictures.split = self.split.unwrap_or(pictures.split);
        Ok(pictures)
    }
}

impl Default for PlanOptions {
    fn default() -> Self {
        Self {
            longest_edge: None,
            split: None,
            special: false,
            generation_prompt: true,
            continues: false,
            chat: true,
            context: None,
            clips: ClipMode::default(),
        }
    }
}

/// A prompt, planned.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rendered template, with one `<image>` a picture (and those that a user typed, which are not places).
    pub chat: String,
    /// The prompt's token ids.
    pub ids: Vec<u32>,
    /// What is done to each picture, in the order of their places.
    pub pictures: Vec<PicturePlan>,
    /// How many of the ids receive image embeddings.
    pub image_tokens: usize,
    /// Tiles of all pictures together.
    pub tiles: usize,
}

impl Processor {
    /// Opens a checkpoint.
    ///
    /// # Errors
    /// A file that is missing, broken or at odds with another: see [`Settings::open`], [`Tokenizer::open`],
    /// [`Template::open`]; tokens that SmolVLM needs and the tokenizer lacks; ids beyond the embedding table.
    pub fn open(files: impl Into<Files>) -> Result<Self, Error> {
        let files = &files.into();
        let settings = Settings::open(files)?;
        let tokenizer = Tokenizer::open(files)?;
        check_tokens(&settings, &tokenizer)?;
        let mut template = Template::open(files, &settings.special)?;
        if settings.sight.is_none() {
            template.prefer_texts();
        }
        let vlmevalkit = Template::new("VLMEvalKit", clip::VLMEVALKIT, &settings.special)?;
        let (lead, rest) = template.around_answer();
        let turn_end = rest.and_then(|rest| {
            let ends = tokenizer.added_tokens().filter(|(token, _)| rest.starts_with(token));
            ends.max_by_key(|(token, _)| token.len()).map(|(_, id)| id)
        });
        Ok(Self { settings, tokenizer, template, vlmevalkit, turn_end, turn_lead: lead.unwrap_or_default() })
    }

    /// The checkpoint's settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The checkpoint's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The checkpoint's chat template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The id whose positions receive image embeddings; `None` where the network is a decoder alone.
    pub fn image_token_id(&self) -> Option<u32> {
        self.settings.sight.as_ref().map(|sight| sight.image_token_id)
    }

    /// Image tokens that a tile takes; 0 where the network is a decoder alone.
    pub fn tokens_per_tile(&self) -> usize {
        self.settings.sight.as_ref().map_or(0, |sight| sight.tokens_per_tile)
    }

    /// The positions that the language model was made for.
    pub fn context(&self) -> usize {
        self.settings.context
    }

    /// `eos_token` of `tokenizer_config.json`.
    pub fn eos_token(&self) -> Option<&str> {
        self.settings.special.eos.as_deref()
    }

    /// The id of `<end_of_utterance>`, which ends SmolVLM's turns; `None` where the tokenizer has no such token.
    pub fn end_of_utterance(&self) -> Option<u32> {
        self.tokenizer.token_to_id(END_OF_UTTERANCE)
    }

    /// The token that the chat template puts behind an answer: `<end_of_utterance>`, or `<|endoftext|>` in older Base
    /// models. `None` where it is no added token.
    pub fn turn_end(&self) -> Option<u32> {
        self.turn_end
    }

    /// What the chat template puts between the prompt for an answer and the answer's text; empty where it says nothing. A model
    /// begins its answer with it: who shows the text, or asks on behind it, leaves it out, for the template puts it back.
    pub fn turn_lead(&self) -> &str {
        &self.turn_lead
    }

    /// The picture settings with what the options put in their place.
    ///
    /// # Errors
    /// As [`PlanOptions::apply`]; the network is a decoder alone.
    pub fn picture_settings(&self, options: &PlanOptions) -> Result<PictureSettings, Error> {
        options.apply(self.settings.sight.as_ref().ok_or(Error::SeesNothing)?.pictures)
    }

    /// Plans a prompt: renders the chat, puts the tiles of each picture in its place, reads the whole once and checks
    /// that everything fits. `sizes` are the pictures' (width, height) in pixels, in the order of their places.
    ///
    /// The rule is `Idefics3Processor.__call__` of transformers' `processing_idefics3.py`. Unlike there, markers and
    /// special tokens typed in texts stay text unless `options.special`.
    ///
    /// # Errors
    /// A chat, a size or an option that is wrong, a template that refuses the chat, pictures and places that do not
    /// match in number, a prompt longer than `options.context`.
    pub fn plan(&self, messages: &[Message], sizes: &[(u32, u32)], options: &PlanOptions) -> Result<Plan, Error> {
        messages::check(messages)?;
        if !options.chat {
            return self.plan_text(messages, sizes, options);
        }
        let parts = || messages.iter().flat_map(|message| &message.content);
        self.sees(parts())?;
        let pictures = self.picture_plans(parts(), sizes, options)?;
        let frames = parts().any(|part| matches!(part, Part::Frame));
        let template = match options.clips {
            ClipMode::VlmEvalKit if frames => &self.vlmevalkit,
            _ => &self.template,
        };
        let guarded = match options.special {
            true => Guarded::off(messages),
            false => Guarded::new(messages, template.source(), &self.tokenizer)?,
        };
        let rendered = match options.continues {
            true => begun(template.render(guarded.messages(), false)?, guarded.messages())?,
            false => template.render(guarded.messages(), options.generation_prompt)?,
        };
        if frames && rendered.matches(IMAGE).count() != parts().filter(|part| part.is_place()).count() {
            let reason = format!("a typed {IMAGE} beside a clip: which of the places are its frames' is not known");
            return Err(Error::Messages { reason });
        }
        let places = if self.settings.sight.is_some() { rendered.matches(IMAGE).count() } else { 0 };
        let (tiles, image_tokens) = self.counts(&pictures, places, options)?;
        let ids = guarded.encode(&self.expanded(&rendered, &pictures), &self.tokenizer)?;
        let found = ids.iter().filter(|&&id| Some(id) == self.image_token_id()).count();
        if found != image_tokens {
            return Err(Error::ImageTokens { found, expected: image_tokens });
        }
        fits(&ids, options)?;
        Ok(Plan { chat: guarded.unmarked(&rendered), ids, pictures, image_tokens, tiles })
    }

    /// Plans a document: text and pictures as they follow each other, between the tokenizer's first and last token, as the
    /// model was pretrained on them. Whatever its texts spell is text.
    ///
    /// # Errors
    /// As [`Processor::plan`].
    pub fn plan_document(&self, parts: &[Part], sizes: &[(u32, u32)], options: &PlanOptions) -> Result<Plan, Error> {
        let special = |name: &Option<String>| name.as_deref().and_then(|name| self.tokenizer.token_to_id(name));
        let mut plan = self.plan_parts(parts.iter(), sizes, &PlanOptions { special: false, ..options.clone() })?;
        plan.ids.splice(0..0, special(&self.settings.special.bos));
        plan.ids.extend(special(&self.settings.special.eos));
        fits(&plan.ids, options)?;
        Ok(plan)
    }

    /// What messages say and show as one text, which the model goes on with.
    fn plan_text(&self, messages: &[Message], sizes: &[(u32, u32)], options: &PlanOptions) -> Result<Plan, Error> {
        let mut plan = self.plan_parts(messages.iter().flat_map(|message| &message.content), sizes, options)?;
        plan.ids = self.tokenizer.framed(plan.ids);
        if plan.ids.is_empty() {
            return Err(Error::Messages { reason: "the text is empty; one token at least would be right".into() });
        }
        fits(&plan.ids, options)?;
        Ok(plan)
    }

    /// Text and pictures as they follow each other.
    fn plan_parts<'p>(
        &self,
        parts: impl Iterator<Item = &'p Part> + Clone,
        sizes: &[(u32, u32)],
        options: &PlanOptions,
    ) -> Result<Plan, Error> {
        self.sees(parts.clone())?;
        let pictures = self.picture_plans(parts.clone(), sizes, options)?;
        let places = parts.clone().filter(|part| part.is_place()).count();
        let (tiles, image_tokens) = self.counts(&pictures, places, options)?;
        let encode = |text: &str| match options.special {
            true => self.tokenizer.encode_unframed(text),
            false => self.tokenizer.encode_plain(text),
        };
        let mut ids = Vec::new();
        let (mut chat, mut text) = (String::new(), String::new());
        let mut left = pictures.iter();
        for part in parts {
            match part {
                // Texts side by side are read as one.
                Part::Text(more) => {
                    text.push_str(more);
                    chat.push_str(more);
                }
                Part::Clip(_) => {} // `sees` has refused it
                Part::Image(_) | Part::Frame => {
                    let Some(plan) = left.next() else { continue };
                    ids.extend(encode(&std::mem::take(&mut text))?);
                    let block = picture_block(plan, self.tokens_per_tile());
                    ids.extend(self.tokenizer.encode_unframed(&block)?);
                    chat.push_str(IMAGE);
                }
            }
        }
        ids.extend(encode(&text)?);
        let found = ids.iter().filter(|&&id| Some(id) == self.image_token_id()).count();
        if found != image_tokens {
            return Err(Error::ImageTokens { found, expected: image_tokens });
        }
        Ok(Plan { chat, ids, pictures, image_tokens, tiles })
    }

    /// That what is said has no picture where none can be seen, and no clip whose frames are not there.
    fn sees<'a>(&self, parts: impl Iterator<Item = &'a Part>) -> Result<(), Error> {
        for part in parts {
            match part {
                Part::Clip(_) => return Err(Error::Clip { reason: "its frames were not taken".to_owned() }),
                part if part.is_place() && self.settings.sight.is_none() => return Err(Error::SeesNothing),
                _ => {}
            }
        }
        Ok(())
    }

    /// What is done to pictures of these sizes in the places of `parts`; those behind them are no frames.
    fn picture_plans<'a>(
        &self,
        parts: impl Iterator<Item = &'a Part>,
        sizes: &[(u32, u32)],
        options: &PlanOptions,
    ) -> Result<Vec<PicturePlan>, Error> {
        if sizes.is_empty() && self.settings.sight.is_none() {
            return Ok(Vec::new());
        }
        let settings = self.picture_settings(options)?;
        let mut places = parts.filter(|part| part.is_place());
        let plan = |&(width, height): &(u32, u32)| match places.next() {
            Some(Part::Frame) => settings.of_frames().plan(width, height),
            _ => settings.plan(width, height),
        };
        sizes.iter().map(plan).collect()
    }

    /// The tiles and the image tokens of pictures, which must be as many as their places and not too much by themselves:
    /// they are counted before their text is built.
    fn counts(&self, pictures: &[PicturePlan], places: usize, options: &PlanOptions) -> Result<(usize, usize), Error> {
        let given = pictures.len();
        if given > places {
            return Err(Error::PictureWithoutPlace { pictures: given, places });
        }
        if given < places {
            return Err(Error::PlaceWithoutPicture { pictures: given, places });
        }
        let tiles = pictures.iter().fold(0usize, |sum, plan| sum.saturating_add(plan.tiles as usize));
        let image_tokens = tiles.saturating_mul(self.tokens_per_tile());
        if image_tokens > options.context.unwrap_or(usize::MAX).min(MAX_IMAGE_TOKENS) {
            let context = options.context.unwrap_or(self.settings.context);
            return Err(Error::ContextTooLong { needed: image_tokens, context });
        }
        Ok((tiles, image_tokens))
    }

    /// Tokens that a picture takes in a prompt: its image tokens and the markers around them. They do not depend on
    /// what stands before and behind, as the block begins and ends with a special token.
    ///
    /// # Errors
    /// The plan has more image tokens than any context; the tokenizer fails.
    pub fn picture_tokens(&self, plan: &PicturePlan) -> Result<usize, Error> {
        let needed = (plan.tiles as usize).saturating_mul(self.tokens_per_tile());
        if needed > MAX_IMAGE_TOKENS {
            return Err(Error::ContextTooLong { needed, context: self.settings.context });
        }
        let block = picture_block(plan, self.tokens_per_tile());
        Ok(self.tokenizer.encode_unframed(&block)?.len())
    }

    /// The rendered chat with the n-th picture's block in the n-th place.
    fn expanded(&self, rendered: &str, pictures: &[PicturePlan]) -> String {
        let mut out = String::with_capacity(rendered.len());
        let mut rest = rendered;
        for plan in pictures {
            let Some((text, after)) = rest.split_once(IMAGE) else { break };
            out.push_str(text);
            out.push_str(&picture_block(plan, self.tokens_per_tile()));
            rest = after;
        }
        out + rest
    }
}

/// The text that takes the place of a picture (`replace_image_token` of `processing_idefics3.py`): its tiles row by
/// row, each behind its marker, and the overview last. The line end of the last row and the one before the overview
/// meet, and SmolLM2's tokenizer reads both as one token.
///
/// Whether a marker is one token (256M, 500M, all of SmolVLM2) or some nine (2.2B v1) is the tokenizer's affair.
pub fn picture_block(plan: &PicturePlan, tokens_per_tile: usize) -> String {
    let tile = IMAGE.repeat(tokens_per_tile);
    let overview = format!("{FAKE}{GLOBAL}{tile}{FAKE}");
    if plan.rows == 0 && plan.cols == 0 {
        return overview;
    }
    let mut out = String::new();
    for row in 1..=plan.rows {
        for col in 1..=plan.cols {
            out.push_str(&format!("{FAKE}<row_{row}_col_{col}>{tile}"));
        }
        out.push('\n');
    }
    out.push('\n');
    out.push_str(&overview);
    out
}

/// That a prompt is no longer than was asked for.
fn fits(ids: &[u32], options: &PlanOptions) -> Result<(), Error> {
    match options.context {
        Some(context) if ids.len() > context => Err(Error::ContextTooLong { needed: ids.len(), context }),
        _ => Ok(()),
    }
}

/// What the network and the tokenizer must agree on.
fn check_tokens(settings: &Settings, tokenizer: &Tokenizer) -> Result<(), Error> {
    let added = |token: &str| {
        let found = tokenizer.added_tokens().find(|(content, _)| *content == token);
        found.map(|(_, id)| id).ok_or_else(|| tokenizer.wrong(format!("the added token {token} is missing")))
    };
    if let Some(sight) = &settings.sight {
        added(FAKE)?;
        let (image, config) = (added(IMAGE)?, sight.image_token_id);
        if image != config {
            return Err(tokenizer.wrong(format!("{IMAGE} has the id {image}, but config.json says {config}")));
        }
    }
    if tokenizer.len() > settings.vocab {
        let (largest, rows) = (tokenizer.len() - 1, settings.vocab);
        return Err(tokenizer.wrong(format!("the id {largest} lies beyond the {rows} rows of the embedding table")));
    }
    Ok(())
}
/// A rendered chat up to the end of what its last message says (`continue_final_message` of transformers).
///
/// # Errors
/// The last message is no text of the assistant's, or the template does not show it.
fn begun(mut rendered: String, messages: &[Message]) -> Result<String, Error> {
    let said = messages.last().filter(|message| message.role == "assistant").and_then(|message| {
        match message.content.last() {
            Some(Part::Text(text)) if !text.trim().is_empty() => Some(text.trim()),
            _ => None,
        }
    });
    let end = said.and_then(|said| Some(rendered.rfind(said)? + said.len()));
    let reason = "to go on with the last message, it must be a text of the assistant's".to_owned();
    rendered.truncate(end.ok_or(Error::Messages { reason })?);
    Ok(rendered)
}
