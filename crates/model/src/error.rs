//! What can be wrong with a checkpoint.

/// Every way in which a checkpoint can be refused.
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
    /// A settings file is not what it should be.
    #[error("{path}: {what}")]
    Settings {
        /// The file.
        path: String,
        /// What is wrong, and what would be right.
        what: String,
    },
    /// A weights file's header does not hold together.
    #[error("{path}: not a usable file of weights: {what}")]
    Header {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// Plain weights are wanted.
    #[error("{path}: its weights are in few bits; the model that they were made of would be right here")]
    FewBits {
        /// The folder.
        path: String,
    },
    /// The folder holds no weights in a form that is read.
    #[error("{path}: {what}")]
    NoWeights {
        /// The folder.
        path: String,
        /// What was looked for and found.
        what: String,
    },
    /// A tensor that the network needs is not there.
    #[error("{path}: tensor '{name}' is missing; the config asks for one of shape {shape:?}")]
    Missing {
        /// The file or folder.
        path: String,
        /// The tensor.
        name: String,
        /// Its shape by the config.
        shape: Vec<usize>,
    },
    /// A tensor has another shape than the config says.
    #[error("{path}: tensor '{name}' has shape {found:?}, but the config asks for {shape:?}")]
    Shape {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its shape in the file.
        found: Vec<usize>,
        /// Its shape by the config.
        shape: Vec<usize>,
    },
    /// A tensor's numbers are of a type that is not read.
    #[error("{path}: tensor '{name}' holds {dtype}; weights are read in F32, F16 and BF16")]
    DType {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// A tensor that no part of the network reads.
    #[error(
        "{path}: tensor '{name}' of shape {found:?} belongs to no part of this network{}",
        if *others > 0 { format!(" (nor do {others} more)") } else { String::new() }
    )]
    Extra {
        /// The file.
        path: String,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// How many more there are.
        others: usize,
    },
    /// An adapter does not fit.
    #[error("{what}")]
    Adapter {
        /// What is wrong, and what would be right.
        what: String,
    },
}
