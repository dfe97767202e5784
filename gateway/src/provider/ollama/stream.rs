//! The lines of a streamed answer as chunks of a chat.

use llm::sse::Event;
use llm::{ChatChunk, Error};
use serde_json::json;

use super::answer::{calls, durations, finish, read, usage};
use crate::dialect::EventReader;
use crate::provider::chunks::ChunkMaker;

pub(super) struct Translator {
    who: String,
    maker: ChunkMaker,
    has_begun: bool,
    tool_count: u32,
    is_done: bool,
}

impl EventReader for Translator {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let said = read(event.data.as_bytes(), &self.who)?;
        if !self.has_begun {
            self.has_begun = true;
            if let Some(model) = said["model"].as_str() {
                model.clone_into(&mut self.maker.model);
            }
            out.push(self.maker.opening());
        }
        let message = &said["message"];
        if let Some(thinking) = message["thinking"].as_str().filter(|it| !it.is_empty()) {
            out.push(self.maker.rest("reasoning_content", thinking.into()));
        }
        // A completion's text stands beside the message that a chat has.
        let text = message["content"].as_str().or_else(|| said["response"].as_str()).unwrap_or_default();
        if !text.is_empty() {
            let mut chunk = self.maker.text(text);
            if let Some(list) = said.get("logprobs").filter(|it| it.is_array()) {
                chunk.choices[0].rest.insert("logprobs".to_owned(), json!({"content": list}));
            }
            out.push(chunk);
        }
        for (id, name, arguments) in calls(message) {
            out.push(self.maker.call(self.tool_count, &id, &name, &arguments));
            self.tool_count += 1;
        }
        if said["done"] == true {
            out.push(self.maker.finish(finish(&said, self.tool_count > 0)));
            let mut counts = self.maker.counts(usage(&said));
            counts.rest = durations(&said);
            out.push(counts);
            self.is_done = true;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Translator {
    pub(super) fn new(model: &str, who: &str) -> Self {
        Self { who: who.to_owned(), maker: ChunkMaker::new(model), has_begun: false, tool_count: 0, is_done: false }
    }
}
