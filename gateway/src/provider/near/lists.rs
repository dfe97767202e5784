//! Contents that come as lists of parts, told as a chat's text and reasoning.

use serde_json::Value;

/// Puts the texts of a message's parts into its `content`, its thoughts into `reasoning_content`. What is neither stays
/// to be seen in `content_parts`.
pub(super) fn to_text(message: &mut Value) {
    let Some(Value::Array(parts)) = message.get_mut("content").filter(|it| it.is_array()).map(Value::take) else {
        return;
    };
    let (mut text, mut reasoning, mut others) = (String::new(), String::new(), Vec::new());
    for part in parts {
        match part["type"].as_str() {
            Some("text") => text.push_str(part["text"].as_str().unwrap_or_default()),
            // Mistral: `{"type": "thinking", "thinking": [{"type": "text", "text": …}]}`.
            Some("thinking") => push_texts(&part["thinking"], &mut reasoning),
            // Databricks: `{"type": "reasoning", "summary": [{"type": "summary_text", "text": …, "signature": …}]}`.
            Some("reasoning") => {
                push_texts(&part["summary"], &mut reasoning);
                if part["summary"].as_array().into_iter().flatten().any(|it| it.get("signature").is_some()) {
                    others.push(part);
                }
            }
            _ => others.push(part),
        }
    }
    message["content"] = text.into();
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !others.is_empty() {
        message["content_parts"] = others.into();
    }
}

fn push_texts(parts: &Value, out: &mut String) {
    match parts {
        Value::String(text) => out.push_str(text),
        parts => {
            for part in parts.as_array().into_iter().flatten() {
                out.push_str(part["text"].as_str().unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thoughts_and_texts_are_told_apart() {
        let check = |content: Value, expected: Value| {
            let mut message = json!({"role": "assistant", "content": content});
            to_text(&mut message);
            message.as_object_mut().unwrap().remove("role");
            assert_eq!(message, expected);
        };
        check(json!("hi"), json!({"content": "hi"}));
        check(
            json!([{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]},
                   {"type": "text", "text": "hi"}]),
            json!({"content": "hi", "reasoning_content": "hm"}),
        );
        check(
            json!([{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}]),
            json!({"content": "", "reasoning_content": "hm"}),
        );
        check(
            json!([{"type": "reference", "reference_ids": [1]}, {"type": "text", "text": "a"}]),
            json!({"content": "a", "content_parts": [{"type": "reference", "reference_ids": [1]}]}),
        );
    }
}
