//! JSON that several handlers share: MLflow leaves absent and empty fields out and writes NaN as a text.

use serde::{Serialize, Serializer};

use super::extract::Fields;
use crate::{Result, experiment::Tag, run::Param};

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

/// Reads a param out of its object.
pub(super) fn param(fields: &mut Fields) -> Result<Param> {
    Ok(Param { key: fields.required_text("key")?, value: fields.text("value")?.unwrap_or_default() })
}
