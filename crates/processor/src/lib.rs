//! Pictures and chats become model input, exactly as the reference processor makes it.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod clip;
mod clock;
mod data_url;
mod draw;
mod error;
mod files;
mod guard;
mod messages;
mod percent;
mod picture;
mod plan;
mod presets;
mod prompt;
mod python_json;
mod settings;
mod stream;
mod template;
mod template_bounds;
mod tiles;
mod tokenizer;

pub use clip::{Chosen, ClipChoice, ClipDefaults, ClipInfo, ClipMode, ClipSettings};
pub use data_url::{is_data_url, read_base64, read_data_url};
pub use error::Error;
pub use messages::{MediaSource, Message, Part, ROLES, parse_messages, read_messages};
pub use percent::percent_decoded;
pub use picture::{Alpha, DecodeOptions, Picture, frame_seconds};
pub use plan::{PicturePlan, PictureSettings};
pub use presets::{Markers, PRESETS, Preset};
pub use prompt::{END_OF_UTTERANCE, FAKE, GLOBAL, IMAGE, Plan, PlanOptions, Processor, picture_block};
pub use settings::{MAX_LONGEST_EDGE, MAX_TILE, Settings, SightSettings, SpecialNames};
pub use template::Template;
pub use tokenizer::{StreamDecoder, Tokenizer};
