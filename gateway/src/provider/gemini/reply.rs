//! An answer of generateContent as the answer to a chat.

use llm::{ChatChoice, ChatReply, Content, Error, FunctionCall, Message, Rest, Role, ToolCall, unix_seconds};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::logprobs::logprobs;
use crate::dialect::gemini::usage_of_google;
use crate::provider::upstream::bad_gateway;

pub(super) fn chat_reply(answer: Value, who: &str) -> Result<ChatReply, Error> {
    // Some of Google's servers wrap a lone answer into a list.
    let answer = match answer {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        answer => answer,
    };
    let Value::Object(mut answer) = answer else {
        return Err(bad_gateway(format!("{who} answered with JSON that is no answer of generateContent")));
    };
    let choices = match answer.remove("candidates") {
        Some(Value::Array(candidates)) if !candidates.is_empty() => {
            candidates.into_iter().enumerate().map(|(index, it)| choice(index, it)).collect()
        }
        _ if blocked(&answer).is_some() => vec![refused(&answer)],
        _ => return Err(bad_gateway(format!("{who} answered without candidates and without a reason for it"))),
    };
    let head = Head::take(&mut answer);
    Ok(ChatReply {
        id: head.id,
        object: "chat.completion".to_owned(),
        created: unix_seconds(),
        model: head.model,
        choices,
        usage: answer.remove("usageMetadata").as_ref().and_then(Value::as_object).map(usage_of_google),
        rest: answer.into_iter().collect(),
    })
}

/// What each answer and each event of a stream begins with.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) model: String,
}

impl Head {
    pub(super) fn take(answer: &mut Map<String, Value>) -> Self {
        let mut text = |key: &str| match answer.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        Self { id: text("responseId"), model: text("modelVersion") }
    }
}

/// Why the prompt was not answered, where Google blocked it.
pub(super) fn blocked(answer: &Map<String, Value>) -> Option<String> {
    let feedback = answer.get("promptFeedback")?;
    let reason = feedback["blockReason"].as_str()?;
    let message = feedback["blockReasonMessage"].as_str().unwrap_or_default();
    Some(format!("Google blocked the prompt ({reason}). {message}").trim_end().to_owned())
}

fn refused(answer: &Map<String, Value>) -> ChatChoice {
    let mut message = Message { role: Role::Assistant, ..Message::default() };
    message.rest.insert("refusal".to_owned(), blocked(answer).unwrap_or_default().into());
    let finish_reason = Some("content_filter".to_owned());
    ChatChoice { index: 0, message, finish_reason, rest: Rest::new() }
}

fn choice(place: usize, candidate: Value) -> ChatChoice {
    let Value::Object(mut candidate) = candidate else {
        return choice(place, json!({}));
    };
    let mut said = Said::default();
    for part in parts_of(&mut candidate) {
        said.add(part);
    }
    let reason = candidate.remove("finishReason");
    let index = index_of(&mut candidate, place);
    let (finish_reason, mut rest) = finish(reason.as_ref(), !said.tool_calls.is_empty());
    candidate_rest(candidate, &mut rest);
    ChatChoice { index, message: said.into_message(), finish_reason, rest }
}

/// The parts of a candidate.
pub(super) fn parts_of(candidate: &mut Map<String, Value>) -> Vec<Value> {
    match candidate.remove("content") {
        Some(Value::Object(mut content)) => match content.remove("parts") {
            Some(Value::Array(parts)) => parts,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

pub(super) fn index_of(candidate: &mut Map<String, Value>, place: usize) -> u32 {
    let index = candidate.remove("index").as_ref().and_then(Value::as_u64);
    u32::try_from(index.unwrap_or(place as u64)).unwrap_or(u32::MAX)
}

/// A candidate's further fields.
pub(super) fn candidate_rest(mut candidate: Map<String, Value>, rest: &mut Rest) {
    if let Some(result) = candidate.remove("logprobsResult") {
        rest.insert("logprobs".to_owned(), logprobs(&result));
    }
    rest.extend(candidate);
}

/// What one part of an answer is to a chat.
pub(super) enum Piece {
    Text(String),
    Thought(String),
    Call(ToolCall),
    Image(Value),
    /// What a chat has no words for, as Google wrote it.
    Own(Value),
}

/// A part, and the signature that came with it.
pub(super) fn piece(mut part: Value) -> (Piece, Option<Value>) {
    let signature = part.get("thoughtSignature").filter(|it| it.is_string()).cloned();
    if let Some(text) = part.get("text").and_then(Value::as_str) {
        let text = text.to_owned();
        let is_thought = part.get("thought") == Some(&Value::Bool(true));
        return (if is_thought { Piece::Thought(text) } else { Piece::Text(text) }, signature);
    }
    if let Some(Value::Object(mut call)) = part.get_mut("functionCall").map(Value::take) {
        let mut text = |key: &str| match call.remove(key) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        let (id, name) = (text("id"), text("name"));
        let arguments = call.remove("args").filter(Value::is_object).unwrap_or_else(|| json!({})).to_string();
        let mut rest = Rest::new();
        if let Some(signature) = &signature {
            rest.insert("thought_signature".to_owned(), signature.clone());
        }
        let id = if id.is_empty() { format!("call_{}", Uuid::new_v4().simple()) } else { id };
        let kind = "function".to_owned();
        return (Piece::Call(ToolCall { id, kind, function: FunctionCall { name, arguments }, rest }), None);
    }
    if let Some(data) = part.get("inlineData")
        && let (Some(mime), Some(bytes)) = (data["mimeType"].as_str(), data["data"].as_str())
        && mime.starts_with("image/")
        && part.get("thought").is_none()
    {
        let url = format!("data:{mime};base64,{bytes}");
        return (Piece::Image(json!({"type": "image_url", "image_url": {"url": url}})), signature);
    }
    (Piece::Own(part), None)
}

/// A message as it is put together from parts.
#[derive(Default)]
struct Said {
    text: Option<String>,
    reasoning: String,
    tool_calls: Vec<ToolCall>,
    images: Vec<Value>,
    own: Vec<Value>,
    signature: Option<Value>,
}

impl Said {
    fn add(&mut self, part: Value) {
        let (piece, signature) = piece(part);
        match piece {
            Piece::Text(text) => self.text.get_or_insert_default().push_str(&text),
            Piece::Thought(text) => self.reasoning.push_str(&text),
            Piece::Call(call) => self.tool_calls.push(call),
            Piece::Image(image) => self.images.push(image),
            Piece::Own(part) => self.own.push(part),
        }
        self.signature = signature.or(self.signature.take());
    }

    fn into_message(self) -> Message {
        // Silence with tool calls is null in a chat; silence alone is an empty text.
        let text = self.text.or_else(|| self.tool_calls.is_empty().then(String::new));
        let mut rest = Rest::new();
        if !self.reasoning.is_empty() {
            rest.insert("reasoning_content".to_owned(), self.reasoning.into());
        }
        for (name, list) in [("images", self.images), ("gemini_parts", self.own)] {
            if !list.is_empty() {
                rest.insert(name.to_owned(), list.into());
            }
        }
        if let Some(signature) = self.signature {
            rest.insert("thought_signature".to_owned(), signature);
        }
        Message {
            role: Role::Assistant,
            content: text.map(Content::Text),
            tool_calls: self.tool_calls,
            rest,
            ..Message::default()
        }
    }
}

/// A chat's finish reason, and what of Google's it cannot tell.
pub(super) fn finish(reason: Option<&Value>, calls_tools: bool) -> (Option<String>, Rest) {
    let mut rest = Rest::new();
    let Some(reason) = reason.and_then(Value::as_str) else { return (None, rest) };
    let finish = match reason {
        "STOP" if calls_tools => "tool_calls",
        "STOP" => "stop",
        "MAX_TOKENS" => "length",
        other => {
            rest.insert("native_finish_reason".to_owned(), other.into());
            match other {
                "SAFETY"
                | "RECITATION"
                | "BLOCKLIST"
                | "PROHIBITED_CONTENT"
                | "SPII"
                | "LANGUAGE"
                | "IMAGE_SAFETY"
                | "IMAGE_PROHIBITED_CONTENT"
                | "IMAGE_RECITATION"
                | "MODEL_ARMOR" => "content_filter",
                _ if calls_tools => "tool_calls",
                _ => "stop",
            }
        }
    };
    (Some(finish.to_owned()), rest)
}
