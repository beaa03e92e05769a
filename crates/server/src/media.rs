//! The pictures of a request: out of itself, from the web, or of a folder, each as far as the server's options allow.

use crate::error::{Error, Failure};
use crate::options::Options;
use axum::http::StatusCode;
use smolvlm_processor::{is_data_url, percent_decoded, read_data_url};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Where a picture or a clip comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `data:`
    Data(String),
    /// `http:` or `https:`
    Web(String),
    /// `file:`, without the scheme.
    File(String),
}

impl Source {
    /// What an address names; `at` is its place in the request.
    pub(crate) fn of(url: &str, at: &str) -> Result<Source, Failure> {
        if is_data_url(url) {
            return Ok(Source::Data(url.to_owned()));
        }
        let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
        match scheme.as_str() {
            "http" | "https" => Ok(Source::Web(url.to_owned())),
            "file" => Ok(Source::File(url.get(5..).unwrap_or_default().to_owned())),
            _ => Err(Failure::field(
                at,
                format!("'{at}' is no address of a picture or a clip; data:image/png;base64,… would be right"),
            )
            .code("invalid_image")),
        }
    }
}

/// What requests may show, and how it comes.
pub(crate) struct Media {
    #[cfg(feature = "net")]
    limits: Option<smolvlm_fetch::Limits>,
    /// The folder, without links on its way.
    root: Option<PathBuf>,
    /// The most bytes of a picture.
    most: u64,
    /// So many are fetched at a time.
    fetches: Arc<Semaphore>,
}

const FETCHES: usize = 16;

impl Media {
    /// As the options allow.
    ///
    /// # Errors
    /// The folder is none.
    pub(crate) fn of(options: &Options) -> Result<Media, Error> {
        let root = options.media_root.as_ref().map(|path| {
            let named = |source| Error::File { path: path.display().to_string(), source };
            let root = path.canonicalize().map_err(named)?;
            match root.is_dir() {
                true => Ok(root),
                false => Err(Error::Options(format!("{}: --media-root needs a folder", path.display()))),
            }
        });
        let most = options.body_bytes() as u64;
        #[cfg(feature = "net")]
        let domains: Vec<_> = options.allow_media_domain.iter().map(|domain| domain.trim().to_owned()).collect();
        #[cfg(feature = "net")]
        let limits = options.allows_web().then(|| smolvlm_fetch::Limits {
            bytes: most,
            private: options.allow_private_media,
            hosts: (!domains.is_empty()).then_some(domains),
            ..smolvlm_fetch::Limits::default()
        });
        Ok(Media {
            #[cfg(feature = "net")]
            limits,
            root: root.transpose()?,
            most,
            fetches: Arc::new(Semaphore::new(FETCHES)),
        })
    }

    /// The bytes of pictures that need no network: of the others nothing yet. This waits for the disk.
    pub(crate) fn near(&self, sources: Vec<Source>) -> Result<Vec<Near>, Failure> {
        sources.into_iter().map(|source| self.one(source)).collect()
    }

    fn one(&self, source: Source) -> Result<Near, Failure> {
        match source {
            Source::Data(url) => Ok(Near::Here(read_data_url(&url)?)),
            Source::File(path) => Ok(Near::Here(self.file(&path)?)),
            Source::Web(url) => self.may_fetch().map(|()| Near::Far(url)),
        }
    }

    fn may_fetch(&self) -> Result<(), Failure> {
        #[cfg(feature = "net")]
        if self.limits.is_some() {
            return Ok(());
        }
        let what = "this server fetches no pictures from addresses (--allow-remote-media and --allow-media-domain allow it); \
                    a data: address would be right";
        Err(Failure::new(StatusCode::FORBIDDEN, what).code("remote_media_not_allowed").of("messages"))
    }

    /// The bytes of all, those of the web fetched.
    pub(crate) async fn all(&self, near: Vec<Near>) -> Result<Vec<Vec<u8>>, Failure> {
        let mut files = Vec::with_capacity(near.len());
        for file in near {
            files.push(match file {
                Near::Here(bytes) => bytes,
                Near::Far(url) => self.fetch(url).await?,
            });
        }
        Ok(files)
    }

    #[cfg(feature = "net")]
    async fn fetch(&self, url: String) -> Result<Vec<u8>, Failure> {
        let Some(limits) = self.limits.clone() else { return Err(Failure::internal()) };
        let permit = Arc::clone(&self.fetches).acquire_owned().await.map_err(|_| Failure::stopping())?;
        let fetched = tokio::task::spawn_blocking(move || {
            let _permit = permit; // held to the end, also where nobody waits for it any more
            smolvlm_fetch::fetch(&url, &limits)
        });
        fetched.await.map_err(|_| Failure::internal())?.map_err(|error| fetch_failure(&error))
    }

    #[cfg(not(feature = "net"))]
    async fn fetch(&self, _: String) -> Result<Vec<u8>, Failure> {
        Err(Failure::internal())
    }

    /// A file's bytes, if it lies in the folder, links on its way included. Of what lies elsewhere it is not told whether it
    /// is there.
    fn file(&self, url: &str) -> Result<Vec<u8>, Failure> {
        let Some(root) = &self.root else {
            let what =
                "this server shows no files (--media-root allows those of a folder); a data: address would be right";
            return Err(Failure::new(StatusCode::FORBIDDEN, what).code("file_media_not_allowed").of("messages"));
        };
        let none = || {
            let what = "there is no such picture in the server's folder of pictures";
            Failure::field("messages", what).code("invalid_image")
        };
        let path = path_of(url).ok_or_else(none)?;
        let path = root.join(path).canonicalize().map_err(|_| none())?;
        if !path.starts_with(root) || !path.metadata().is_ok_and(|found| found.is_file()) {
            return Err(none());
        }
        let file = open(&path).map_err(|_| none())?;
        let found = file.metadata().map_err(|_| none())?;
        if !found.is_file() {
            return Err(none());
        }
        let mut bytes = Vec::new();
        file.take(self.most.saturating_add(1)).read_to_end(&mut bytes).map_err(|_| none())?;
        if bytes.len() as u64 > self.most {
            let what = format!("the picture's file has more than {} MiB", self.most >> 20);
            return Err(Failure::field("messages", what).code("invalid_image"));
        }
        Ok(bytes)
    }
}

/// A picture or a clip that is here, its file's bytes, or the address of one.
pub(crate) enum Near {
    Here(Vec<u8>),
    Far(String),
}

/// Opens without following a link that took the file's place, nor waiting for whoever might write to a pipe that did.
fn open(path: &Path) -> std::io::Result<std::fs::File> {
    let mut how = std::fs::OpenOptions::new();
    how.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut how, libc::O_NONBLOCK | libc::O_NOFOLLOW);
    how.open(path)
}

/// The path of a `file:` address, whose scheme is off: `///a`, `/a`, `//localhost/a` and, below the folder, `a`.
fn path_of(url: &str) -> Option<PathBuf> {
    let path = match url.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(rest) => rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest),
        None => url,
    };
    percent_decoded(path).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// What a client is told of a fetch: the host that it named itself, and no more.
#[cfg(feature = "net")]
fn fetch_failure(error: &smolvlm_fetch::Error) -> Failure {
    use smolvlm_fetch::Error as E;
    let failure = |what: String| Failure::field("messages", what).code("invalid_image_url");
    match error {
        E::Network { host, what } => {
            tracing::debug!(%host, %what, "a picture was not fetched");
            failure(format!("{host} cannot be reached"))
        }
        other => failure(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_addresses_name() {
        assert_eq!(Source::of("DATA:,", "x").unwrap(), Source::Data("DATA:,".into()));
        assert_eq!(Source::of("HTTPS://a", "x").unwrap(), Source::Web("HTTPS://a".into()));
        assert_eq!(Source::of("file:///a", "x").unwrap(), Source::File("///a".into()));
        for wrong in ["", "a.png", "/etc/passwd", "ftp://a", "gopher://a", "javascript:1", "blob:a"] {
            assert_eq!(Source::of(wrong, "x").unwrap_err().param.as_deref(), Some("x"), "{wrong}");
        }
    }

    #[test]
    fn paths_of_addresses() {
        for (url, path) in [
            ("///a/b", "/a/b"),
            ("/a", "/a"),
            ("//localhost/a", "/a"),
            ("//a/b", "a/b"),
            ("a%20b", "a b"),
            ("%2e%2E/a", "../a"),
        ] {
            assert_eq!(path_of(url), Some(path.into()), "{url}");
        }
        for wrong in ["", "a%", "a%2", "a%zz", "a%00", "%ff"] {
            assert_eq!(path_of(wrong), None, "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn files_of_the_folder_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        std::fs::create_dir_all(root.join("in")).unwrap();
        std::fs::write(root.join("in/a b.png"), b"inside").unwrap();
        std::fs::write(dir.path().join("secret.png"), b"outside").unwrap();
        std::fs::write(dir.path().join("root2.png"), b"outside").unwrap();
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(&dir.path().join("secret.png"), "link.png");
        link(&root.join("in/a b.png"), "good.png");
        link(dir.path(), "up");
        link(Path::new("/dev/zero"), "zero");
        link(Path::new("loop"), "loop");
        assert!(std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
        std::fs::write(root.join("large"), vec![0; (1 << 20) + 1]).unwrap();
        let options = Options { media_root: Some(root.clone()), max_body: 1, ..Options::standard() };
        let media = Media::of(&options).unwrap();
        let absolute = format!("//{}/in/a%20b.png", root.canonicalize().unwrap().display());
        for url in ["in/a b.png", "good.png", "//in/a%20b.png", absolute.as_str()] {
            assert_eq!(media.file(url).unwrap(), b"inside", "{url}");
        }
        let outside = format!("//{}", dir.path().join("secret.png").display());
        for url in [
            "../secret.png",
            "in/../../secret.png",
            "%2e%2e/secret.png",
            "link.png",
            "up/secret.png",
            "///etc/passwd",
            "///proc/self/environ",
            "/dev/zero",
            "zero",
            "pipe",
            "loop",
            "in",
            "",
            ".",
            "nowhere.png",
            "../root2.png",
            outside.as_str(),
        ] {
            let failure = media.file(url).unwrap_err();
            assert_eq!(failure.status, 400, "{url}");
            assert!(failure.message.contains("no such picture"), "{url}: {}", failure.message);
        }
        assert!(media.file("large").unwrap_err().message.contains("more than 1 MiB"));
        let none = Media::of(&Options::standard()).unwrap();
        assert_eq!(none.file("in/a b.png").unwrap_err().status, 403);
        assert!(Media::of(&Options { media_root: Some(root.join("good.png")), ..Options::standard() }).is_err());
    }
}
