//! Pictures and chats become model input, exactly as the reference processor makes it.
#![forbid(unsafe_code)]

mod error;

pub use error::Error;
