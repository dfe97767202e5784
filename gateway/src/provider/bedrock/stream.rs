//! The events of `ConverseStream` as chunks of a chat.

use std::collections::BTreeMap;

use llm::sse::Event;
use llm::{ChatChunk, Error};
use serde_json::{Value, json};

use super::reply::{finish, own, usage};
use crate::dialect::EventReader;
use crate::provider::chunks::ChunkMaker;
use crate::provider::upstream::bad_gateway;

/// What has been said so far, as far as the next chunk depends on it.
pub(super) struct Translator {
    who: String,
    maker: ChunkMaker,
    /// By `contentBlockIndex`, which counts blocks of all kinds.
    blocks: BTreeMap<u64, Block>,
    tool_count: u32,
    is_done: bool,
}

enum Block {
    Tool { index: u32, has_fragments: bool },
    Thinking { text: String, signature: String },
    Own { start: Value, deltas: Vec<Value> },
}

impl EventReader for Translator {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let said: Value = serde_json::from_str(&event.data)
            .map_err(|error| bad_gateway(format!("{} streamed an event that is no JSON: {error}", self.who)))?;
        let block = said["contentBlockIndex"].as_u64().unwrap_or_default();
        match event.event.as_deref().unwrap_or_default() {
            "messageStart" => {
                out.push(self.maker.opening());
            }
            "contentBlockStart" => self.open(block, &said["start"], out),
            "contentBlockDelta" => self.delta(block, &said["delta"], out),
            "contentBlockStop" => self.close(block, out),
            "messageStop" => {
                let mut last = self.maker.finish(finish(said["stopReason"].as_str()));
                own(&said, &mut last.rest);
                out.push(last);
            }
            "metadata" => {
                let mut counts = self.maker.counts(said.get("usage").and_then(Value::as_object).map(usage));
                own(&said, &mut counts.rest);
                out.push(counts);
                self.is_done = true;
            }
            // Whatever comes later.
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Translator {
    pub(super) fn new(model: &str, who: &str) -> Self {
        Self {
            who: who.to_owned(),
            maker: ChunkMaker::new(model),
            blocks: BTreeMap::new(),
            tool_count: 0,
            is_done: false,
        }
    }

    fn open(&mut self, number: u64, start: &Value, out: &mut Vec<ChatChunk>) {
        let Some(call) = start.get("toolUse").filter(|it| it["type"] != "server_tool_use") else {
            self.blocks.insert(number, Block::Own { start: start.clone(), deltas: Vec::new() });
            return;
        };
        let index = self.tool_count;
        self.tool_count += 1;
        let text = |key: &str| call[key].as_str().unwrap_or_default();
        out.push(self.maker.call(index, text("toolUseId"), text("name"), ""));
        self.blocks.insert(number, Block::Tool { index, has_fragments: false });
    }

    fn delta(&mut self, number: u64, delta: &Value, out: &mut Vec<ChatChunk>) {
        if let Some(Block::Own { deltas, .. }) = self.blocks.get_mut(&number) {
            deltas.push(delta.clone());
        } else if let Some(text) = delta["text"].as_str() {
            out.push(self.maker.text(text));
        } else if let Some(fragment) = delta["toolUse"]["input"].as_str() {
            if let Some(Block::Tool { index, has_fragments }) = self.blocks.get_mut(&number)
                && !fragment.is_empty()
            {
                *has_fragments = true;
                let index = *index;
                out.push(self.maker.arguments(index, fragment));
            }
        } else if let Some(thought) = delta.get("reasoningContent") {
            self.think(number, thought, out);
        } else if let Some(citation) = delta.get("citation") {
            out.push(self.maker.rest("citations", json!([citation])));
        } else {
            let start = Value::Null;
            self.blocks.insert(number, Block::Own { start, deltas: vec![delta.clone()] });
        }
    }

    fn think(&mut self, number: u64, thought: &Value, out: &mut Vec<ChatChunk>) {
        if let Some(data) = thought.get("redactedContent") {
            out.push(self.maker.rest("thinking_blocks", json!([{"type": "redacted_thinking", "data": data}])));
            return;
        }
        let block = self
            .blocks
            .entry(number)
            .or_insert_with(|| Block::Thinking { text: String::new(), signature: String::new() });
        let Block::Thinking { text, signature } = block else { return };
        signature.push_str(thought["signature"].as_str().unwrap_or_default());
        if let Some(fragment) = thought["text"].as_str().filter(|it| !it.is_empty()) {
            text.push_str(fragment);
            out.push(self.maker.rest("reasoning_content", fragment.into()));
        }
    }

    fn close(&mut self, number: u64, out: &mut Vec<ChatChunk>) {
        let chunk = match self.blocks.remove(&number) {
            // A call without arguments has no fragments, but a chat's arguments are an object even then.
            Some(Block::Tool { index, has_fragments: false }) => self.maker.arguments(index, "{}"),
            Some(Block::Thinking { text, signature }) if !signature.is_empty() => {
                let thought = json!([{"type": "thinking", "thinking": text, "signature": signature}]);
                self.maker.rest("thinking_blocks", thought)
            }
            Some(Block::Own { start, deltas }) => {
                self.maker.rest("content_blocks", json!([{"start": start, "deltas": deltas}]))
            }
            _ => return,
        };
        out.push(chunk);
    }
}
