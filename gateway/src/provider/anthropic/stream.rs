//! The events of a streamed message as chunks of a chat.

use std::collections::BTreeMap;

use llm::sse::Event;
use llm::{ChatChunk, ChunkChoice, Delta, Error, FunctionCall, Rest, Role, ToolCallDelta, unix_seconds};
use serde_json::{Map, Value, json};

use super::reply::finish;
use crate::dialect::EventReader;
use crate::dialect::messages::usage_of_message;
use crate::provider::upstream::bad_gateway;

/// What has been said so far, as far as the next chunk depends on it.
#[derive(Default)]
pub(super) struct Translator {
    who: String,
    id: String,
    model: String,
    created: u64,
    counts: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
    tool_count: u32,
    stop_reason: Option<Value>,
    stop_sequence: Option<Value>,
    is_stopped: bool,
}

enum Block {
    Text,
    Tool { index: u32, input: Value, has_fragments: bool },
    Thinking { text: String, signature: String },
    Own { block: Value, input: String },
}

impl EventReader for Translator {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let event: Value = serde_json::from_str(&event.data)
            .map_err(|error| bad_gateway(format!("{} streamed an event that is no JSON: {error}", self.who)))?;
        let block = event["index"].as_u64().unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "message_start" => self.start(&event["message"], out),
            "content_block_start" => self.open(block, &event["content_block"], out),
            "content_block_delta" => self.delta(block, &event["delta"], out),
            "content_block_stop" => self.close(block, out),
            "message_delta" => {
                for (slot, key) in [(&mut self.stop_reason, "stop_reason"), (&mut self.stop_sequence, "stop_sequence")]
                {
                    if let Some(value) = event["delta"].get(key).filter(|it| !it.is_null()) {
                        *slot = Some(value.clone());
                    }
                }
                self.count(&event["usage"]);
            }
            "message_stop" => self.stop(out),
            // `ping`, and whatever comes later.
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_stopped
    }
}

impl Translator {
    pub(super) fn new(who: String) -> Self {
        Self { who, ..Self::default() }
    }

    fn start(&mut self, message: &Value, out: &mut Vec<ChatChunk>) {
        message["id"].as_str().unwrap_or_default().clone_into(&mut self.id);
        message["model"].as_str().unwrap_or_default().clone_into(&mut self.model);
        self.created = unix_seconds();
        self.count(&message["usage"]);
        out.push(self.chunk(Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() }));
    }

    fn open(&mut self, number: u64, block: &Value, out: &mut Vec<ChatChunk>) {
        let opened = match block["type"].as_str().unwrap_or_default() {
            "text" => {
                self.text(block["text"].as_str().unwrap_or_default(), out);
                Block::Text
            }
            "thinking" => {
                let text = block["thinking"].as_str().unwrap_or_default().to_owned();
                Block::Thinking { text, signature: String::new() }
            }
            "tool_use" => {
                let index = self.tool_count;
                self.tool_count += 1;
                let call = ToolCallDelta {
                    index,
                    id: Some(block["id"].as_str().unwrap_or_default().to_owned()),
                    kind: Some("function".to_owned()),
                    function: Some(FunctionCall {
                        name: block["name"].as_str().unwrap_or_default().to_owned(),
                        arguments: String::new(),
                    }),
                    rest: Rest::new(),
                };
                out.push(self.chunk(Delta { tool_calls: vec![call], ..Delta::default() }));
                Block::Tool { index, input: block["input"].clone(), has_fragments: false }
            }
            _ => Block::Own { block: block.clone(), input: String::new() },
        };
        self.blocks.insert(number, opened);
    }

    fn delta(&mut self, number: u64, delta: &Value, out: &mut Vec<ChatChunk>) {
        let text = |key: &str| delta[key].as_str().unwrap_or_default();
        match (delta["type"].as_str().unwrap_or_default(), self.blocks.get_mut(&number)) {
            ("text_delta", _) => self.text(text("text"), out),
            ("input_json_delta", Some(Block::Tool { index, has_fragments, .. })) => {
                let fragment = text("partial_json");
                if !fragment.is_empty() {
                    *has_fragments = true;
                    let index = *index;
                    out.push(self.arguments(index, fragment));
                }
            }
            ("input_json_delta", Some(Block::Own { input, .. })) => input.push_str(text("partial_json")),
            ("thinking_delta", Some(Block::Thinking { text: known, .. })) => {
                let fragment = text("thinking");
                known.push_str(fragment);
                if !fragment.is_empty() {
                    let rest = Rest::from_iter([("reasoning_content".to_owned(), fragment.into())]);
                    out.push(self.chunk(Delta { rest, ..Delta::default() }));
                }
            }
            ("signature_delta", Some(Block::Thinking { signature, .. })) => signature.push_str(text("signature")),
            ("citations_delta", _) => {
                let rest = Rest::from_iter([("citations".to_owned(), json!([delta["citation"]]))]);
                out.push(self.chunk(Delta { rest, ..Delta::default() }));
            }
            _ => {}
        }
    }

    fn close(&mut self, number: u64, out: &mut Vec<ChatChunk>) {
        let chunk = match self.blocks.remove(&number) {
            // A call without arguments has no fragments, but a chat's arguments are an object even then.
            Some(Block::Tool { index, input, has_fragments: false }) => {
                let input = if input.is_object() { input.to_string() } else { "{}".to_owned() };
                self.arguments(index, &input)
            }
            Some(Block::Thinking { text, signature }) if !signature.is_empty() => {
                let thought = json!([{"type": "thinking", "thinking": text, "signature": signature}]);
                self.own("thinking_blocks", thought)
            }
            Some(Block::Own { mut block, input }) => {
                if let Ok(input) = serde_json::from_str::<Value>(&input) {
                    block["input"] = input;
                }
                let key = if block["type"] == "redacted_thinking" { "thinking_blocks" } else { "content_blocks" };
                self.own(key, json!([block]))
            }
            _ => return,
        };
        out.push(chunk);
    }

    fn stop(&mut self, out: &mut Vec<ChatChunk>) {
        self.is_stopped = true;
        let (finish_reason, rest) = finish(self.stop_reason.as_ref(), self.stop_sequence.as_ref());
        let mut last = self.chunk(Delta::default());
        last.choices[0].finish_reason = finish_reason;
        last.choices[0].rest = rest;
        out.push(last);
        let mut counts = self.chunk(Delta::default());
        counts.choices.clear();
        counts.usage = Some(usage_of_message(&self.counts));
        out.push(counts);
    }

    /// Counts come several times, each time as they are now.
    fn count(&mut self, counts: &Value) {
        for (key, value) in counts.as_object().into_iter().flatten() {
            if !value.is_null() {
                self.counts.insert(key.clone(), value.clone());
            }
        }
    }

    fn text(&self, text: &str, out: &mut Vec<ChatChunk>) {
        if !text.is_empty() {
            out.push(self.chunk(Delta { content: Some(text.to_owned()), ..Delta::default() }));
        }
    }

    fn arguments(&self, index: u32, fragment: &str) -> ChatChunk {
        let function = Some(FunctionCall { name: String::new(), arguments: fragment.to_owned() });
        let call = ToolCallDelta { index, function, ..ToolCallDelta::default() };
        self.chunk(Delta { tool_calls: vec![call], ..Delta::default() })
    }

    fn own(&self, key: &str, value: Value) -> ChatChunk {
        self.chunk(Delta { rest: Rest::from_iter([(key.to_owned(), value)]), ..Delta::default() })
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
