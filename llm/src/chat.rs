//! Chats: what is asked, what comes back, and the chunks in which it streams.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Rest, Usage};

/// A conversation and how it shall go on: the body of OpenAI's `POST /v1/chat/completions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Chat {
    /// The model's name; empty where the address already says which one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model: String,
    /// The turns so far, oldest first.
    pub messages: Vec<Message>,
    /// Sampling temperature, 0 (greedy) to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling: the smallest set of tokens whose probabilities sum to this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Sampling among the k likeliest tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Output tokens at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Output tokens at most, reasoning included: OpenAI's newer name for `max_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// How many answers are wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Texts that end the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// Whether the answer shall come in chunks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Seed for repeatable sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Tools that the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// `"none"`, `"auto"`, `"required"`, or the tool to call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

impl Chat {
    /// A chat of one user message.
    pub fn of(text: impl Into<String>) -> Self {
        Self { messages: vec![Message::of(Role::User, text)], ..Self::default() }
    }

    /// Output tokens at most, by whichever of the two names the caller used.
    pub fn output_tokens_max(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }
}

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The operator's instructions.
    System,
    /// The operator's instructions, as newer OpenAI models call them.
    Developer,
    /// The person.
    #[default]
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
    /// Any other role that a vendor knows.
    #[serde(untagged)]
    Other(String),
}

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; absent when the model only calls tools.
    #[serde(default)]
    pub content: Option<Content>,
    /// The speaker's name, where several share a role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Calls that the model makes.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// The call that a tool's turn answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Every other field: reasoning text, refusals, annotations, audio…
    #[serde(flatten)]
    pub rest: Rest,
}

impl Message {
    /// A turn of plain text.
    pub fn of(role: Role, text: impl Into<String>) -> Self {
        Self { role, content: Some(Content::Text(text.into())), ..Self::default() }
    }

    /// The text of this turn; parts that are no text are left out.
    pub fn text(&self) -> String {
        match &self.content {
            None => String::new(),
            Some(Content::Text(text)) => text.clone(),
            Some(Content::Parts(parts)) => parts.iter().filter_map(|it| it.text.as_deref()).collect(),
        }
    }
}

/// What is said: plain text, or a list of parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain text.
    Text(String),
    /// Text, images, files, audio, in order.
    Parts(Vec<Part>),
}

/// One part of a message: `{"type": "text", "text": …}`, `{"type": "image_url", …}`…
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// What kind of part this is.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a text part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One text or several that end the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "`stop` must be a string or a list of strings")]
pub enum Stop {
    /// A single text.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Stop {
    /// The texts as a list.
    pub fn texts(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// A tool that the model may call; `rest` holds `function` with its JSON schema, or a vendor's own kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`, or a vendor's own kind.
    #[serde(rename = "type")]
    pub kind: String,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A call that the model makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The id that the tool's answer names.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// `function`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// Which function, with which arguments; nothing in a call of another kind, which `rest` holds.
    #[serde(default, skip_serializing_if = "FunctionCall::is_nothing")]
    pub function: FunctionCall,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// Which function is called, with which arguments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionCall {
    /// The function's name.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its arguments, JSON as text.
    #[serde(default, deserialize_with = "null_as_default")]
    pub arguments: String,
}

impl FunctionCall {
    fn is_nothing(&self) -> bool {
        self.name.is_empty() && self.arguments.is_empty()
    }
}

/// The answer to a [`Chat`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatReply {
    /// The answer's id.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// `chat.completion`.
    #[serde(default = "chat_completion")]
    pub object: String,
    /// Seconds since the epoch.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created: u64,
    /// The model that answered.
    #[serde(default, deserialize_with = "null_as_default")]
    pub model: String,
    /// The answers, `n` of them.
    pub choices: Vec<ChatChoice>,
    /// Token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatChoice {
    /// Which of the `n`.
    #[serde(default)]
    pub index: u32,
    /// What the model said; absent where a filter of the vendor's kept it back.
    #[serde(default = "silence")]
    pub message: Message,
    /// `stop`, `length`, `tool_calls`, `content_filter`…
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Every other field: log-probabilities…
    #[serde(flatten)]
    pub rest: Rest,
}

/// One piece of a streamed answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChatChunk {
    /// The answer's id, the same in each of its chunks.
    #[serde(default, deserialize_with = "null_as_default")]
    pub id: String,
    /// `chat.completion.chunk`.
    #[serde(default = "chat_completion_chunk")]
    pub object: String,
    /// Seconds since the epoch.
    #[serde(default, deserialize_with = "null_as_default")]
    pub created: u64,
    /// The model that answers.
    #[serde(default, deserialize_with = "null_as_default")]
    pub model: String,
    /// What is new; empty in the chunk that carries only the usage.
    #[serde(default, deserialize_with = "null_as_default")]
    pub choices: Vec<ChunkChoice>,
    /// Token counts, in the last chunk if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// What is new in one of the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Which of the `n`.
    #[serde(default)]
    pub index: u32,
    /// What is new.
    #[serde(default, deserialize_with = "null_as_default")]
    pub delta: Delta,
    /// Set in the answer's last chunk.
    #[serde(default)]
    pub finish_reason: Option<String>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// The new piece of a message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// Who speaks, in the first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Text to append; a list of parts, as some vendors send, is read as its text.
    #[serde(default, deserialize_with = "text_of_parts", skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Pieces of tool calls.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallDelta>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

/// A piece of a tool call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which of the message's calls.
    #[serde(default)]
    pub index: u32,
    /// The call's id, in its first piece.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`, in its first piece.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name (first piece) and arguments to append.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionCall>,
    /// Every other field.
    #[serde(flatten)]
    pub rest: Rest,
}

fn function() -> String {
    "function".to_owned()
}

fn silence() -> Message {
    Message { role: Role::Assistant, ..Message::default() }
}

fn chat_completion() -> String {
    "chat.completion".to_owned()
}

fn chat_completion_chunk() -> String {
    "chat.completion.chunk".to_owned()
}

fn text_of_parts<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<Content>::deserialize(deserializer)?.map(|it| match it {
        Content::Text(text) => text,
        Content::Parts(parts) => parts.into_iter().filter_map(|it| it.text).collect(),
    }))
}

/// Vendors send `"tool_calls": null` where they mean none.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_survive_a_round_trip() {
        let wire = json!({
            "model": "m",
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}], "x": 1},
                {"role": "critic", "content": "no"},
                {"role": "assistant", "content": null,
                 "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "sig": "s"}]},
            ],
            "max_tokens": 5,
            "stop": "END",
            "response_format": {"type": "json_object"},
            "vendor": {"deep": [1, null]},
        });
        let chat: Chat = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(chat.messages[1].role, Role::Other("critic".to_owned()));
        assert_eq!(chat.output_tokens_max(), Some(5));
        assert_eq!(serde_json::to_value(&chat).unwrap(), wire);
    }

    #[test]
    fn text_of_parts_leaves_images_out() {
        let message: Message = serde_json::from_value(json!({"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}, {"type": "text", "text": "b"}]}))
        .unwrap();
        assert_eq!(message.text(), "ab");
    }

    #[test]
    fn null_tool_calls_are_none() {
        let delta: Delta = serde_json::from_value(json!({"content": "x", "tool_calls": null})).unwrap();
        assert_eq!(delta.tool_calls, vec![]);
    }

    #[test]
    fn chunks_of_every_vendors_manner_are_read() {
        let chunk: ChatChunk = serde_json::from_value(json!({"id": null, "created": null, "model": null, "choices": [
            {"delta": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "tool_calls": [
                {"index": 0, "id": "0", "function": {"name": "f", "arguments": null}}]}}]}))
        .unwrap();
        let delta = &chunk.choices[0].delta;
        assert_eq!(delta.content.as_deref(), Some("ab"));
        assert_eq!(delta.tool_calls[0].function.as_ref().map(|it| it.arguments.as_str()), Some(""));
    }
}
