//! Chunks of a chat as the events of streamGenerateContent: whole answers with what is new.
//!
//! Google's calls of functions come in one piece. A chat may mix the pieces of parallel calls, so that they are gathered
//! until the answer ends.

use std::collections::BTreeMap;

use llm::{ChatChunk, ChunkChoice, Error, FunctionCall, Rest, Usage};
use serde_json::{Map, Value, json};

use super::reply::{end, function_call, head, image, reasoning};
use super::{error_json, usage_of_chat};
use crate::dialect::{EventWriter, usage_in};

pub(crate) struct Writer {
    shows_thoughts: bool,
    id: String,
    model: String,
    usage: Option<Usage>,
    candidates: BTreeMap<u32, Candidate>,
    /// The last event, which waits for the counts that come after it.
    last: Option<Value>,
    is_started: bool,
}

#[derive(Default)]
struct Candidate {
    calls: BTreeMap<u32, Call>,
}

#[derive(Default)]
struct Call {
    id: String,
    function: FunctionCall,
    rest: Rest,
}

impl Writer {
    pub(crate) fn new(shows_thoughts: bool) -> Self {
        Self {
            shows_thoughts,
            id: String::new(),
            model: String::new(),
            usage: None,
            candidates: BTreeMap::new(),
            last: None,
            is_started: false,
        }
    }

    fn choice(&mut self, choice: ChunkChoice, rest: Rest, out: &mut Vec<u8>) {
        let mut delta = choice.delta;
        let mut parts = Vec::new();
        if self.shows_thoughts
            && let Some(thought) = reasoning(&delta.rest)
        {
            parts.push(json!({"text": thought, "thought": true}));
        }
        if let Some(Value::Array(own)) = delta.rest.remove("gemini_parts") {
            parts.extend(own);
        }
        let refusal = delta.rest.remove("refusal").and_then(|it| it.as_str().map(str::to_owned));
        for text in [delta.content, refusal].into_iter().flatten().filter(|it| !it.is_empty()) {
            parts.push(json!({"text": text}));
        }
        if let Some(Value::Array(images)) = delta.rest.remove("images") {
            parts.extend(images.iter().filter_map(image));
        }
        if let Some(signature) = delta.rest.remove("thought_signature") {
            if parts.is_empty() {
                parts.push(json!({"text": ""}));
            }
            if let Some(last) = parts.last_mut() {
                last["thoughtSignature"] = signature;
            }
        }
        let candidate = self.candidates.entry(choice.index).or_default();
        for call in delta.tool_calls {
            let known = candidate.calls.entry(call.index).or_default();
            if let Some(id) = call.id.filter(|_| known.id.is_empty()) {
                known.id = id;
            }
            if let Some(function) = call.function {
                if known.function.name.is_empty() {
                    known.function.name = function.name;
                }
                known.function.arguments.push_str(&function.arguments);
            }
            known.rest.extend(call.rest);
        }
        if choice.finish_reason.is_some() {
            parts.extend(std::mem::take(&mut candidate.calls).into_values().map(Call::into_part));
        }
        let mut written = Map::new();
        end(&mut written, choice.finish_reason.as_deref(), choice.rest);
        if parts.is_empty() && written.is_empty() {
            return;
        }
        let mut body = Map::new();
        if !parts.is_empty() {
            body.insert("content".to_owned(), json!({"parts": parts, "role": "model"}));
        }
        body.extend(written);
        body.insert("index".to_owned(), choice.index.into());
        self.write(json!({"candidates": [body]}), rest, out);
    }

    /// Writes the event before, and keeps this one until the next: the counts belong into the last.
    fn write(&mut self, mut event: Value, rest: Rest, out: &mut Vec<u8>) {
        head(&mut event, &self.id, &self.model, rest);
        if event["candidates"][0].get("finishReason").is_none() {
            self.flush(out);
            return encode(&event, out);
        }
        self.flush(out);
        self.last = Some(event);
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if let Some(event) = self.last.take() {
            encode(&event, out);
        }
    }
}

impl EventWriter for Writer {
    fn chunk(&mut self, chunk: ChatChunk, out: &mut Vec<u8>) {
        if let Some(usage) = usage_in(&chunk) {
            self.usage = Some(usage);
        }
        if !self.is_started && !chunk.id.is_empty() {
            (self.id, self.model) = (chunk.id, chunk.model);
            self.is_started = true;
        }
        let mut rest = chunk.rest;
        for choice in chunk.choices {
            self.choice(choice, std::mem::take(&mut rest), out);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        // Calls of an answer that never said why it ended.
        let held: Vec<u32> =
            self.candidates.iter().filter(|(_, it)| !it.calls.is_empty()).map(|(index, _)| *index).collect();
        for index in held {
            let calls = std::mem::take(&mut self.candidates.entry(index).or_default().calls);
            let parts: Vec<Value> = calls.into_values().map(Call::into_part).collect();
            let body = json!({"content": {"parts": parts, "role": "model"}, "index": index});
            self.write(json!({"candidates": [body]}), Rest::new(), out);
        }
        let mut event = self.last.take().unwrap_or_else(|| {
            let mut event = json!({});
            head(&mut event, &self.id, &self.model, Rest::new());
            event
        });
        if let Some(usage) = &self.usage {
            event["usageMetadata"] = usage_of_chat(usage);
        }
        encode(&event, out);
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        self.flush(out);
        encode(&error_json(error).1, out);
    }
}

impl Call {
    fn into_part(self) -> Value {
        function_call(&self.id, &self.function.name, &self.function.arguments, &self.rest)
    }
}

fn encode(event: &Value, out: &mut Vec<u8>) {
    llm::sse::encode(None, &event.to_string(), out);
}
