//! Page tokens of searches for models: each fits only the search that it came from.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::{Error, Result, model::ModelSearch};

/// The token for the page of a search that starts at `offset`.
pub(super) fn token(search: &ModelSearch, offset: usize) -> String {
    let ids: Vec<String> = search.experiment_ids.iter().map(ToString::to_string).collect();
    let content = json!({
        "experiment_ids": ids, "filter_string": search.filter, "order_by": search.order_by, "offset": offset,
    });
    STANDARD.encode(content.to_string())
}

/// Where the page that a search asks for starts.
pub(super) fn offset(search: &ModelSearch) -> Result<usize> {
    let Some(given) = search.page_token.as_deref().filter(|token| !token.is_empty()) else { return Ok(0) };
    let invalid = || Error::invalid(format!("Invalid page token: {given}"));
    let decoded = STANDARD.decode(given).map_err(|_| invalid())?;
    let content: Value = serde_json::from_slice(&decoded).map_err(|_| invalid())?;
    let offset = content.get("offset").and_then(Value::as_u64).and_then(|offset| usize::try_from(offset).ok());
    let offset = offset.filter(|offset| i64::try_from(*offset).is_ok()).ok_or_else(invalid)?;
    if token(search, offset) != STANDARD.encode(content.to_string()) {
        return Err(Error::invalid(
            "The page token belongs to another search: experiment_ids, filter and order_by must be those of the search \
             that gave it.",
        ));
    }
    Ok(offset)
}
