//! What a call goes on with: an earlier response or a conversation that a provider keeps.

use std::sync::Arc;

use bytes::Bytes;
use llm::Error;

use crate::Gateway;
use crate::caller::Caller;
use crate::dialect::responses::Head;
use crate::handles::{self, is_handle};
use crate::json::{patch, quote};
use crate::request::object;
use crate::served::{Endpoint, Served};

/// A body with the provider's own ids, and the one endpoint that knows them.
pub(super) struct Sequel {
    pub(super) body: Bytes,
    pub(super) endpoint: Option<Arc<Endpoint>>,
    /// The provider's ids with the handles that stood in their place.
    pub(super) known: Vec<(String, String)>,
}

/// Resolves what a body refers to. The endpoint that answered before answers again, if it is among those that the call
/// names; a call that names another one has chosen it, and its provider judges.
pub(super) fn of(
    gateway: &Gateway,
    served: &Served,
    caller: &Caller,
    head: &Head,
    body: Bytes,
) -> Result<Sequel, Error> {
    let mut changes = Vec::new();
    let mut pinned = None;
    let mut known = Vec::new();
    for (field, id) in [("previous_response_id", &head.previous), ("conversation", &head.conversation)] {
        let Some(id) = id else { continue };
        if !is_handle(id) {
            if caller.known.is_some() {
                // Keys share their providers' accounts: whoever could name a provider's id could read another team's.
                return Err(unknown(field, id));
            }
            continue;
        }
        let kept = handles::find(gateway, id, caller).map_err(|_| unknown(field, id))?;
        let is_theirs = kept.served.name() == served.name()
            || served.endpoints().iter().any(|it| it.info.name == kept.endpoint.info.name);
        if is_theirs {
            pinned = Some(kept.endpoint);
        }
        changes.push((field, renamed(&body, field, &kept.id)?));
        known.push((kept.id, id.clone()));
    }
    if changes.is_empty() {
        return Ok(Sequel { body, endpoint: pinned, known });
    }
    let changes: Vec<(&str, &str)> = changes.iter().map(|(field, value)| (*field, value.as_str())).collect();
    Ok(Sequel { body: patch(&body, &changes).map_err(|error| broken(&error))?.into(), endpoint: pinned, known })
}

/// A field with the provider's own id: a text, or an object that has it as `id`.
fn renamed(body: &[u8], field: &str, id: &str) -> Result<String, Error> {
    let fields = object(body)?;
    let value = fields.get(field).unwrap_or_default();
    if !value.starts_with('{') {
        return Ok(quote(id));
    }
    let value = patch(value.as_bytes(), &[("id", &quote(id))]).map_err(|error| broken(&error))?;
    String::from_utf8(value).map_err(|_| Error::Internal("a patched text is none".to_owned()))
}

fn broken(error: &serde_json::Error) -> Error {
    Error::Internal(format!("a checked body could not be patched: {error}"))
}

fn unknown(field: &str, id: &str) -> Error {
    let shown: String = id.chars().take(80).collect();
    Error::invalid(
        field,
        format!(
            "`{field}` is `{shown}`, under which nothing is kept here for this key; send an id from this gateway's own \
             answers, or leave it out and send the whole conversation as `input`"
        ),
    )
}
