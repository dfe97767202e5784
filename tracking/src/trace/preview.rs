//! The few words of a request or an answer that lists show.

use serde_json::Value;

use super::text::python_json;

/// The longest preview that the database's columns take.
const PREVIEW_CHARS_MAX: usize = 1000;

/// Who speaks in the message that a preview shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    User,
    Assistant,
}

/// The last message of the speaker, where the value looks like a chat; else the value itself as JSON. Long ones are cut.
pub(crate) fn preview(value: &Value, speaker: Speaker) -> String {
    if let Some(message) = last_message(value, speaker) {
        return cut(message.to_owned());
    }
    match value {
        Value::String(text) if is_json_container(text) => {
            let inner = serde_json::from_str(text).unwrap_or_default();
            cut(last_message(&inner, speaker).unwrap_or(text).to_owned())
        }
        other => cut(python_json(other)),
    }
}

/// Cuts a text to what a preview may hold.
pub(crate) fn cut(text: String) -> String {
    if text.chars().count() <= PREVIEW_CHARS_MAX {
        return text;
    }
    text.chars().take(PREVIEW_CHARS_MAX - 3).chain("...".chars()).collect()
}

fn is_json_container(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

fn last_message(value: &Value, speaker: Speaker) -> Option<&str> {
    let messages = messages(value)?;
    let role = match speaker {
        Speaker::User => "user",
        Speaker::Assistant => "assistant",
    };
    let message = messages.iter().rev().find(|it| it["role"] == role).or(messages.last())?;
    text_of(&message["content"]).filter(|it| !it.is_empty())
}

/// The messages of OpenAI's chat and responses formats, requests and answers.
fn messages(value: &Value) -> Option<Vec<&Value>> {
    let object = value.as_object()?;
    let is_message = |it: &&Value| it.get("role").is_some() && it.get("content").is_some();
    let list = |key: &str| object.get(key).and_then(Value::as_array).filter(|it| !it.is_empty());
    if let Some(messages) = list("messages") {
        return Some(messages.iter().filter(is_message).collect());
    }
    if let Some(message) = list("choices").and_then(|it| it[0].get("message")).filter(is_message) {
        return Some(vec![message]);
    }
    if let Some(items) = list("input").or_else(|| list("output")) {
        return Some(items.iter().filter(is_message).collect());
    }
    messages(object.get("request")?)
}

pub(super) fn text_of(content: &Value) -> Option<&str> {
    match content {
        Value::String(text) => Some(text),
        Value::Array(parts) => parts.iter().find_map(|part| match part {
            Value::String(text) => Some(text.as_str()),
            part if part["type"] == "text" || part["type"] == "output_text" => part["text"].as_str(),
            _ => None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn previews() {
        let check = |value: Value, speaker, expect: &str| assert_eq!(preview(&value, speaker), expect, "{value}");
        check(json!({"q": "hi", "n": 3}), Speaker::User, r#"{"q": "hi", "n": 3}"#);
        check(json!("done hi"), Speaker::Assistant, "\"done hi\"");
        let chat = json!({"messages": [
            {"role": "system", "content": "be kind"},
            {"role": "user", "content": "first"},
            {"role": "user", "content": [{"type": "image_url"}, {"type": "text", "text": "second"}]},
            {"role": "assistant", "content": "so far"},
        ]});
        check(chat.clone(), Speaker::User, "second");
        check(json!(chat.to_string()), Speaker::User, "second");
        check(
            json!({"choices": [{"message": {"role": "assistant", "content": "hello"}}]}),
            Speaker::Assistant,
            "hello",
        );
        check(json!({"choices": [{"text": "hello"}]}), Speaker::Assistant, r#"{"choices": [{"text": "hello"}]}"#);
        check(
            json!({"messages": [{"role": "user", "content": ""}]}),
            Speaker::User,
            r#"{"messages": [{"role": "user", "content": ""}]}"#,
        );
        check(
            json!({"output": [{"type": "reasoning"}, {"role": "assistant", "content": [{"type": "output_text", "text": "x"}]}]}),
            Speaker::Assistant,
            "x",
        );
    }

    #[test]
    fn long_previews_are_cut_between_characters() {
        let cut = preview(&json!({"messages": [{"role": "user", "content": "é".repeat(2000)}]}), Speaker::User);
        assert_eq!(cut, "é".repeat(997) + "...");
    }
}
