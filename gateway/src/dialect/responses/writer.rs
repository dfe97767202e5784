//! Chunks of a chat as the events of a streamed response, in the order of OpenAI's own and numbered without gaps.

use llm::{ChatChunk, Error, FunctionCall, Rest, ToolCallDelta, Usage, unix_seconds};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::echo::Echo;
use super::error;
use super::output::{annotations, incomplete, new_id, own_id, reasoning_item, status_of, text_part};
use super::usage::usage_of_chat;
use crate::dialect::{EventWriter, is_another_call, reasoning_of, usage_in};

/// What has been written so far, as far as the next event depends on it.
#[derive(Default)]
pub(crate) struct Writer {
    echo: Echo,
    id: String,
    model: String,
    created: u64,
    sequence_number: u64,
    /// Items that are whole or open, by their place in the output; an open one is null.
    output: Vec<Value>,
    said: Option<Said>,
    calls: Vec<Call>,
    finish: Option<String>,
    usage: Option<Usage>,
}

/// The item of thoughts or of text that is open.
struct Said {
    kind: Kind,
    id: String,
    place: usize,
    text: String,
    annotations: Vec<Value>,
    logprobs: Vec<Value>,
    thoughts: Vec<Value>,
    has_part: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Text,
    Refusal,
}

/// A call that is open. Several may be at once.
struct Call {
    number: u32,
    id: String,
    /// What its answer names.
    answered_as: String,
    place: usize,
    name: String,
    arguments: String,
    /// Whether it takes free text rather than JSON.
    is_custom: bool,
}

impl EventWriter for Writer {
    fn chunk(&mut self, chunk: ChatChunk, out: &mut Vec<u8>) {
        if let Some(usage) = usage_in(&chunk) {
            self.usage = Some(usage);
        }
        // Azure's first chunk has neither an answer nor a name.
        if self.id.is_empty() && (!chunk.choices.is_empty() || !chunk.model.is_empty()) {
            self.start(&chunk.id, chunk.model, chunk.created, out);
        }
        let Some(choice) = chunk.choices.into_iter().find(|it| it.index == 0) else { return };
        let mut delta = choice.delta;
        if let Some(text) = reasoning_of(&delta.rest) {
            self.say(Kind::Reasoning, text, &[], out);
        }
        if let Some(Value::Array(thoughts)) = delta.rest.shift_remove("thinking_blocks") {
            self.sign(thoughts, out);
        }
        if let Some(text) = delta.content.as_deref().filter(|it| !it.is_empty()) {
            let logprobs = choice.rest.get("logprobs").and_then(|it| it["content"].as_array());
            self.say(Kind::Text, text, logprobs.map_or(&[], Vec::as_slice), out);
        }
        if let Some(text) = delta.rest.get("refusal").and_then(Value::as_str).filter(|it| !it.is_empty()) {
            self.say(Kind::Refusal, text, &[], out);
        }
        self.annotate(&delta.rest, out);
        for call in delta.tool_calls {
            self.call(call, out);
        }
        if choice.finish_reason.is_some() {
            self.finish = choice.finish_reason;
        }
    }

    fn done(&mut self, out: &mut Vec<u8>) {
        if self.id.is_empty() {
            self.start("", String::new(), 0, out);
        }
        self.close_said(out);
        for call in std::mem::take(&mut self.calls) {
            self.close_call(&call, out);
        }
        let incomplete = incomplete(self.finish.as_deref());
        let status = status_of(incomplete);
        let mut response = self.response(status);
        if let Some(reason) = incomplete {
            response["incomplete_details"] = json!({"reason": reason});
        }
        response["usage"] = usage_of_chat(self.usage.as_ref());
        self.event(json!({"type": format!("response.{status}"), "response": response}), out);
    }

    fn error(&mut self, error: &Error, out: &mut Vec<u8>) {
        if let Some(failed) = error::failed_response(error) {
            return write(failed, out);
        }
        write(&error::event(error, self.sequence_number), out);
        self.sequence_number += 1;
        if !self.id.is_empty() {
            let mut response = self.response("failed");
            response["error"] = error::of_response(error);
            self.event(json!({"type": "response.failed", "response": response}), out);
        }
    }
}

impl Writer {
    pub(crate) fn new(request: &[u8]) -> Self {
        Self { echo: Echo::of(request), ..Self::default() }
    }

    fn start(&mut self, id: &str, model: String, created: u64, out: &mut Vec<u8>) {
        self.id = own_id("resp", id);
        self.model = model;
        self.created = if created == 0 { unix_seconds() } else { created };
        let response = self.response("in_progress");
        self.event(json!({"type": "response.created", "response": response}), out);
        self.event(json!({"type": "response.in_progress", "response": response}), out);
    }

    fn response(&self, status: &str) -> Value {
        let whole: Vec<Value> = self.output.iter().filter(|it| !it.is_null()).cloned().collect();
        self.echo.response(&self.id, &self.model, self.created, status, &whole)
    }

    /// More of a text or a thought, in an item of its kind.
    fn say(&mut self, kind: Kind, text: &str, logprobs: &[Value], out: &mut Vec<u8>) {
        if self.said.as_ref().is_none_or(|it| it.kind != kind) {
            self.open_said(kind, out);
        }
        let Some(mut said) = self.said.take() else { return };
        if !said.has_part {
            said.has_part = true;
            self.event(said.part_event("added", &said.empty_part()), out);
        }
        said.text.push_str(text);
        let mut event = said.place_event(&format!("response.{}.delta", kind.word()));
        event["delta"] = text.into();
        if kind == Kind::Text {
            said.logprobs.extend_from_slice(logprobs);
            event["logprobs"] = logprobs.into();
        }
        self.event(event, out);
        self.said = Some(said);
    }

    /// The end of a thought, with what its vendor signed.
    fn sign(&mut self, thoughts: Vec<Value>, out: &mut Vec<u8>) {
        if !self.echo.wants_sealed {
            return;
        }
        if self.said.as_ref().is_none_or(|it| it.kind != Kind::Reasoning) {
            self.open_said(Kind::Reasoning, out);
        }
        if let Some(said) = &mut self.said {
            said.thoughts.extend(thoughts);
        }
    }

    fn annotate(&mut self, rest: &Rest, out: &mut Vec<u8>) {
        for annotation in annotations(rest) {
            let Some(said) = self.said.as_mut().filter(|it| it.kind == Kind::Text) else { return };
            let mut event = said.place_event("response.output_text.annotation.added");
            event["annotation_index"] = said.annotations.len().into();
            event["annotation"] = annotation.clone();
            said.annotations.push(annotation);
            self.event(event, out);
        }
    }

    fn open_said(&mut self, kind: Kind, out: &mut Vec<u8>) {
        self.close_said(out);
        self.close_whole_calls(out);
        let (place, id) = (self.output.len(), new_id(if kind == Kind::Reasoning { "rs" } else { "msg" }));
        self.output.push(Value::Null);
        let item = match kind {
            Kind::Reasoning => json!({"id": id, "type": "reasoning", "summary": []}),
            Kind::Text | Kind::Refusal => {
                json!({"id": id, "type": "message", "status": "in_progress", "role": "assistant", "content": []})
            }
        };
        self.event(json!({"type": "response.output_item.added", "output_index": place, "item": item}), out);
        self.said = Some(Said {
            kind,
            id,
            place,
            text: String::new(),
            annotations: Vec::new(),
            logprobs: Vec::new(),
            thoughts: Vec::new(),
            has_part: false,
        });
    }

    fn close_said(&mut self, out: &mut Vec<u8>) {
        let Some(said) = self.said.take() else { return };
        if said.has_part {
            let mut done = said.place_event(&format!("response.{}.done", said.kind.word()));
            done[if said.kind == Kind::Refusal { "refusal" } else { "text" }] = said.text.as_str().into();
            if said.kind == Kind::Text {
                done["logprobs"] = said.logprobs.as_slice().into();
            }
            self.event(done, out);
            self.event(said.part_event("done", &said.part()), out);
        }
        let item = said.item(status_of(incomplete(self.finish.as_deref())));
        self.close_item(said.place, item, out);
    }

    fn call(&mut self, call: ToolCallDelta, out: &mut Vec<u8>) {
        let mut function = call.function.unwrap_or_default();
        let custom = call.rest.get("custom");
        if let Some(custom) = custom {
            let text = |key: &str| custom[key].as_str().unwrap_or_default().to_owned();
            function = FunctionCall { name: text("name"), arguments: text("input") };
        }
        let id = call.id.as_deref();
        let is_known = |it: &Call| it.number == call.index && !is_another_call(id, &function.name, &it.answered_as);
        if !self.calls.iter().any(is_known) {
            if function.name.is_empty() {
                // White space after a call that was whole and is closed.
                return;
            }
            self.close_said(out);
            self.close_whole_calls(out);
            let is_custom = custom.is_some();
            let (id, place) = (new_id(if is_custom { "ctc" } else { "fc" }), self.output.len());
            let answered_as = call.id.filter(|it| !it.is_empty()).unwrap_or_else(|| new_id("call"));
            self.output.push(Value::Null);
            let (number, name, arguments) = (call.index, function.name, String::new());
            let call = Call { number, id, answered_as, place, name, arguments, is_custom };
            let item = call.item("in_progress");
            self.calls.push(call);
            self.event(json!({"type": "response.output_item.added", "output_index": place, "item": item}), out);
        }
        let Some(known) = self.calls.iter_mut().rev().find(|it| it.number == call.index) else { return };
        if function.arguments.is_empty() {
            return;
        }
        known.arguments.push_str(&function.arguments);
        let event = json!({
            "type": format!("response.{}.delta", known.word()), "item_id": known.id, "output_index": known.place,
            "delta": function.arguments,
        });
        self.event(event, out);
    }

    /// Closes the calls to which nothing can be missing, so that items follow one another where they can.
    fn close_whole_calls(&mut self, out: &mut Vec<u8>) {
        let is_whole = |it: &Call| it.is_custom || serde_json::from_str::<IgnoredAny>(&it.arguments).is_ok();
        let (whole, open): (Vec<_>, Vec<_>) = std::mem::take(&mut self.calls).into_iter().partition(is_whole);
        self.calls = open;
        for call in whole {
            self.close_call(&call, out);
        }
    }

    fn close_call(&mut self, call: &Call, out: &mut Vec<u8>) {
        let mut event = json!({
            "type": format!("response.{}.done", call.word()), "item_id": call.id, "output_index": call.place,
        });
        if call.is_custom {
            event["input"] = call.arguments.as_str().into();
        } else {
            event["name"] = call.name.as_str().into();
            event["arguments"] = call.arguments.as_str().into();
        }
        self.event(event, out);
        self.close_item(call.place, call.item("completed"), out);
    }

    fn close_item(&mut self, place: usize, item: Value, out: &mut Vec<u8>) {
        self.event(json!({"type": "response.output_item.done", "output_index": place, "item": item}), out);
        self.output[place] = item;
    }

    fn event(&mut self, mut body: Value, out: &mut Vec<u8>) {
        body["sequence_number"] = self.sequence_number.into();
        self.sequence_number += 1;
        write(&body, out);
    }
}

impl Kind {
    /// What its events are called.
    fn word(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning_summary_text",
            Self::Text => "output_text",
            Self::Refusal => "refusal",
        }
    }
}

impl Said {
    fn place_event(&self, kind: &str) -> Value {
        let index = if self.kind == Kind::Reasoning { "summary_index" } else { "content_index" };
        json!({"type": kind, "item_id": self.id, "output_index": self.place, index: 0})
    }

    fn part_event(&self, what: &str, part: &Value) -> Value {
        let kind = if self.kind == Kind::Reasoning { "reasoning_summary_part" } else { "content_part" };
        let mut event = self.place_event(&format!("response.{kind}.{what}"));
        event["part"] = part.clone();
        event
    }

    fn empty_part(&self) -> Value {
        match self.kind {
            Kind::Reasoning => json!({"type": "summary_text", "text": ""}),
            Kind::Text => text_part("", &[], None),
            Kind::Refusal => json!({"type": "refusal", "refusal": ""}),
        }
    }

    fn part(&self) -> Value {
        match self.kind {
            Kind::Reasoning => json!({"type": "summary_text", "text": self.text}),
            Kind::Text => text_part(&self.text, &self.annotations, Some(&json!({"content": self.logprobs}))),
            Kind::Refusal => json!({"type": "refusal", "refusal": self.text}),
        }
    }

    fn item(&self, status: &str) -> Value {
        if self.kind == Kind::Reasoning {
            let thoughts = (!self.thoughts.is_empty()).then(|| Value::from(self.thoughts.as_slice()));
            return reasoning_item(&self.id, &self.text, thoughts.as_ref());
        }
        json!({
            "id": self.id, "type": "message", "status": status, "role": "assistant", "content": [self.part()],
        })
    }
}

impl Call {
    /// What its events are called.
    fn word(&self) -> &'static str {
        if self.is_custom { "custom_tool_call_input" } else { "function_call_arguments" }
    }

    fn item(&self, status: &str) -> Value {
        if self.is_custom {
            return json!({
                "id": self.id, "type": "custom_tool_call", "status": status, "call_id": self.answered_as,
                "name": self.name, "input": self.arguments,
            });
        }
        json!({
            "id": self.id, "type": "function_call", "status": status, "call_id": self.answered_as, "name": self.name,
            "arguments": self.arguments,
        })
    }
}

fn write(body: &Value, out: &mut Vec<u8>) {
    llm::sse::encode(body["type"].as_str(), &body.to_string(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events that deltas become: type without `response.`, place, and what it says; and the last event whole.
    fn written(deltas: &[Value], error: Option<&Error>) -> (Vec<String>, Value) {
        let mut writer = Writer::new(br#"{"input":"x","include":["reasoning.encrypted_content"]}"#);
        let mut out = Vec::new();
        for delta in deltas {
            let chunk = json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta}]});
            writer.chunk(serde_json::from_value(chunk).unwrap(), &mut out);
        }
        match error {
            None => writer.done(&mut out),
            Some(error) => writer.error(error, &mut out),
        }
        let mut events = Vec::new();
        llm::sse::Decoder::new(1 << 20).push(&out, &mut events).unwrap();
        let bodies: Vec<Value> = events.iter().map(|it| serde_json::from_str(&it.data).unwrap()).collect();
        let shown = bodies.iter().zip(&events).enumerate().map(|(number, (body, event))| {
            assert_eq!(event.event.as_deref(), body["type"].as_str());
            assert_eq!(body["sequence_number"], number);
            let kind = body["type"].as_str().unwrap_or_default().trim_start_matches("response.");
            let place = body["output_index"].as_u64().map(|it| format!(" {it}")).unwrap_or_default();
            let delta = body["delta"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
            format!("{kind}{place}{delta}")
        });
        (shown.collect(), bodies.last().cloned().unwrap_or_default())
    }

    #[test]
    fn events_come_in_openais_order() {
        let call = |index: u32, name: &str, arguments: &str| {
            json!({"tool_calls": [{"index": index, "id": format!("id{index}"),
                                   "function": {"name": name, "arguments": arguments}}]})
        };
        let (events, last) = written(
            &[
                json!({"role": "assistant", "content": ""}),
                json!({"reasoning_content": "Hm"}),
                json!({"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]}),
                json!({"content": "a"}),
                json!({"content": "b"}),
                call(0, "f", "{\"x\":"),
                call(1, "g", "{}"),
                call(0, "", "1}"),
            ],
            None,
        );
        assert_eq!(
            events,
            [
                "created",
                "in_progress",
                "output_item.added 0",
                "reasoning_summary_part.added 0",
                "reasoning_summary_text.delta 0 Hm",
                "reasoning_summary_text.done 0",
                "reasoning_summary_part.done 0",
                "output_item.done 0",
                "output_item.added 1",
                "content_part.added 1",
                "output_text.delta 1 a",
                "output_text.delta 1 b",
                "output_text.done 1",
                "content_part.done 1",
                "output_item.done 1",
                "output_item.added 2",
                "function_call_arguments.delta 2 {\"x\":",
                "output_item.added 3",
                "function_call_arguments.delta 3 {}",
                "function_call_arguments.delta 2 1}",
                "function_call_arguments.done 2",
                "output_item.done 2",
                "function_call_arguments.done 3",
                "output_item.done 3",
                "completed"
            ]
        );
        let output = &last["response"]["output"];
        assert!(output[0]["encrypted_content"].is_string());
        assert_eq!(output[1]["content"][0]["text"], "ab");
        assert_eq!((&output[2]["call_id"], &output[2]["arguments"]), (&json!("id0"), &json!("{\"x\":1}")));
        assert_eq!(last["response"]["status"], "completed");
    }

    #[test]
    fn a_refusal_is_a_part_of_its_own() {
        let (events, last) = written(&[json!({"refusal": "no"}), json!({"refusal": "!"})], None);
        assert_eq!(events[3..7], ["content_part.added 0", "refusal.delta 0 no", "refusal.delta 0 !", "refusal.done 0"]);
        assert_eq!(last["response"]["output"][0]["content"], json!([{"type": "refusal", "refusal": "no!"}]));
    }

    #[test]
    fn a_stream_that_breaks_has_failed() {
        let error = Error::Unavailable("the provider cut its stream short".to_owned());
        let (events, last) = written(&[json!({"content": "a"})], Some(&error));
        assert_eq!(events[5..], ["error", "failed"]);
        assert_eq!((&last["response"]["status"], &last["response"]["output"]), (&json!("failed"), &json!([])));
        assert_eq!(last["response"]["error"]["message"], "the provider cut its stream short");
    }
}
