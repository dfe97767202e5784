//! The events of a streamed answer as chunks of a chat.

use llm::sse::Event;
use llm::{ChatChunk, Error};
use serde_json::{Value, json};

use super::answer::{finish, usage};
use crate::dialect::EventReader;
use crate::provider::chunks::ChunkMaker;
use crate::provider::upstream::bad_gateway;

pub(super) struct Translator {
    who: String,
    maker: ChunkMaker,
    is_done: bool,
}

impl EventReader for Translator {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let said: Value = serde_json::from_str(&event.data)
            .map_err(|error| bad_gateway(format!("{} streamed an event that is no JSON: {error}", self.who)))?;
        let message = &said["delta"]["message"];
        let index = u32::try_from(said["index"].as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
        let text = |of: &Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        match said["type"].as_str().unwrap_or_default() {
            "message-start" => {
                if let Some(id) = said["id"].as_str() {
                    id.clone_into(&mut self.maker.id);
                }
                out.push(self.maker.opening());
            }
            "content-start" | "content-delta" => {
                let (words, thought) = (text(&message["content"], "text"), text(&message["content"], "thinking"));
                if !words.is_empty() {
                    out.push(self.maker.text(&words));
                }
                if !thought.is_empty() {
                    out.push(self.maker.rest("reasoning_content", thought.into()));
                }
            }
            "tool-plan-delta" => out.push(self.maker.rest("tool_plan", message["tool_plan"].clone())),
            "tool-call-start" => {
                let call = &message["tool_calls"];
                let function = &call["function"];
                let (name, arguments) = (text(function, "name"), text(function, "arguments"));
                out.push(self.maker.call(index, &text(call, "id"), &name, &arguments));
            }
            "tool-call-delta" => {
                out.push(self.maker.arguments(index, &text(&message["tool_calls"]["function"], "arguments")));
            }
            "citation-start" => out.push(self.maker.rest("citations", json!([message["citations"]]))),
            "message-end" => {
                out.push(self.maker.finish(finish(&said["delta"], &self.who)?));
                out.push(self.maker.counts(usage(&said["delta"]["usage"])));
                self.is_done = true;
            }
            // The ends of parts, and whatever comes later.
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
        Self { who: who.to_owned(), maker: ChunkMaker::new(model), is_done: false }
    }
}
