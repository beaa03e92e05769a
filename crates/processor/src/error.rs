//! What can be wrong with a picture, a chat or a processor's files.

/// Every way in which a picture, a chat or a processor's file can be refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file of a checkpoint is larger than any real one.
    #[error("{path}: {bytes} bytes; no file of this kind has more than {limit}")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        bytes: u64,
        /// The largest size that is read, in bytes.
        limit: u64,
    },
    /// A file of a checkpoint holds nothing.
    #[error("{path}: an empty file: was it copied whole?")]
    Empty {
        /// The file.
        path: String,
    },
    /// A file that should hold JSON does not.
    #[error("{path}: not valid JSON: {source}")]
    Json {
        /// The file.
        path: String,
        /// What is wrong with it, with line and column.
        source: serde_json::Error,
    },
    /// A checkpoint folder lacks a setting without which nothing can be prepared.
    #[error("{path}: `{key}` is missing; {expected}")]
    MissingSetting {
        /// The file, or the files, where it was looked for.
        path: String,
        /// The setting's name, with dots where it lies in another.
        key: String,
        /// What should be there.
        expected: String,
    },
    /// A setting has a value that is wrong or not supported.
    #[error("{path}: `{key}` is {found}; {expected}")]
    Setting {
        /// The file.
        path: String,
        /// The setting's name, with dots where it lies in another.
        key: String,
        /// The value that was found.
        found: String,
        /// What would be right.
        expected: String,
    },
    /// A checkpoint folder has no chat template.
    #[error(
        "{dir}: no chat template: none in chat_template.jinja, in chat_template.json nor under `chat_template` in \
         tokenizer_config.json"
    )]
    NoTemplate {
        /// The checkpoint folder.
        dir: String,
    },
    /// A chat template cannot be compiled, or refuses or fails to render a conversation.
    #[error("{path}: the chat template {reason}")]
    Template {
        /// The file that the template comes from.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A tokenizer file cannot be used.
    #[error("{path}: {reason}")]
    Tokenizer {
        /// The file.
        path: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A list of messages is wrong as a whole.
    #[error("messages: {reason}")]
    Messages {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// One message of a list is wrong.
    #[error("message {index}: {reason}")]
    Message {
        /// Which message, counted from 0.
        index: usize,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Pictures are asked about, and the network is a decoder alone.
    #[error(
        "this model reads text alone: it has no tower for pictures (that of a GGUF file is another file, --mmproj)"
    )]
    SeesNothing,
    /// A clip has no frames that could be shown, or is asked to be shown as none can.
    #[error("a clip cannot be shown: {reason}")]
    Clip {
        /// What is wrong.
        reason: String,
    },
    /// More pictures are given than the chat has places for.
    #[error("a picture without a place: {pictures} given, but the chat has {places} place(s) for them")]
    PictureWithoutPlace {
        /// How many pictures are given.
        pictures: usize,
        /// How many places the rendered chat has.
        places: usize,
    },
    /// The chat has more places for pictures than pictures are given.
    #[error("a place without a picture: the chat has {places} place(s) for pictures, but {pictures} given")]
    PlaceWithoutPicture {
        /// How many pictures are given.
        pictures: usize,
        /// How many places the rendered chat has.
        places: usize,
    },
    /// The prompt holds another number of image tokens than the network will give embeddings for.
    #[error("the prompt holds {found} image tokens, but its pictures make {expected}")]
    ImageTokens {
        /// Image tokens in the prompt.
        found: usize,
        /// Tiles times tokens per tile.
        expected: usize,
    },
    /// The prompt does not fit the model.
    #[error(
        "the prompt needs at least {needed} tokens, but the context holds {context}; fewer or smaller pictures \
         (--max-edge) or a shorter text would fit"
    )]
    ContextTooLong {
        /// Tokens of the prompt; of its pictures alone where they are too many already.
        needed: usize,
        /// Tokens that the context holds.
        context: usize,
    },
    /// A picture file cannot be used; what is wrong with it is inside.
    #[error("{path}: {source}")]
    PictureFile {
        /// The file.
        path: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// A text that should hold a file does not.
    #[error("{reason}")]
    DataUrl {
        /// What is wrong and what would be right.
        reason: String,
    },
    /// A file is of no kind that is read.
    #[error(
        "not a picture that can be read (PNG, JPEG, WebP, GIF, BMP, TIFF, PNM, QOI or ICO) but {found}{}",
        if *convertible { "; convert it first, as in: magick FILE picture.png" } else { "" }
    )]
    PictureFormat {
        /// What it looks like, with its article.
        found: &'static str,
        /// Whether other programs make a picture of it.
        convertible: bool,
    },
    /// A file has no such frame or page.
    #[error("there is no frame {frame}: the file has {frames}, counted from 0")]
    NoFrame {
        /// The frame that was asked for, counted from 0.
        frame: u32,
        /// How many the file has.
        frames: u32,
    },
    /// The frames in front of the one that is asked for are too many and too large.
    #[error("the frames in front of that one are too many and too large to draw; take an earlier one")]
    FrameTooFar,
    /// A picture without pixels.
    #[error("a picture of {width} x {height} pixels is empty")]
    ZeroSize {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// A picture has more pixels than are allowed.
    #[error("a picture of {width} x {height} pixels is too large: at most {limit} pixels are allowed")]
    TooManyPixels {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
        /// The most that are allowed.
        limit: u64,
    },
    /// A picture file ends early.
    #[error("the {format} picture is truncated")]
    PictureTruncated {
        /// Its kind.
        format: &'static str,
    },
    /// A picture file is damaged.
    #[error("the {format} picture is damaged: {reason}")]
    PictureCorrupt {
        /// Its kind.
        format: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A picture file is of a kind that is not decoded.
    #[error("{format} pictures with {what} are not supported; convert it to an ordinary PNG")]
    PictureUnsupported {
        /// Its kind.
        format: &'static str,
        /// What the file has.
        what: String,
    },
    /// A picture file is of a kind whose decoder was left out of this build.
    #[error("this program was built without a decoder of {format} pictures; convert it to PNG")]
    NoDecoder {
        /// JPEG.
        format: &'static str,
    },
    /// The settings for pictures make no sense.
    #[error("a longest edge of {longest_edge} and a tile of {tile} pixels: neither may be 0")]
    PictureSettings {
        /// The setting for the longest edge in pixels.
        longest_edge: u32,
        /// The setting for the side of a tile in pixels.
        tile: u32,
    },
    /// A picture is so thin that a side is rounded to 0; the reference refuses it as well.
    #[error("a picture of {width} x {height} pixels is too thin: a side is rounded to 0")]
    ThinPicture {
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// A picture would be resized to more pixels than fit.
    #[error("the picture would be resized to {width} x {height} pixels; at most {most} are possible")]
    PlanTooLarge {
        /// The new width in pixels.
        width: u64,
        /// The new height in pixels.
        height: u64,
        /// The most pixels.
        most: u64,
    },
    /// A plan was applied to a picture that it was not made for.
    #[error("a plan for {} x {} pixels does not fit itself or the picture of {} x {}", plan.0, plan.1, picture.0, picture.1)]
    PlanMismatch {
        /// The plan's (width, height) in pixels.
        plan: (u32, u32),
        /// The picture's.
        picture: (u32, u32),
    },
}
