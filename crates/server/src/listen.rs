//! Where the server listens: a port, or a UNIX socket.

use crate::error::Error;
use crate::options::{Options, Place};
use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

/// Takes connections.
pub(crate) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, Socket),
}

/// A connection, whatever of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A socket's file, which goes with it.
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Where the options say.
    ///
    /// # Errors
    /// Another listens there, or nobody may.
    pub(crate) async fn of(options: &Options) -> Result<Listener, Error> {
        match options.place() {
            Place::Tcp(host, port) => {
                let bound = TcpListener::bind((host.as_str(), port)).await;
                bound.map(Listener::Tcp).map_err(|source| Error::Listen { place: format!("{host}:{port}"), source })
            }
            Place::Unix(path) => {
                unix(&path).await.map_err(|source| Error::Listen { place: path.display().to_string(), source })
            }
        }
    }

    /// Where it listens, as an address.
    pub(crate) fn address(&self, tls: bool) -> String {
        let scheme = if tls { "https" } else { "http" };
        match self {
            Listener::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| scheme.into(), |at| format!("{scheme}://{at}"))
            }
            #[cfg(unix)]
            Listener::Unix(_, Socket(path)) => format!("{scheme}+unix:{}", path.display()),
        }
    }

    /// Whether other machines may reach it.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Listener::Tcp(listener) => listener.local_addr().is_ok_and(|at| !at.ip().is_loopback()),
            #[cfg(unix)]
            Listener::Unix(..) => false,
        }
    }

    /// The next connection.
    pub(crate) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Pieces of an answer go out as they come.
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Listener::Unix(listener, _) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

/// Binds a socket, in place of one that a server left behind.
#[cfg(unix)]
async fn unix(path: &Path) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "there is a file of this name, which is no socket",
            ));
        }
        if tokio::net::UnixStream::connect(path).await.is_ok() {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        std::fs::remove_file(path)?;
    }
    let listener = tokio::net::UnixListener::bind(path)?;
    // For the user and the group, which a server in front may share.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(Listener::Unix(listener, Socket(path.to_owned())))
}

#[cfg(not(unix))]
async fn unix(_: &Path) -> io::Result<Listener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no UNIX sockets; --host and --port would be right"))
}
