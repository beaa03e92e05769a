//! The web page at `/`: its files are part of the program.

use crate::app::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

/// Names files of `page/` with their bytes.
macro_rules! page {
    ($($name:literal),+ $(,)?) => { &[$(($name, include_bytes!(concat!("../page/", $name)))),+] };
}

const FILES: &[(&str, &[u8])] = page![
    "about.js",
    "announce.js",
    "api.js",
    "app.js",
    "camera.js",
    "cards.js",
    "clips.js",
    "composer.css",
    "composer.js",
    "conversation.js",
    "dialogs.css",
    "dom.js",
    "failure.js",
    "format.js",
    "icon.svg",
    "index.html",
    "intake.js",
    "live-dialog.js",
    "live.js",
    "markdown-inline.js",
    "markdown.js",
    "medium.js",
    "pictures.js",
    "plan.js",
    "samples.js",
    "settings-dialog.js",
    "settings.js",
    "style.css",
    "theme.js",
    "turns.css",
    "turns.js",
];

/// What the page may do: run and show its own files, and ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

fn path_of(name: &str) -> String {
    if name == "index.html" { "/".to_owned() } else { format!("/{name}") }
}

/// Whether a path is one of the page's.
pub(crate) fn has(path: &str) -> bool {
    path == "/"
        || path
            .strip_prefix('/')
            .is_some_and(|path| path != "index.html" && FILES.iter().any(|(name, _)| *name == path))
}

/// The router with the page.
pub(crate) fn add(router: Router<Arc<App>>) -> Router<Arc<App>> {
    FILES.iter().fold(router, |router, &(name, bytes)| router.route(&path_of(name), get(move || file(name, bytes))))
}

async fn file(name: &'static str, bytes: &'static [u8]) -> impl IntoResponse {
    let kind = match name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "README.md");
        names.sort();
        assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        assert!(has("/") && has("/app.js") && !has("/index.html") && !has("/../app.js") && !has("app.js"));
    }
}
