//! Rules that are somebody else's: texts are posted to an address, which says whether they may pass.

use std::fmt;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, Url};
use serde::{Deserialize, Serialize};

use super::Stage;
use super::opinion::Opinion;

/// Bytes of an answer at most: the texts once more, and a reason.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Characters of a reason that callers get to see.
const REASON_CHARS_MAX: usize = 200;

/// Somebody who is asked over HTTP.
pub(crate) struct Webhook {
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) timeout: Duration,
    pub(crate) client: Client,
}

/// What is posted.
#[derive(Serialize)]
struct Question<'a> {
    guardrail: &'a str,
    /// `input` or `output`.
    stage: &'static str,
    texts: &'a [String],
}

/// What comes back.
#[derive(Deserialize)]
struct Answer {
    allowed: Option<bool>,
    reason: Option<String>,
    texts: Option<Vec<String>>,
}

impl Webhook {
    pub(super) async fn ask(
        &self,
        guardrail: &str,
        stage: Stage,
        texts: &[String],
        is_masking: bool,
    ) -> Result<Opinion, String> {
        let question = Question { guardrail, stage: stage.word(), texts };
        let answer = tokio::time::timeout(self.timeout, self.post(&question));
        let answer = answer.await.map_err(|_| format!("its webhook took longer than {:?}", self.timeout))??;
        if is_masking {
            return match (answer.texts, answer.allowed) {
                (Some(instead), _) if instead == texts => Ok(Opinion::Fine),
                (Some(instead), _) if instead.len() == texts.len() => Ok(Opinion::Instead(instead)),
                (None, Some(true)) => Ok(Opinion::Fine),
                _ => Err(format!("its webhook must answer with `texts`, a list of {} texts", texts.len())),
            };
        }
        match answer.allowed {
            Some(true) => Ok(Opinion::Fine),
            Some(false) => Ok(Opinion::Objection { label: "denied".to_owned(), words: reason(answer.reason) }),
            None => Err("its webhook must answer with `allowed`, true or false".to_owned()),
        }
    }

    async fn post(&self, question: &Question<'_>) -> Result<Answer, String> {
        // The address may hold a token.
        let unreached = |error: reqwest::Error| format!("its webhook cannot be reached: {}", error.without_url());
        let request = self.client.post(self.url.clone()).headers(self.headers.clone()).json(question);
        let mut response = request.send().await.map_err(unreached)?;
        if !response.status().is_success() {
            return Err(format!("its webhook answered HTTP {}", response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unreached)? {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(format!("its webhook answered with more than {ANSWER_BYTES_MAX} bytes"));
            }
            body.extend_from_slice(&piece);
        }
        serde_json::from_slice(&body).map_err(|error| format!("its webhook answered in an unknown shape: {error}"))
    }
}

fn reason(reason: Option<String>) -> String {
    let reason: String =
        reason.unwrap_or_default().chars().filter(|it| !it.is_control()).take(REASON_CHARS_MAX).collect();
    if reason.is_empty() { "its webhook does not allow it".to_owned() } else { reason }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Webhook({})", self.url.origin().ascii_serialization())
    }
}
