//! What the server may be told: by flags, the environment (`SMOLVLM_…`) or a file (`config.rs`).

use crate::error::Error;
use clap::ValueEnum;
use smolvlm_engine::ServiceOptions;
use smolvlm_processor::{ClipMode, DecodeOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How the server listens, whom it lets in, and what a request may cost.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// A TOML file with the same names as these flags; flags and the environment go over it
    #[arg(long, value_name = "FILE", env = "SMOLVLM_CONFIG")]
    pub config: Option<PathBuf>,
    /// The address to listen on, or a path ending in .sock; 0.0.0.0 is every address of this machine
    #[arg(long, value_name = "ADDRESS", env = "SMOLVLM_HOST", default_value = "127.0.0.1", help_heading = "Listening")]
    pub host: String,
    /// The port to listen on; 0 takes a free one
    #[arg(long, value_name = "N", env = "SMOLVLM_PORT", default_value_t = 8080, help_heading = "Listening")]
    pub port: u16,
    /// Listen on this UNIX socket instead
    #[arg(long, value_name = "PATH", env = "SMOLVLM_UNIX", conflicts_with = "port", help_heading = "Listening")]
    pub unix: Option<PathBuf>,
    /// Speak TLS with this certificate (PEM, with those that signed it behind)
    #[arg(long, value_name = "FILE", env = "SMOLVLM_TLS_CERT", help_heading = "Listening")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's key (PEM)
    #[arg(long, value_name = "FILE", env = "SMOLVLM_TLS_KEY", help_heading = "Listening")]
    pub tls_key: Option<PathBuf>,
    /// Another name by which requests may call the model; may be repeated
    #[arg(long, value_name = "NAME", env = "SMOLVLM_ALIAS", value_delimiter = ',', help_heading = "Listening")]
    pub alias: Vec<String>,
    /// Serve no web page
    #[arg(long, env = "SMOLVLM_NO_PAGE", value_parser = switch, help_heading = "Listening")]
    pub no_page: bool,

    /// A key that requests must show; may be repeated. Other users of this machine see flags: the file or the environment
    /// keeps it from them
    #[arg(
        long,
        value_name = "KEY",
        env = "SMOLVLM_API_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        help_heading = "Who may ask"
    )]
    pub api_key: Vec<String>,
    /// A file of such keys, one a line
    #[arg(long, value_name = "FILE", env = "SMOLVLM_API_KEY_FILE", help_heading = "Who may ask")]
    pub api_key_file: Option<PathBuf>,
    /// A web origin whose pages may ask, as https://app.example.org; * is any; may be repeated
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "SMOLVLM_CORS_ORIGIN",
        value_delimiter = ',',
        help_heading = "Who may ask"
    )]
    pub cors_origin: Vec<String>,
    /// A name by which this server may be called, beside those of this machine; may be repeated [default: only those,
    /// where it listens on this machine alone; else any]
    #[arg(
        long,
        value_name = "NAME",
        env = "SMOLVLM_ALLOWED_HOST",
        value_delimiter = ',',
        help_heading = "Who may ask"
    )]
    pub allowed_host: Vec<String>,

    /// Fetch pictures from any public address that a request names
    #[arg(long, env = "SMOLVLM_ALLOW_REMOTE_MEDIA", value_parser = switch, help_heading = "Pictures of requests")]
    pub allow_remote_media: bool,
    /// Fetch pictures from these hosts alone: a,b; .example.org is any host of that domain
    #[arg(
        long,
        value_name = "HOST",
        env = "SMOLVLM_ALLOW_MEDIA_DOMAIN",
        value_delimiter = ',',
        help_heading = "Pictures of requests"
    )]
    pub allow_media_domain: Vec<String>,
    /// Fetch pictures also from addresses of private networks and of this machine
    #[arg(long, env = "SMOLVLM_ALLOW_PRIVATE_MEDIA", value_parser = switch, help_heading = "Pictures of requests")]
    pub allow_private_media: bool,
    /// The folder whose files requests may show by file: addresses
    #[arg(long, value_name = "FOLDER", env = "SMOLVLM_MEDIA_ROOT", help_heading = "Pictures of requests")]
    pub media_root: Option<PathBuf>,

    /// Requests that are answered side by side
    #[arg(long, value_name = "N", env = "SMOLVLM_PARALLEL", default_value_t = 16, value_parser = count(4096), help_heading = "Limits")]
    pub parallel: u32,
    /// Requests that wait beside those; more are refused
    #[arg(long, value_name = "N", env = "SMOLVLM_QUEUE", default_value_t = 64, value_parser = count(1 << 20), help_heading = "Limits")]
    pub queue: u32,
    /// MiB that the caches of requests under way may hold
    #[arg(long, value_name = "MIB", env = "SMOLVLM_CACHE", default_value_t = 1024, value_parser = count(1 << 20), help_heading = "Limits")]
    pub cache: u32,
    /// MiB of pictures that were seen, kept in case they are shown again; 0 keeps none
    #[arg(
        long,
        value_name = "MIB",
        env = "SMOLVLM_PICTURE_CACHE",
        default_value_t = 256,
        value_parser = clap::value_parser!(u32).range(0..=1 << 20),
        help_heading = "Limits"
    )]
    pub picture_cache: u32,
    /// MiB of prompts that were taken in, kept for those that begin alike; 0 keeps none
    #[arg(
        long,
        value_name = "MIB",
        env = "SMOLVLM_PREFIX_CACHE",
        default_value_t = 1024,
        value_parser = clap::value_parser!(u32).range(0..=1 << 20),
        help_heading = "Limits"
    )]
    pub prefix_cache: u32,
    /// MiB of a request's body, and of a picture that is fetched
    #[arg(long, value_name = "MIB", env = "SMOLVLM_MAX_BODY", default_value_t = 32, value_parser = count(1024), help_heading = "Limits")]
    pub max_body: u32,
    /// MiB of all requests' bodies together
    #[arg(long, value_name = "MIB", env = "SMOLVLM_MAX_BODIES", default_value_t = 256, value_parser = count(1 << 20), help_heading = "Limits")]
    pub max_bodies: u32,
    /// Pictures and clips of a request
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_PICTURES", default_value_t = 16, value_parser = count(4096), help_heading = "Limits")]
    pub max_pictures: u32,
    /// Which of a clip's frames are shown, and the words around them: smolvlm2, v1 or vlmevalkit [default: the model's own]
    #[arg(long, value_name = "MODE", env = "SMOLVLM_VIDEO_MODE", help_heading = "Limits")]
    pub video_mode: Option<ClipMode>,
    /// Frames of a clip that are shown [default: the model's own, mostly 64]
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_FRAMES", value_parser = count(4096), help_heading = "Limits")]
    pub max_frames: Option<u32>,
    /// Pixels of a picture, before it is resized
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_PIXELS", default_value_t = 64_000_000, value_parser = count(1 << 30), help_heading = "Limits")]
    pub max_pixels: u32,
    /// Answers to one request
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_N", default_value_t = 8, value_parser = count(64), help_heading = "Limits")]
    pub max_n: u32,
    /// Tokens of an answer, whatever a request asks for [default: as many as the context holds]
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_TOKENS", value_parser = count(1 << 24), help_heading = "Limits")]
    pub max_tokens: Option<u32>,
    /// Connections at once; more are turned away
    #[arg(long, value_name = "N", env = "SMOLVLM_MAX_CONNECTIONS", default_value_t = 512, value_parser = count(1 << 16), help_heading = "Limits")]
    pub max_connections: u32,
    /// Seconds until the head of a request must be there, and between two requests of a connection
    #[arg(long, value_name = "S", env = "SMOLVLM_HEADER_TIMEOUT", default_value_t = 15, value_parser = count(86_400), help_heading = "Limits")]
    pub header_timeout: u32,
    /// Seconds until the body of a request must be there
    #[arg(long, value_name = "S", env = "SMOLVLM_READ_TIMEOUT", default_value_t = 60, value_parser = count(86_400), help_heading = "Limits")]
    pub read_timeout: u32,
    /// Seconds that a client may leave without reading what it is sent
    #[arg(long, value_name = "S", env = "SMOLVLM_WRITE_TIMEOUT", default_value_t = 30, value_parser = count(86_400), help_heading = "Limits")]
    pub write_timeout: u32,
    /// Seconds that answers under way have left when the server is stopped
    #[arg(long, value_name = "S", env = "SMOLVLM_DRAIN_TIMEOUT", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=86_400), help_heading = "Limits")]
    pub drain_timeout: u32,

    /// How the log on stderr is written
    #[arg(long, value_enum, env = "SMOLVLM_LOG_FORMAT", default_value_t, help_heading = "Log")]
    pub log_format: LogFormat,
    /// What the log tells
    #[arg(long, value_enum, env = "SMOLVLM_LOG_LEVEL", default_value_t, help_heading = "Log")]
    pub log_level: LogLevel,
}

/// `--log-format`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// lines to read
    #[default]
    Text,
    /// an object a line
    Json,
}

/// `--log-level`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// nothing
    Off,
    /// what failed in the server
    Error,
    /// that, and who was turned away
    Warn,
    /// that, and a line a request
    #[default]
    Info,
    /// that, and connections
    Debug,
}

/// From 1 to `most`.
fn count(most: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=most)
}

/// A switch as the environment has it.
fn switch(word: &str) -> Result<bool, String> {
    match word.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" | "" => Ok(false),
        _ => Err("true or false would be right".into()),
    }
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Options {
    /// Those of who gives none.
    pub fn standard() -> Options {
        #[derive(clap::Parser)]
        struct Words {
            #[command(flatten)]
            options: Options,
        }
        <Words as clap::Parser>::parse_from(["serve"]).options
    }

    /// That they fit together.
    ///
    /// # Errors
    /// The first two that do not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Options(what.to_owned()));
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            return wrong("--tls-cert and --tls-key are of one pair: give both or none");
        }
        if self.api_key.iter().any(|key| key.trim().is_empty()) {
            return wrong("the key is empty (--api-key, SMOLVLM_API_KEY): anybody could show it");
        }
        if self.host.trim().is_empty() {
            return wrong(
                "--host (SMOLVLM_HOST) is empty: 127.0.0.1 is this machine alone, 0.0.0.0 any that reaches it",
            );
        }
        crate::host::check(self)?;
        if self.allow_private_media && !self.allows_web() {
            return wrong(
                "--allow-private-media says where pictures may be fetched from: --allow-remote-media or --allow-media-domain allows to fetch",
            );
        }
        if cfg!(not(feature = "net")) && self.allows_web() {
            return wrong(
                "this program was built without fetching from addresses: no pictures can be allowed from there",
            );
        }
        if self.max_body > self.max_bodies {
            return wrong("--max-body is more than --max-bodies, which all bodies share");
        }
        Ok(())
    }

    /// Whether pictures of addresses are fetched.
    pub(crate) fn allows_web(&self) -> bool {
        self.allow_remote_media || !self.allow_media_domain.is_empty()
    }

    pub(crate) fn place(&self) -> Place {
        match &self.unix {
            Some(path) => Place::Unix(path.clone()),
            None if Path::new(&self.host).extension().is_some_and(|ending| ending == "sock") => {
                Place::Unix(PathBuf::from(&self.host))
            }
            None => Place::Tcp(self.host.clone(), self.port),
        }
    }

    pub(crate) fn service(&self) -> ServiceOptions {
        let bytes = |mib: u32| (mib as usize).saturating_mul(1 << 20);
        ServiceOptions {
            at_once: self.parallel as usize,
            waiting: self.queue as usize,
            cache_bytes: bytes(self.cache),
            picture_bytes: bytes(self.picture_cache),
            prefix_bytes: bytes(self.prefix_cache),
            decode: self.decode(),
        }
    }

    /// How pictures are read.
    pub(crate) fn decode(&self) -> DecodeOptions {
        DecodeOptions { max_pixels: u64::from(self.max_pixels), ..DecodeOptions::default() }
    }

    /// The most bytes of a body.
    pub(crate) fn body_bytes(&self) -> usize {
        (self.max_body as usize).saturating_mul(1 << 20)
    }

    pub(crate) fn header_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.header_timeout))
    }

    pub(crate) fn read_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.read_timeout))
    }

    pub(crate) fn write_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.write_timeout))
    }

    pub(crate) fn drain_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.drain_timeout))
    }
}

/// What clients call a model that was given by this name: a folder's or file's own, without the folders it lies in.
pub(crate) fn model_name(given: &str) -> String {
    let path = Path::new(given);
    let is_path = path.exists() || path.is_absolute() || given.starts_with('.');
    let last = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match last.file_name().filter(|_| is_path) {
        Some(name) => name.to_string_lossy().into_owned(),
        None => given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_do_not_fit_are_refused() {
        let base = Options::standard();
        base.check().unwrap();
        for (options, says) in [
            (Options { tls_cert: Some("a".into()), ..base.clone() }, "--tls-key"),
            (Options { host: String::new(), ..base.clone() }, "SMOLVLM_HOST"),
            (Options { api_key: vec![" ".into()], ..base.clone() }, "the key is empty"),
            (Options { allow_private_media: true, ..base.clone() }, "--allow-remote-media"),
            (Options { max_body: 300, ..base.clone() }, "--max-bodies"),
            (Options { cors_origin: vec!["app.example".into()], ..base.clone() }, "--cors-origin"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_switch_is_on_or_off_and_no_odd_word_opens_anything() {
        for (word, right) in [("true", Ok(true)), (" ON ", Ok(true)), ("", Ok(false)), ("No", Ok(false))] {
            assert_eq!(switch(word), right);
        }
        assert!(["disabled", "none", "2"].into_iter().all(|word| switch(word).is_err()));
    }

    #[test]
    fn a_host_that_is_a_socket() {
        let base = Options::standard();
        assert_eq!(base.place(), Place::Tcp("127.0.0.1".into(), 8080));
        let socket = Options { host: "/run/a.sock".into(), ..base.clone() };
        assert_eq!(socket.place(), Place::Unix("/run/a.sock".into()));
        assert_eq!(Options { unix: Some("b".into()), ..base }.place(), Place::Unix("b".into()));
    }

    #[test]
    fn models_are_called_without_their_folders() {
        assert_eq!(model_name("nano"), "nano");
        assert_eq!(model_name("HuggingFaceTB/SmolVLM-Instruct"), "HuggingFaceTB/SmolVLM-Instruct");
        assert_eq!(model_name("/home/ada/models/mine"), "mine");
        assert_eq!(model_name(env!("CARGO_MANIFEST_DIR")), "server");
    }
}
