//! Chunks of a chat as the events of a streamed message: one block open at a time, numbered without gaps.

use std::collections::VecDeque;

use llm::{ChatChunk, Error, Rest, ToolCallDelta, Usage};
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::reply::{call_id, id_or_own, stop};
use super::{error_event, usage_of_chat};
use crate::dialect::{EventWriter, is_another_call, reasoning_of, usage_in};

/// What has been written so far, as far as the next event depends on it.
#[derive(Default)]
pub(crate) struct Writer {
    is_started: bool,
    open: Option<Block>,
    /// Blocks that came while a call's arguments were still incomplete. A chat may mix the pieces of parallel calls, a
    /// message may not: each waits until those before it are whole.
    waiting: VecDeque<Waiting>,
    index: u32,
    calls_tools: bool,
    is_refusal: bool,
    finish: Option<String>,
    finish_rest: Rest,
    usage: Option<Usage>,
}

enum Block {
    Text,
    Thinking,
    /// A call by its number in the chat and its id, and its arguments so far.
    Tool {
        number: u32,
        id: String,
        arguments: String,
    },
}

enum Waiting {
    Text(String),
    Thinking(String),
    Tool { number: u32, start: Value, arguments: String },
    Own(Value),
}

impl EventWriter for Writer {
    fn chunk(&mut self, chunk: ChatChunk, out: &mut Vec<u8>) {
        if let Some(usage) = usage_in(&chunk) {
            self.usage = Some(usage);
        }
        // Azure's first chunk has neither an answer nor a name.
        if !self.is_started && (!chunk.choices.is_empty() || !chunk.model.is_empty()) {
            self.is_started = true;
            start(chunk.id, &chunk.model, self.usage.as_ref(), out);
        }
        let Some(choice) = chunk.choices.into_iter().find(|it| it.index == 0) else { return };
        let mut delta = choice.delta;
        if let Some(text) = reasoning_of(&delta.rest) {
            self.thinking(text, out);
        }
        if let Some(Value::Array(thoughts)) = delta.rest.shift_remove("thinking_blocks") {
            for it in thoughts {
                self.thought(it, out);
            }
        }
        if let Some(text) = delta.content.as_deref().filter(|it| !it.is_empty()) {
            self.text(text, out);
        }
        if let Some(refusal) = delta.rest.get("refusal").and_then(Value::as_str).filter(|it| !it.is_empty()) {
            self.is_refusal = true;
            self.text(refusal, out);
        }
        for call in delta.tool_calls {
            self.call(call, out);
        }
        if let Some(Value::Array(blocks)) = delta.rest.shift_remove("content_blocks") {
            for it in blocks {
                self.own(it, out);
            }
        }
        if let Some(Value::Array(citations)) = delta.rest.shift_remove("citations")
            && matches!(self.open, Some(Block::Text))
        {
            for citation in citations {
                self.delta(json!({"type": "citations_delta", "citation": citation}), out);
            }
        }
        if choice.finish_reason.is_some() {
            (self.finish, self.finish_rest) = (choice.finish_reason, choice.rest);
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        if !self.is_started {
            self.is_started = true;
            start(String::new(), "", self.usage.as_ref(), out);
        }
        self.close(out);
        self.write_waiting(out);
        let (reason, sequence) = stop(self.finish.as_deref(), &self.finish_rest, self.calls_tools, self.is_refusal);
        let delta = json!({"stop_reason": reason, "stop_sequence": sequence});
        let usage = usage_of_chat(self.usage.as_ref());
        event("message_delta", &json!({"type": "message_delta", "delta": delta, "usage": usage}), out);
        event("message_stop", &json!({"type": "message_stop"}), out);
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        error_event(error, out);
    }
}

impl Writer {
    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.must_wait() {
            match self.waiting.back_mut() {
                Some(Waiting::Text(known)) => known.push_str(text),
                _ => self.waiting.push_back(Waiting::Text(text.to_owned())),
            }
            return;
        }
        if !matches!(self.open, Some(Block::Text)) {
            self.next(Block::Text, &json!({"type": "text", "text": ""}), out);
        }
        self.delta(json!({"type": "text_delta", "text": text}), out);
    }

    fn thinking(&mut self, text: &str, out: &mut Vec<u8>) {
        if self.must_wait() {
            match self.waiting.back_mut() {
                Some(Waiting::Thinking(known)) => known.push_str(text),
                _ => self.waiting.push_back(Waiting::Thinking(text.to_owned())),
            }
            return;
        }
        if !matches!(self.open, Some(Block::Thinking)) {
            let block = json!({"type": "thinking", "thinking": "", "signature": ""});
            self.next(Block::Thinking, &block, out);
        }
        self.delta(json!({"type": "thinking_delta", "thinking": text}), out);
    }

    /// The end of a thought, with its signature; or a thought that nobody may read.
    fn thought(&mut self, thought: Value, out: &mut Vec<u8>) {
        if thought["type"] != "thinking" {
            return self.own(thought, out);
        }
        if !matches!(self.open, Some(Block::Thinking)) && !self.must_wait() {
            self.next(Block::Thinking, &json!({"type": "thinking", "thinking": "", "signature": ""}), out);
        }
        if matches!(self.open, Some(Block::Thinking)) {
            self.delta(json!({"type": "signature_delta", "signature": thought["signature"]}), out);
            self.close(out);
        }
    }

    /// A block of Anthropic's own, which comes whole.
    fn own(&mut self, block: Value, out: &mut Vec<u8>) {
        if self.must_wait() {
            return self.waiting.push_back(Waiting::Own(block));
        }
        self.close(out);
        self.start_block(&block, out);
        self.stop_block(out);
    }

    fn call(&mut self, call: ToolCallDelta, out: &mut Vec<u8>) {
        self.calls_tools = true;
        let function = call.function.unwrap_or_default();
        let is_same = |known: &str| !is_another_call(call.id.as_deref(), &function.name, known);
        let waiting = self.waiting.iter_mut().rev().find_map(|it| match it {
            Waiting::Tool { number, start, arguments }
                if *number == call.index && is_same(start["id"].as_str().unwrap_or_default()) =>
            {
                Some(arguments)
            }
            _ => None,
        });
        if let Some(arguments) = waiting {
            return arguments.push_str(&function.arguments);
        }
        if matches!(&self.open, Some(Block::Tool { number, id, .. }) if *number == call.index && is_same(id)) {
            return self.arguments(&function.arguments, out);
        }
        if function.name.is_empty() {
            // White space after a call that was whole and is closed.
            return;
        }
        let id = call_id(call.id.unwrap_or_default());
        let mut start = json!({"type": "tool_use", "id": id, "name": function.name, "input": {}});
        if let Some(start) = start.as_object_mut() {
            start.extend(call.rest);
        }
        if self.must_wait() {
            let (number, arguments) = (call.index, function.arguments);
            return self.waiting.push_back(Waiting::Tool { number, start, arguments });
        }
        self.next(Block::Tool { number: call.index, id, arguments: String::new() }, &start, out);
        self.arguments(&function.arguments, out);
    }

    fn arguments(&mut self, fragment: &str, out: &mut Vec<u8>) {
        if fragment.is_empty() {
            return;
        }
        if let Some(Block::Tool { arguments, .. }) = &mut self.open {
            arguments.push_str(fragment);
        }
        self.delta(json!({"type": "input_json_delta", "partial_json": fragment}), out);
    }

    /// Whether a call is open whose arguments are not whole yet, or something waits for one.
    fn must_wait(&self) -> bool {
        !self.waiting.is_empty()
            || matches!(&self.open, Some(Block::Tool { arguments, .. })
                if serde_json::from_str::<IgnoredAny>(arguments).is_err())
    }

    fn write_waiting(&mut self, out: &mut Vec<u8>) {
        while let Some(block) = self.waiting.pop_front() {
            let (start, delta) = match block {
                Waiting::Text(text) => {
                    (json!({"type": "text", "text": ""}), Some(json!({"type": "text_delta", "text": text})))
                }
                Waiting::Thinking(text) => (
                    json!({"type": "thinking", "thinking": "", "signature": ""}),
                    Some(json!({"type": "thinking_delta", "thinking": text})),
                ),
                Waiting::Tool { start, arguments, .. } => {
                    let delta = json!({"type": "input_json_delta", "partial_json": arguments});
                    (start, (!arguments.is_empty()).then_some(delta))
                }
                Waiting::Own(block) => (block, None),
            };
            self.start_block(&start, out);
            if let Some(delta) = delta {
                self.delta(delta, out);
            }
            self.stop_block(out);
        }
    }

    fn next(&mut self, block: Block, start: &Value, out: &mut Vec<u8>) {
        self.close(out);
        self.open = Some(block);
        self.start_block(start, out);
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.open.take().is_some() {
            self.stop_block(out);
        }
    }

    fn start_block(&self, block: &Value, out: &mut Vec<u8>) {
        let body = json!({"type": "content_block_start", "index": self.index, "content_block": block});
        event("content_block_start", &body, out);
    }

    fn stop_block(&mut self, out: &mut Vec<u8>) {
        event("content_block_stop", &json!({"type": "content_block_stop", "index": self.index}), out);
        self.index += 1;
    }

    fn delta(&self, delta: Value, out: &mut Vec<u8>) {
        let mut body = json!({"type": "content_block_delta", "index": self.index});
        body["delta"] = delta;
        event("content_block_delta", &body, out);
    }
}

/// The beginning. A chat counts its input at the end, so that the counts here are often zeros, told again later.
fn start(id: String, model: &str, usage: Option<&Usage>, out: &mut Vec<u8>) {
    let usage: Map<String, Value> = usage_of_chat(usage);
    let message = json!({
        "id": id_or_own(id), "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    event("message_start", &json!({"type": "message_start", "message": message}), out);
}

fn event(name: &str, body: &Value, out: &mut Vec<u8>) {
    llm::sse::encode(Some(name), &body.to_string(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events that deltas become, each as its type, block and what it says.
    fn written(deltas: &[Value]) -> Vec<String> {
        let mut writer = Writer::default();
        let mut out = Vec::new();
        for delta in deltas {
            let chunk = json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]});
            writer.chunk(serde_json::from_value(chunk).unwrap(), &mut out);
        }
        writer.done(&mut out);
        let mut events = Vec::new();
        llm::sse::Decoder::new(1 << 20).push(&out, &mut events).unwrap();
        events
            .iter()
            .map(|it| {
                let body: Value = serde_json::from_str(&it.data).unwrap();
                assert_eq!(it.event.as_deref(), body["type"].as_str());
                let said = ["text", "thinking", "partial_json", "signature"]
                    .iter()
                    .find_map(|key| body["delta"][*key].as_str());
                let block = body["content_block"]["type"].as_str();
                let kind = it.event.as_deref().unwrap_or_default().trim_start_matches("content_block_");
                let rest = said.or(block).map(|it| format!(" {it}")).unwrap_or_default();
                format!("{kind}{}{rest}", body["index"].as_u64().map(|it| format!(" {it}")).unwrap_or_default())
            })
            .collect()
    }

    fn call(index: u32, name: &str, arguments: &str) -> Value {
        let id = if name.is_empty() { Value::Null } else { format!("id{index}").into() };
        json!({"tool_calls": [{"index": index, "id": id, "function": {"name": name, "arguments": arguments}}]})
    }

    #[test]
    fn blocks_follow_one_another() {
        let events = written(&[
            json!({"role": "assistant", "content": ""}),
            json!({"reasoning_content": "Hm"}),
            json!({"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]}),
            json!({"content": "a"}),
            json!({"content": "b"}),
            call(0, "f", ""),
            call(0, "", "{\"x\""),
            call(0, "", ":1}"),
            call(1, "g", "{}"),
        ]);
        assert_eq!(
            events,
            [
                "message_start",
                "start 0 thinking",
                "delta 0 Hm",
                "delta 0 s",
                "stop 0",
                "start 1 text",
                "delta 1 a",
                "delta 1 b",
                "stop 1",
                "start 2 tool_use",
                "delta 2 {\"x\"",
                "delta 2 :1}",
                "stop 2",
                "start 3 tool_use",
                "delta 3 {}",
                "stop 3",
                "message_delta",
                "message_stop"
            ]
        );
    }

    #[test]
    fn calls_whose_pieces_are_mixed_come_one_after_the_other() {
        let events = written(&[
            call(0, "f", "{\"x\""),
            call(1, "g", "{\"y\""),
            call(0, "", ":1}"),
            call(1, "", ":2}"),
            json!({"content": "done"}),
        ]);
        assert_eq!(
            events,
            [
                "message_start",
                "start 0 tool_use",
                "delta 0 {\"x\"",
                "delta 0 :1}",
                "stop 0",
                "start 1 tool_use",
                "delta 1 {\"y\":2}",
                "stop 1",
                "start 2 text",
                "delta 2 done",
                "stop 2",
                "message_delta",
                "message_stop"
            ]
        );
    }

    #[test]
    fn calls_under_one_number_are_told_apart_by_their_ids() {
        let named = |id: &str, arguments: &str| json!({"tool_calls": [{"index": 0, "id": id, "function": {"name": "f", "arguments": arguments}}]});
        let events = written(&[named("a", "{}"), named("b", "{\"x\":"), call(0, "", "1}"), call(0, "", "\n")]);
        assert_eq!(
            events[1..8],
            [
                "start 0 tool_use",
                "delta 0 {}",
                "stop 0",
                "start 1 tool_use",
                "delta 1 {\"x\":",
                "delta 1 1}",
                "delta 1 \n",
            ]
        );
    }

    #[test]
    fn a_stream_of_nothing_is_a_message_of_nothing() {
        assert_eq!(written(&[]), ["message_start", "message_delta", "message_stop"]);
    }
}
