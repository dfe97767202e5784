//! The chunks of one streamed answer, for vendors whose events are read and told anew.

use llm::{ChatChunk, ChunkChoice, Delta, FunctionCall, Rest, Role, ToolCallDelta, Usage, unix_seconds};
use serde_json::Value;
use uuid::Uuid;

/// Makes the chunks of one answer, which share an id, a model and a time.
pub(super) struct ChunkMaker {
    pub(super) id: String,
    pub(super) model: String,
    created: u64,
}

impl ChunkMaker {
    /// For a model's answer, under an id of our own until the vendor names one.
    pub(super) fn new(model: &str) -> Self {
        Self { id: Uuid::new_v4().to_string(), model: model.to_owned(), created: unix_seconds() }
    }

    /// The first chunk, which says who speaks.
    pub(super) fn opening(&self) -> ChatChunk {
        self.chunk(Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() })
    }

    pub(super) fn text(&self, text: &str) -> ChatChunk {
        self.chunk(Delta { content: Some(text.to_owned()), ..Delta::default() })
    }

    /// A field that the vocabulary does not name: `reasoning_content`, `citations`…
    pub(super) fn rest(&self, key: &str, value: Value) -> ChatChunk {
        self.chunk(Delta { rest: Rest::from_iter([(key.to_owned(), value)]), ..Delta::default() })
    }

    /// The first piece of a tool call, with what is known of its arguments.
    pub(super) fn call(&self, index: u32, id: &str, name: &str, arguments: &str) -> ChatChunk {
        let call = ToolCallDelta {
            index,
            id: Some(id.to_owned()),
            kind: Some("function".to_owned()),
            function: Some(FunctionCall { name: name.to_owned(), arguments: arguments.to_owned() }),
            rest: Rest::new(),
        };
        self.chunk(Delta { tool_calls: vec![call], ..Delta::default() })
    }

    /// A further piece of a call's arguments.
    pub(super) fn arguments(&self, index: u32, fragment: &str) -> ChatChunk {
        let function = Some(FunctionCall { name: String::new(), arguments: fragment.to_owned() });
        let call = ToolCallDelta { index, function, ..ToolCallDelta::default() };
        self.chunk(Delta { tool_calls: vec![call], ..Delta::default() })
    }

    /// Why the answer ends, and what else the vendor says of that.
    pub(super) fn finish(&self, (reason, rest): (Option<String>, Rest)) -> ChatChunk {
        let mut last = self.chunk(Delta::default());
        last.choices[0].finish_reason = reason;
        last.choices[0].rest = rest;
        last
    }

    /// The chunk that only counts.
    pub(super) fn counts(&self, usage: Option<Usage>) -> ChatChunk {
        let mut counts = self.chunk(Delta::default());
        counts.choices.clear();
        counts.usage = usage;
        counts
    }

    fn chunk(&self, delta: Delta) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices: vec![ChunkChoice { delta, ..ChunkChoice::default() }],
            usage: None,
            rest: Rest::new(),
        }
    }
}
