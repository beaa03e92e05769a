//! Why a file was not fetched.

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The URL is none, or none of those that are fetched.
    #[error("'{url}' {reason}")]
    Url {
        /// Its beginning.
        url: String,
        /// What is wrong and what would be right.
        reason: &'static str,
    },
    /// The host, or where it leads to, is not on the public network.
    #[error("{host} is an address of a private network or of this machine; only public ones are fetched from")]
    Private {
        /// The host.
        host: String,
    },
    /// The host is none of those that may be asked.
    #[error("{host} is none of the hosts that may be fetched from")]
    Host {
        /// The host.
        host: String,
    },
    /// The host does not answer with a file.
    #[error("{host} answers with the status {status} and no file")]
    Status {
        /// The host.
        host: String,
        /// What it answers.
        status: u16,
    },
    /// It leads on and on.
    #[error("more than {most} redirects")]
    Redirects {
        /// The most that are followed.
        most: usize,
    },
    /// The file is packed in a way that was not asked for.
    #[error("{host} sends the file packed ({encoding}), which was not asked for")]
    Encoding {
        /// The host.
        host: String,
        /// How.
        encoding: String,
    },
    /// The file is too large.
    #[error("the file of {host} has more than {most} bytes")]
    Size {
        /// The host.
        host: String,
        /// The most bytes that are read.
        most: u64,
    },
    /// It takes too long.
    #[error("{host} has not sent the file after {seconds} seconds")]
    Time {
        /// The host.
        host: String,
        /// The most seconds in all.
        seconds: u64,
    },
    /// The host cannot be found or reached, or breaks off.
    #[error("{host}: {what}")]
    Network {
        /// The host.
        host: String,
        /// What went wrong.
        what: String,
    },
}
