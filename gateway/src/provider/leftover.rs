//! The fields of a chat that a vendor has no words for.

use llm::Rest;
use serde_json::Value;

use crate::losses::Losses;

/// Takes fields out of a request and notes those that asked for something.
pub(super) fn leave_out(rest: &mut Rest, names: &[&str], who: &str, losses: &mut Losses) {
    for name in names {
        if rest.remove(*name).is_some_and(|it| !is_off(&it)) {
            losses.add(*name, format!("is left out: {who} has no such option"));
        }
    }
}

/// Whether a value says what is so anyway.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Object(fields) => fields.is_empty(),
        // `modalities: ["text"]`.
        Value::Array(items) => items.iter().all(|it| it == "text"),
        Value::Bool(true) | Value::String(_) => false,
    }
}
