//! Anthropic's models on Vertex AI: messages whose model stands in the address, and whose version in the body.

use bytes::Bytes;
use llm::Error;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::config::Settings;
use crate::dialect::{Dialect, EventReader};
use crate::endpoint::Kind;
use crate::json::{quote, reshaped};
use crate::losses::Losses;
use crate::provider::anthropic::{Anthropic, BETA};
use crate::provider::{Outgoing, Protocol};
use crate::request::Request;

const VERSION: &str = "vertex-2023-10-16";

pub(super) struct Claude {
    messages: Anthropic,
    model: String,
    /// The betas that callers may ask for; all where none are named. Vertex refuses calls with one that it does not know.
    betas: Option<Vec<String>>,
}

impl Claude {
    pub(super) fn new(model: &str, settings: &Settings, who: String) -> Self {
        Self {
            messages: Anthropic::new(model, settings.count("max_tokens"), who),
            model: model.to_owned(),
            betas: settings.texts("anthropic_betas").cloned(),
        }
    }

    /// Messages as Vertex takes them, without the fields that it has elsewhere.
    fn moved(&self, outgoing: Outgoing, gone: &[&str], method: &str) -> Result<Outgoing, Error> {
        let body = reshaped(&outgoing.body, gone, &[("anthropic_version", &quote(VERSION))])
            .map_err(|error| Error::Internal(format!("a checked body is no object: {error}")))?;
        let mut headers = outgoing.headers;
        headers.remove("anthropic-version");
        if let Some(betas) = &self.betas {
            let asked: Vec<String> = headers
                .get_all(BETA)
                .iter()
                .filter_map(|it| it.to_str().ok())
                .flat_map(|it| it.split(',').map(|it| it.trim().to_owned()))
                .filter(|it| betas.contains(it))
                .collect();
            headers.remove(BETA);
            if !asked.is_empty()
                && let Ok(asked) = HeaderValue::from_str(&asked.join(","))
            {
                headers.insert(BETA, asked);
            }
        }
        Ok(Outgoing { path: format!("publishers/anthropic/models/{method}"), body, headers })
    }
}

impl Protocol for Claude {
    fn speaks(&self, dialect: Dialect, kind: Kind) -> bool {
        self.messages.speaks(dialect, kind)
    }

    fn outgoing(&self, request: &Request, losses: &mut Losses) -> Result<Outgoing, Error> {
        let method = if request.stream { "streamRawPredict" } else { "rawPredict" };
        let outgoing = self.messages.outgoing(request, losses)?;
        self.moved(outgoing, &["model"], &format!("{}:{method}", self.model))
    }

    /// Counting is a model of its own, which is told in the body what counts.
    fn counting(&self, request: &Request) -> Result<Option<Outgoing>, Error> {
        let counting = self.messages.counting(request)?;
        counting.map(|it| self.moved(it, &[], "count-tokens:rawPredict")).transpose()
    }

    fn counted(&self, answer: &Value) -> Option<u64> {
        self.messages.counted(answer)
    }

    fn answer(&self, request: &Request, body: Bytes, headers: &HeaderMap) -> Result<Bytes, Error> {
        self.messages.answer(request, body, headers)
    }

    fn reader(&self, request: &Request) -> Box<dyn EventReader> {
        self.messages.reader(request)
    }
}
