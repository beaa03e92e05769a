//! Why a name did not become files.

use std::{io, path::PathBuf};

/// Why a name did not become files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program was built without the model that it would carry.
    #[error(
        "nano: this program was built without it; give the path of a checkpoint folder (./nano, if one is called so)"
    )]
    NoNano,
    /// The name is empty.
    #[error("the model's name is empty; give the path of a checkpoint folder, or a name on the hub")]
    Empty,
    /// There is nothing at this path, and it is no name on the hub.
    #[error("{dir}: no such folder")]
    NoFolder {
        /// The path.
        dir: PathBuf,
    },
    /// Neither a folder nor a name.
    #[error("{name}: no such folder, and no short name of a model; smolvlm models lists those that there are")]
    Unknown {
        /// What was given.
        name: String,
    },
    /// The path is a file.
    #[error("{path}: a file, not a folder; give the checkpoint folder that it lies in")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// The folder is no checkpoint.
    #[error("{dir}: no config.json in it; a checkpoint folder holds config.json, *.safetensors and tokenizer.json")]
    NoConfig {
        /// The folder.
        dir: PathBuf,
    },
    /// An adapter where a model should be.
    #[error("{name}: an adapter, no model; -m its base with --adapter {name} would be right")]
    AdapterAlone {
        /// The folder.
        name: String,
    },
    /// GGUF files alone, of which none was named.
    #[error("{dir}: no config.json in it, but GGUF files: the path of one of them would be right: {there}")]
    GgufFolder {
        /// The folder.
        dir: PathBuf,
        /// The files that are there.
        there: String,
    },
    /// There are no weights.
    #[error("{dir}: no weights in it: neither model.safetensors nor model.safetensors.index.json with its parts")]
    NoWeights {
        /// The folder.
        dir: PathBuf,
    },
    /// The only weights are pickled.
    #[error(
        "{path}: pickled weights are refused, as reading them runs code from the file; convert them to \
         model.safetensors"
    )]
    Pickled {
        /// The first such file by name.
        path: PathBuf,
    },
    /// A pair of GGUF files that is none.
    #[error(transparent)]
    Gguf(#[from] smolvlm_gguf::Error),
    /// A tower's file where a decoder's should be.
    #[error("{path}: a tower's file (mmproj), which sees and does not speak; -m takes its decoder's file: {there}")]
    Tower {
        /// The tower's file.
        path: PathBuf,
        /// The decoders' files beside it.
        there: String,
    },
    /// Which file has the tower is not clear.
    #[error("{text}: {count} files mmproj*.gguf lie beside it; --mmproj FILE names the file of its tower")]
    Mmproj {
        /// The decoder's file.
        text: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// A quantisation that a repository has not, or has several times.
    #[error("{name} has no file of {quant} that is the only one; its GGUF files: {there}")]
    Quant {
        /// The repository.
        name: String,
        /// What was asked for.
        quant: String,
        /// The files that are there.
        there: String,
    },
    /// A repository of GGUF files, of which none was named.
    #[error("{name} has GGUF files alone; {name}:QUANT names one of them: {there}")]
    GgufAlone {
        /// The repository.
        name: String,
        /// The files that are there.
        there: String,
    },
    /// A tower's file with a model that has its own.
    #[error("{name}: no GGUF file of a decoder, so there is nothing that --mmproj could belong to")]
    NotGguf {
        /// The model's name.
        name: String,
    },
    /// Something cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the cache cannot be read or written.
    #[error("{path}: {source}")]
    Write {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No folder for the cache.
    #[error("neither HF_HUB_CACHE, HF_HOME nor HOME is set: name a folder for downloaded models in HF_HUB_CACHE")]
    NoCache,
    /// It is not here, and the network is not to be asked.
    #[error("{name}: no such folder here, not in the cache, and HF_HUB_OFFLINE forbids to fetch it")]
    Offline {
        /// The model's name.
        name: String,
    },
    /// It is not here, and the program was built without the network.
    #[error(
        "{name}: no such folder here, not in the cache, and this program was built without the network to fetch it"
    )]
    NoNetwork {
        /// The model's name.
        name: String,
    },
    /// A model that is removed or checked is not in the cache.
    #[error("{name}: not in the cache; smolvlm models lists what is")]
    NotHere {
        /// The model's name.
        name: String,
    },
    /// A data set has none of the files that are wanted.
    #[error("{name}: no file of it is called {wanted}")]
    NoData {
        /// The data set.
        name: String,
        /// The patterns of names that were looked for.
        wanted: String,
    },
    /// The hub knows no such model, or does not show it to who asks.
    #[error("{name}: no such folder here, and the hub has no such model{}", hint(*signed))]
    NoRepo {
        /// The model's name.
        name: String,
        /// Whether a token was shown.
        signed: bool,
    },
    /// The model has no such branch, tag or commit.
    #[error("{name}: it has no revision '{revision}'; a branch, a tag or a whole commit behind @ would be right")]
    NoRevision {
        /// The model's name.
        name: String,
        /// What was asked for.
        revision: String,
    },
    /// Its licence must be agreed to.
    #[error(
        "{name}: access must be asked for first: agree to its terms on its page on the hub{}",
        if *signed { ", with the account that HF_TOKEN belongs to" } else { ", then set HF_TOKEN to a token of yours" }
    )]
    Gated {
        /// The model's name.
        name: String,
        /// Whether a token was shown.
        signed: bool,
    },
    /// What the name means is no checkpoint.
    #[error("{name}: there is no config.json at the top of it, so it is no checkpoint that this program can read")]
    NoModel {
        /// The model's name.
        name: String,
    },
    /// Too many questions.
    #[error(
        "the hub asks to wait{}{}",
        wait.map_or(String::new(), |seconds: u64| format!(" {seconds} s")),
        if *signed { "" } else { "; who sets HF_TOKEN may ask more often" }
    )]
    RateLimit {
        /// Seconds, where it said.
        wait: Option<u64>,
        /// Whether a token was shown.
        signed: bool,
    },
    /// The hub refuses for another reason.
    #[error("{name}: the hub answers with status {status}{said}")]
    Refused {
        /// The model's name.
        name: String,
        /// The status of HTTP.
        status: u16,
        /// What it said, with what stands before it.
        said: String,
    },
    /// The answer is not the hub's.
    #[error("{endpoint}: what answers there is not a hub of models; HF_ENDPOINT names one")]
    NotTheHub {
        /// Where it was asked.
        endpoint: String,
    },
    /// The network.
    #[error("{endpoint}: {what}; is there a network, and are HTTPS_PROXY and HF_ENDPOINT right?")]
    Network {
        /// Where it was asked.
        endpoint: String,
        /// What happened.
        what: String,
    },
    /// What answers cannot be trusted, or does not speak TLS.
    #[error("{endpoint}: {what}")]
    Tls {
        /// Where it was asked.
        endpoint: String,
        /// What is wrong.
        what: String,
    },
    /// A proxy that cannot be used.
    #[error("{name} is '{url}', which is no proxy that this program can use; http://HOST:PORT would be right")]
    Proxy {
        /// The variable that names it.
        name: String,
        /// What it says.
        url: String,
    },
    /// A download ended early.
    #[error("{file}: {what}; what has come is kept, and the same command goes on from there")]
    Cut {
        /// The file.
        file: String,
        /// What happened.
        what: String,
    },
    /// A download's bytes are wrong, again and again.
    #[error("{file}: what came is not what the hub's hash says; something on the way changes it")]
    Damaged {
        /// The file.
        file: String,
    },
    /// No room.
    #[error("{path}: the disk is full; the whole file has {} MB. HF_HUB_CACHE may name a folder on another", size.div_ceil(1_000_000))]
    DiskFull {
        /// What was being written.
        path: PathBuf,
        /// In bytes.
        size: u64,
    },
    /// A thread ended without a result.
    #[error("a download ended without a result")]
    Worker,
}

impl Error {
    /// Whether the same may go well in a moment.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Error::Network { .. } | Error::Cut { .. } | Error::Damaged { .. } => true,
            Error::Refused { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }
}

fn hint(signed: bool) -> &'static str {
    match signed {
        true => ", or the account of HF_TOKEN may not see it",
        false => "; if it is private, set HF_TOKEN to a token of yours",
    }
}
