//! Answers on their way to callers, in which a provider's ids become handles.

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;
use llm::sse::Event;
use serde_json::Value;

use super::{owner, write};
use crate::caller::Caller;
use crate::json::{Fields, patch, quote};
use crate::served::Endpoint;

/// The objects whose `id` is that of something kept.
const KEPT: [&str; 4] = ["response", "response.deleted", "conversation", "conversation.deleted"];

/// Makes handles of the ids that one endpoint's provider gave to one caller.
#[derive(Clone)]
pub(crate) struct Seal {
    called: String,
    endpoint: Arc<Endpoint>,
    owner: String,
    /// Ids whose handles the caller has already, perhaps by another name of the same endpoint.
    known: Vec<(String, String)>,
}

impl Seal {
    /// `called` is the name that the caller asked by.
    pub(crate) fn new(called: &str, endpoint: &Arc<Endpoint>, caller: &Caller) -> Self {
        Self { called: called.to_owned(), endpoint: Arc::clone(endpoint), owner: owner(caller), known: Vec::new() }
    }

    /// The same, with handles that the caller has sent.
    pub(crate) fn knowing(self, known: Vec<(String, String)>) -> Self {
        Self { known, ..self }
    }

    fn id(&self, id: &str) -> String {
        match self.known.iter().find(|(known, _)| known == id) {
            Some((_, handle)) => handle.clone(),
            None => write(id, &self.called, &self.endpoint, &self.owner),
        }
    }

    /// A whole answer; what keeps nothing stays as it came.
    pub(crate) fn body(&self, body: Bytes) -> Bytes {
        self.object(&body).map_or(body, Bytes::from)
    }

    /// An event, where it shows a response.
    pub(crate) fn event(&self, event: &mut Event) {
        if let Some(data) = self.showing(&event.data) {
            event.data = data;
        }
    }

    /// An error that is a response which has failed, or the event that tells of one.
    pub(crate) fn error(&self, error: &Error) -> Option<Error> {
        let Error::Upstream { status, message, body: Some(body) } = error else { return None };
        let text = body.to_string();
        let sealed = match body.get("response") {
            Some(_) => self.showing(&text)?.into_bytes(),
            None => self.object(text.as_bytes())?,
        };
        let body: Value = serde_json::from_slice(&sealed).ok()?;
        Some(Error::Upstream { status: *status, message: message.clone(), body: Some(body) })
    }

    /// An event's data with the response in it sealed.
    fn showing(&self, data: &str) -> Option<String> {
        // Most events are pieces of text; within one, the quotes would have backslashes.
        if !data.contains("\"response\":") {
            return None;
        }
        let fields: Fields<'_> = serde_json::from_str(data).ok()?;
        let response = self.object(fields.get("response")?.as_bytes())?;
        let response = String::from_utf8(response).ok()?;
        String::from_utf8(patch(data.as_bytes(), &[("response", &response)]).ok()?).ok()
    }

    fn object(&self, body: &[u8]) -> Option<Vec<u8>> {
        let fields: Fields<'_> = serde_json::from_slice(body).ok()?;
        let text = |name: &str| serde_json::from_str::<String>(fields.get(name)?).ok();
        if !KEPT.contains(&text("object")?.as_str()) {
            return None;
        }
        let mut changes = Vec::with_capacity(3);
        for name in ["id", "previous_response_id"] {
            if let Some(id) = text(name) {
                changes.push((name, quote(&self.id(&id))));
            }
        }
        if let Some(conversation) = fields.get("conversation")
            && let Ok(inner) = serde_json::from_str::<Fields<'_>>(conversation)
            && let Some(id) = inner.get("id").and_then(|it| serde_json::from_str::<String>(it).ok())
        {
            let sealed = patch(conversation.as_bytes(), &[("id", &quote(&self.id(&id)))]).ok()?;
            changes.push(("conversation", String::from_utf8(sealed).ok()?));
        }
        let changes: Vec<(&str, &str)> = changes.iter().map(|(name, value)| (*name, value.as_str())).collect();
        patch(body, &changes).ok()
    }
}
