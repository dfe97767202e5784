//! The few facts of a Responses body that routing needs, and whether it is one at all.

use llm::Error;

use crate::request::{FieldForm, check_fields, excerpt, object, text_of};

/// What a body says of itself.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    /// What the call goes on with, by the names of the fields.
    pub(crate) previous: Option<String>,
    pub(crate) conversation: Option<String>,
}

const FIELDS: [(&str, FieldForm); 12] = [
    ("model", FieldForm::Text),
    ("stream", FieldForm::Bool),
    ("instructions", FieldForm::Text),
    ("temperature", FieldForm::Number { min: 0.0, max: 2.0 }),
    ("top_p", FieldForm::Number { min: 0.0, max: 1.0 }),
    ("max_output_tokens", FieldForm::Count { min: 1 }),
    ("tools", FieldForm::List),
    ("include", FieldForm::List),
    ("text", FieldForm::Object),
    ("reasoning", FieldForm::Object),
    ("parallel_tool_calls", FieldForm::Bool),
    ("store", FieldForm::Bool),
];

/// Checks a body. A call without `input` goes on where a stored one ended, which only some providers know.
pub(crate) fn head(body: &[u8]) -> Result<Head, Error> {
    let fields = object(body)?;
    check_fields(&fields, &FIELDS)?;
    match fields.get("input") {
        Some(input) if !input.starts_with(['"', '[']) => {
            let message = format!("`input` must be a string or a list of items, but is {}", excerpt(input));
            return Err(Error::invalid("input", message));
        }
        None if ["previous_response_id", "conversation", "prompt"].iter().all(|it| fields.get(it).is_none()) => {
            return Err(Error::invalid("input", "`input` is missing; send a text, or a list of items"));
        }
        _ => {}
    }
    Ok(Head {
        model: fields.get("model").and_then(text_of),
        stream: fields.get("stream") == Some("true"),
        previous: fields.get("previous_response_id").and_then(text_of),
        conversation: fields.get("conversation").and_then(id_of),
    })
}

/// A conversation is named by its id, or by an object that has it.
pub(crate) fn id_of(conversation: &str) -> Option<String> {
    text_of(conversation).or_else(|| text_of(object(conversation.as_bytes()).ok()?.get("id")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bodies_are_named_by_field_and_value() {
        let check = |body: &str, param: Option<&str>, words: &str| {
            let Err(Error::Invalid { message, param: got }) = head(body.as_bytes()) else { panic!("accepted {body}") };
            assert_eq!(got.as_deref(), param, "{body}");
            assert!(message.contains(words), "{message}");
        };
        check("7", None, "a JSON object");
        check("{}", Some("input"), "is missing");
        check(r#"{"input":{}}"#, Some("input"), "but is {}");
        check(r#"{"input":"x","instructions":[]}"#, Some("instructions"), "a string");
        check(r#"{"input":"x","max_output_tokens":0}"#, Some("max_output_tokens"), "at least 1");
        assert!(head(br#"{"previous_response_id":"resp_1"}"#).is_ok());
        assert!(head(br#"{"input":[],"stream":true,"model":"m"}"#).is_ok_and(|it| it.stream && it.model.is_some()));
    }
}
