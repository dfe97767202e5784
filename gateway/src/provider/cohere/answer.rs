//! Cohere's answers as OpenAI's.

use llm::{
    ChatChoice, ChatReply, Content, EmbedReply, Embedding, Error, FunctionCall, Message, Rest, Role, ToolCall, Usage,
    unix_seconds,
};
use serde_json::{Value, json};

use crate::provider::upstream::bad_gateway;

pub(super) fn chat(mut said: Value, model: &str, who: &str) -> Result<ChatReply, Error> {
    let Value::Object(mut of) = said["message"].take() else {
        return Err(bad_gateway(format!("{who} answered with JSON that holds no message")));
    };
    let (finish_reason, mut choice_rest) = finish(&said, who)?;
    if let Some(list) = said.get("logprobs").filter(|it| it.is_array()) {
        // Cohere's list is one of token ids, which OpenAI's form has no place for.
        choice_rest.insert("native_logprobs".to_owned(), list.clone());
    }
    let mut message = Message { role: Role::Assistant, ..Message::default() };
    let (mut text, mut reasoning) = (String::new(), String::new());
    for part in of.get("content").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(part["text"].as_str().unwrap_or_default());
        reasoning.push_str(part["thinking"].as_str().unwrap_or_default());
    }
    for call in of.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
        message.tool_calls.push(ToolCall {
            id: call["id"].as_str().unwrap_or_default().to_owned(),
            kind: "function".to_owned(),
            function: FunctionCall {
                name: call["function"]["name"].as_str().unwrap_or_default().to_owned(),
                arguments: call["function"]["arguments"].as_str().unwrap_or("{}").to_owned(),
            },
            rest: Rest::new(),
        });
    }
    // Silence with tool calls is null in a chat; silence alone is an empty text.
    message.content = (!text.is_empty() || message.tool_calls.is_empty()).then_some(Content::Text(text));
    if !reasoning.is_empty() {
        message.rest.insert("reasoning_content".to_owned(), reasoning.into());
    }
    for name in ["tool_plan", "citations"] {
        if let Some(value) = of.remove(name).filter(|it| !it.is_null()) {
            message.rest.insert(name.to_owned(), value);
        }
    }
    Ok(ChatReply {
        id: said["id"].as_str().unwrap_or_default().to_owned(),
        object: "chat.completion".to_owned(),
        created: unix_seconds(),
        model: model.to_owned(),
        choices: vec![ChatChoice { index: 0, message, finish_reason, rest: choice_rest }],
        usage: usage(&said["usage"]),
        rest: Rest::new(),
    })
}

/// A chat's finish reason, and the word of Cohere's that it cannot tell; an answer that broke off is an error.
pub(super) fn finish(said: &Value, who: &str) -> Result<(Option<String>, Rest), Error> {
    let mut rest = Rest::new();
    let finish = match said["finish_reason"].as_str() {
        None => return Ok((None, rest)),
        Some("COMPLETE") => "stop",
        Some("STOP_SEQUENCE") => {
            rest.insert("native_finish_reason".to_owned(), "STOP_SEQUENCE".into());
            "stop"
        }
        Some("MAX_TOKENS") => "length",
        Some("TOOL_CALL") => "tool_calls",
        Some("TIMEOUT") => return Err(Error::Unavailable(format!("{who} ran out of time while it answered"))),
        Some(word) if word.starts_with("ERROR") => {
            let why = said["error"].as_str().unwrap_or(word);
            return Err(bad_gateway(format!("{who} broke off its answer: {why}")));
        }
        Some(other) => {
            rest.insert("native_finish_reason".to_owned(), other.into());
            "stop"
        }
    };
    Ok((Some(finish.to_owned()), rest))
}

/// The tokens that were read and written. What is billed, which is less, stands beside them as Cohere says it.
pub(super) fn usage(counts: &Value) -> Option<Usage> {
    let counts = counts.as_object()?;
    let tokens = counts.get("tokens").or_else(|| counts.get("billed_units"))?;
    let count = |key: &str| tokens[key].as_u64().or_else(|| whole(tokens[key].as_f64()?)).unwrap_or_default();
    let mut usage = Usage::of(count("input_tokens"), count("output_tokens"));
    usage.rest.extend(counts.iter().map(|(key, value)| (key.clone(), value.clone())));
    if let Some(cached) = counts.get("cached_tokens").and_then(Value::as_u64) {
        usage.rest.insert("prompt_tokens_details".to_owned(), json!({"cached_tokens": cached}));
    }
    Some(usage)
}

/// A count that was written as a float.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number in range")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64)
}

pub(super) fn embed(mut said: Value, model: &str, who: &str) -> Result<EmbedReply, Error> {
    let Value::Array(vectors) = said["embeddings"]["float"].take() else {
        return Err(bad_gateway(format!("{who} answered without vectors of numbers")));
    };
    let data = vectors.into_iter().zip(0..).map(|(embedding, index)| Embedding {
        object: "embedding".to_owned(),
        index,
        embedding,
    });
    let billed = &said["meta"]["billed_units"];
    let tokens = billed["input_tokens"].as_u64().or_else(|| whole(billed["input_tokens"].as_f64()?));
    Ok(EmbedReply {
        object: "list".to_owned(),
        data: data.collect(),
        model: model.to_owned(),
        usage: tokens.map(|it| Usage { completion_tokens: None, ..Usage::of(it, 0) }),
        rest: Rest::new(),
    })
}
