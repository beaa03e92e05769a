//! `GET /openapi.json`: the description of all of this, for programs.

use axum::http::header;
use axum::response::IntoResponse;

const DESCRIPTION: &str = include_str!("../openapi.json");

/// The description.
pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::PATHS;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_path_is_described() {
        let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
        let described: BTreeSet<&str> = description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, PATHS.into_iter().collect());
        assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    }
}
