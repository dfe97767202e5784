//! The few facts of a Messages body that routing needs, and whether it is one at all.

use llm::Error;
use serde::Deserialize;

use crate::json::Fields;
use crate::request::{FieldForm, check_fields, excerpt, object, text_of};

/// What a body says of itself.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
}

const FIELDS: [(&str, FieldForm); 5] = [
    ("model", FieldForm::Text),
    ("stream", FieldForm::Bool),
    ("max_tokens", FieldForm::Count { min: 1 }),
    ("tools", FieldForm::List),
    ("stop_sequences", FieldForm::List),
];

/// Checks a body. Where tokens are only counted, it need not bound its output.
pub(crate) fn head(body: &[u8], needs_bound: bool) -> Result<Head, Error> {
    let fields = object(body)?;
    check_fields(&fields, &FIELDS)?;
    if needs_bound && fields.get("max_tokens").is_none() {
        return Err(Error::invalid("max_tokens", "`max_tokens` is missing; send how many tokens the answer may have"));
    }
    if let Some(system) = fields.get("system").filter(|it| !it.starts_with(['"', '['])) {
        let message = format!("`system` must be a string or a list of text blocks, but is {}", excerpt(system));
        return Err(Error::invalid("system", message));
    }
    messages(&fields)?;
    Ok(Head { model: fields.get("model").and_then(text_of), stream: fields.get("stream") == Some("true") })
}

fn messages(fields: &Fields<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct List<'a>(#[serde(borrow)] Vec<Fields<'a>>);

    let Some(text) = fields.get("messages") else {
        let message = "`messages` is missing; send the conversation, as `[{\"role\": \"user\", \"content\": \"…\"}]`";
        return Err(Error::invalid("messages", message));
    };
    let list: List<'_> = serde_json::from_str(text).map_err(|error| {
        Error::invalid("messages", format!("`messages` must be a list of objects with `role` and `content`: {error}"))
    })?;
    if list.0.is_empty() {
        return Err(Error::invalid("messages", "`messages` is empty; send at least one message"));
    }
    for (index, message) in list.0.iter().enumerate() {
        let wrong = |key: &str, form: &str| {
            let value = message.get(key).map_or_else(|| "missing".to_owned(), excerpt);
            let at = format!("messages[{index}].{key}");
            Error::invalid(at.clone(), format!("`{at}` must be {form}, but is {value}"))
        };
        if !message.get("role").is_some_and(|it| matches!(it, "\"user\"" | "\"assistant\"" | "\"system\"")) {
            return Err(wrong("role", "\"user\" or \"assistant\""));
        }
        if !message.get("content").is_some_and(|it| it.starts_with(['"', '['])) {
            return Err(wrong("content", "a string or a list of blocks"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bodies_are_named_by_field_and_value() {
        let check = |body: &str, param: Option<&str>, words: &str| {
            let Err(Error::Invalid { message, param: got }) = head(body.as_bytes(), true) else {
                panic!("accepted {body}");
            };
            assert_eq!(got.as_deref(), param, "{body}");
            assert!(message.contains(words), "{message}");
        };
        check("[]", None, "a JSON object");
        check(r#"{"messages":[]}"#, Some("max_tokens"), "is missing");
        check(r#"{"max_tokens":0,"messages":[]}"#, Some("max_tokens"), "at least 1, but is 0");
        check(r#"{"max_tokens":1}"#, Some("messages"), "is missing");
        check(r#"{"max_tokens":1,"messages":[]}"#, Some("messages"), "is empty");
        check(r#"{"max_tokens":1,"messages":[7]}"#, Some("messages"), "list of objects");
        check(
            r#"{"max_tokens":1,"messages":[{"role":"tool","content":"x"}]}"#,
            Some("messages[0].role"),
            "\"user\" or \"assistant\", but is \"tool\"",
        );
        check(
            r#"{"max_tokens":1,"messages":[{"role":"user"}]}"#,
            Some("messages[0].content"),
            "a string or a list of blocks, but is missing",
        );
        check(r#"{"max_tokens":1,"system":5,"messages":[]}"#, Some("system"), "but is 5");
        assert!(head(br#"{"messages":[{"role":"user","content":"x"}]}"#, false).is_ok_and(|it| !it.stream));
    }
}
