//! JSON that several handlers share: MLflow leaves absent and empty fields out and writes NaN as a text.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header::CONTENT_TYPE};
use rest::Fields;
use serde::{Serialize, Serializer};

use crate::{Error, Result, experiment::Tag, run::Param};

/// An answer as MLflow writes it: JSON with two spaces for each level.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec_pretty(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(error) => Error::internal("writing an answer as JSON", error).into_response(),
        }
    }
}

/// The answer of an operation that has nothing to tell.
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// Writes a double as protobuf's JSON does: JSON itself has no NaN and no infinities.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields by reference")]
pub(crate) fn double<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.is_nan() {
        serializer.serialize_str("NaN")
    } else if value.is_infinite() {
        serializer.serialize_str(if *value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        serializer.serialize_f64(*value)
    }
}

/// Takes the list `tags` out of a request.
pub(super) fn tags(fields: &mut Fields) -> Result<Vec<Tag>> {
    let tag =
        |tag: &mut Fields| Ok(Tag { key: tag.required_text("key")?, value: tag.text("value")?.unwrap_or_default() });
    fields.objects("tags")?.iter_mut().map(tag).collect()
}

/// The same, where the check of a tag's name is what refuses one without.
pub(super) fn nameless_tags(fields: &mut Fields) -> Result<Vec<Tag>> {
    let tag = |tag: &mut Fields| {
        Ok(Tag { key: tag.text("key")?.unwrap_or_default(), value: tag.text("value")?.unwrap_or_default() })
    };
    fields.objects("tags")?.iter_mut().map(tag).collect()
}

/// Reads a param out of its object.
pub(super) fn param(fields: &mut Fields) -> Result<Param> {
    Ok(Param { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() })
}
