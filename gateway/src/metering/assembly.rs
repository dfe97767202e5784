//! Puts the chunks of a stream together into the answer that a unary call would have given.

use bytes::Bytes;
use llm::Usage;
use serde_json::{Map, Value, json};

use super::facts::{ChoiceFacts, ChunkFacts};
use crate::endpoint::Kind;

/// Answers and tool calls that are kept apart; a stream that numbers more is not believed.
const INDEX_MAX: u32 = 256;

pub(crate) struct Assembly {
    kind: Kind,
    id: String,
    model: String,
    created: u64,
    choices: Vec<Choice>,
    bytes_left: usize,
    is_truncated: bool,
}

#[derive(Default)]
struct Choice {
    is_seen: bool,
    text: String,
    reasoning: String,
    refusal: String,
    tool_calls: Vec<ToolCall>,
    finish_reason: Option<String>,
}

#[derive(Default)]
struct ToolCall {
    id: String,
    name: String,
    arguments: String,
}

impl Assembly {
    /// With `bytes_max` 0, only the finish reasons are kept.
    pub(crate) fn new(kind: Kind, bytes_max: usize) -> Self {
        Self {
            kind,
            id: String::new(),
            model: String::new(),
            created: 0,
            choices: Vec::new(),
            bytes_left: bytes_max,
            is_truncated: false,
        }
    }

    /// Adds a chunk; gives whether it says something, rather than only opening, closing or counting.
    pub(crate) fn add(&mut self, facts: &ChunkFacts<'_>) -> bool {
        if self.id.is_empty()
            && let Some(id) = &facts.id
        {
            id.0.as_ref().clone_into(&mut self.id);
            self.created = facts.created.unwrap_or_default();
        }
        if self.model.is_empty()
            && let Some(model) = &facts.model
        {
            model.0.as_ref().clone_into(&mut self.model);
        }
        let mut says_something = false;
        for choice in facts.choices.iter().flatten().filter(|it| it.index < INDEX_MAX) {
            says_something |= self.add_choice(choice);
        }
        says_something
    }

    fn add_choice(&mut self, facts: &ChoiceFacts<'_>) -> bool {
        let choice = entry(&mut self.choices, facts.index);
        choice.is_seen = true;
        if let Some(reason) = &facts.finish_reason {
            choice.finish_reason = Some(reason.0.clone().into_owned());
        }
        let mut room = Room { left: &mut self.bytes_left, is_full: &mut self.is_truncated };
        let Some(delta) = &facts.delta else {
            // Some servers of chats repeat the delta's content here, so that it counts only without one.
            return facts.text.as_ref().is_some_and(|it| room.append(&mut choice.text, &it.0));
        };
        let mut says_something = false;
        if let Some(text) = delta.content_text() {
            says_something |= room.append(&mut choice.text, &text);
        }
        if let Some(text) = delta.reasoning_text() {
            says_something |= room.append(&mut choice.reasoning, &text);
        }
        if let Some(text) = delta.refusal.and_then(|it| crate::request::text_of(it.get())) {
            says_something |= room.append(&mut choice.refusal, &text);
        }
        for call in delta.tool_calls.iter().flatten().filter(|it| it.index < INDEX_MAX) {
            let known = entry(&mut choice.tool_calls, call.index);
            if let Some(id) = call.id.as_ref().filter(|_| known.id.is_empty()) {
                room.append(&mut known.id, &id.0);
            }
            let Some(function) = &call.function else { continue };
            if let Some(name) = &function.name {
                says_something |= room.append(&mut known.name, &name.0);
            }
            if let Some(arguments) = &function.arguments {
                says_something |= room.append(&mut known.arguments, &arguments.0);
            }
        }
        says_something
    }

    /// Whether there are answers and each has its finish reason.
    pub(crate) fn is_finished(&self) -> bool {
        let mut seen = self.choices.iter().filter(|it| it.is_seen).peekable();
        seen.peek().is_some() && seen.all(|it| it.finish_reason.is_some())
    }

    /// The answer; `None` if nothing came.
    pub(crate) fn to_json(&self, usage: Option<&Usage>) -> Option<Bytes> {
        if self.choices.is_empty() && usage.is_none() {
            return None;
        }
        let choices: Vec<Value> = self
            .choices
            .iter()
            .enumerate()
            .filter(|(_, it)| it.is_seen)
            .map(|(index, it)| self.choice(index, it))
            .collect();
        let object = if self.kind == Kind::Chat { "chat.completion" } else { "text_completion" };
        let mut answer = json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model, "choices": choices,
        });
        if let Some(usage) = usage {
            answer["usage"] = json!(usage);
        }
        if self.is_truncated {
            answer["truncated"] = true.into();
        }
        Some(answer.to_string().into())
    }

    fn choice(&self, index: usize, choice: &Choice) -> Value {
        if self.kind != Kind::Chat {
            return json!({"index": index, "text": choice.text, "finish_reason": choice.finish_reason});
        }
        let mut message = Map::new();
        message.insert("role".to_owned(), "assistant".into());
        let is_silent = choice.text.is_empty() && !choice.tool_calls.is_empty();
        message.insert("content".to_owned(), if is_silent { Value::Null } else { choice.text.clone().into() });
        for (key, text) in [("reasoning_content", &choice.reasoning), ("refusal", &choice.refusal)] {
            if !text.is_empty() {
                message.insert(key.to_owned(), text.clone().into());
            }
        }
        if !choice.tool_calls.is_empty() {
            let calls = choice.tool_calls.iter().map(
                |it| json!({"id": it.id, "type": "function", "function": {"name": it.name, "arguments": it.arguments}}),
            );
            message.insert("tool_calls".to_owned(), calls.collect());
        }
        json!({"index": index, "message": message, "finish_reason": choice.finish_reason})
    }
}

/// The room that a record has left.
struct Room<'a> {
    left: &'a mut usize,
    is_full: &'a mut bool,
}

impl Room<'_> {
    /// Appends what there is room for; gives whether there was anything to append.
    fn append(&mut self, to: &mut String, text: &str) -> bool {
        if text.len() <= *self.left {
            to.push_str(text);
            *self.left -= text.len();
        } else {
            *self.left = 0;
            *self.is_full = true;
        }
        !text.is_empty()
    }
}

fn entry<T: Default>(list: &mut Vec<T>, index: u32) -> &mut T {
    let index = index as usize;
    if list.len() <= index {
        list.resize_with(index + 1, T::default);
    }
    &mut list[index]
}
