//! Servers of the OpenAI API that questions are put to.

use crate::error::Error;
use serde_json::Value;
use smolvlm_eval::Server;
use std::time::Duration;
use ureq::Agent;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a question is put again where the server is busy or away.
const ATTEMPTS: u32 = 5;
/// The longest answer, in bytes.
const LONGEST: u64 = 16 << 20;

/// A server.
pub(super) struct Api {
    url: String,
    key: Option<String>,
    agent: Agent,
}

impl Api {
    /// Of the address before `/v1`, or with it; a key is taken from `OPENAI_API_KEY`.
    pub(super) fn new(url: &str) -> Result<Api, Error> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Error::usage(format!("--server {url}: http://HOST:PORT would be right"));
        }
        let base = url.trim_end_matches('/').trim_end_matches("/v1");
        let config = Agent::config_builder()
            .user_agent(concat!("smolvlm/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build();
        let key = std::env::var("OPENAI_API_KEY").ok().filter(|key| !key.is_empty());
        Ok(Api { url: format!("{base}/v1/chat/completions"), key, agent: config.new_agent() })
    }

    /// The answer's status and text.
    fn post(&self, body: &str) -> Result<(u16, String), String> {
        let mut request = self.agent.post(&self.url).header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| format!("{}: {e}", self.url))?;
        let text = response.body_mut().with_config().limit(LONGEST).read_to_string();
        Ok((response.status().as_u16(), text.map_err(|e| format!("{}: {e}", self.url))?))
    }
}

impl Server for Api {
    fn ask(&self, request: &Value) -> Result<Value, String> {
        let body = request.to_string();
        let mut attempt = 1;
        loop {
            let (wait, why) = match self.post(&body) {
                Ok((200, text)) => {
                    return serde_json::from_str(&text).map_err(|e| format!("{}: no JSON: {e}", self.url));
                }
                Ok((status, text)) => {
                    (status == 429 || status >= 500, format!("{}: status {status}: {}", self.url, start(&text)))
                }
                Err(why) => (true, why),
            };
            if !wait || attempt == ATTEMPTS {
                return Err(why);
            }
            std::thread::sleep(Duration::from_millis(200) * 3u32.pow(attempt));
            attempt += 1;
        }
    }
}

/// What an error page begins with.
fn start(text: &str) -> String {
    text.chars().take(300).collect::<String>().replace('\n', " ")
}
