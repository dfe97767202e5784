//! The events of a streamed response, read for what they say of text, tools and tokens. They pass as they came.

use llm::sse::Event;
use llm::{ChatChunk, ChunkChoice, Delta, Error, FunctionCall, Rest, ToolCallDelta};
use serde_json::Value;

use crate::dialect::EventReader;
use crate::dialect::responses::{failure, usage_of_response};
use crate::provider::upstream::bad_gateway;

/// What of a stream the chunks depend on.
pub(super) struct Reader {
    who: String,
    /// The items that are calls, in their order.
    calls: Vec<String>,
    is_done: bool,
}

impl EventReader for Reader {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let body: Value = serde_json::from_str(&event.data)
            .map_err(|error| bad_gateway(format!("{} streamed an event that is no JSON: {error}", self.who)))?;
        let delta = || body["delta"].as_str().unwrap_or_default().to_owned();
        match body["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => out.push(chunk(Delta { content: Some(delta()), ..Delta::default() })),
            "response.refusal.delta" => out.push(chunk(other("refusal", delta()))),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                out.push(chunk(other("reasoning_content", delta())));
            }
            "response.output_item.added" if body["item"]["type"] == "function_call" => {
                let item = &body["item"];
                let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
                self.calls.push(text("id"));
                out.push(call(self.calls.len() - 1, Some(text("call_id")), text("name"), text("arguments")));
            }
            "response.function_call_arguments.delta" => {
                if let Some(number) = self.calls.iter().position(|it| *it == body["item_id"]) {
                    out.push(call(number, None, String::new(), delta()));
                }
            }
            "response.completed" | "response.incomplete" => self.end(&body["response"], out),
            "response.failed" | "response.cancelled" => return Err(self.failed(body)),
            _ => {}
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Reader {
    pub(super) fn new(who: String) -> Self {
        Self { who, calls: Vec::new(), is_done: false }
    }

    fn end(&mut self, response: &Value, out: &mut Vec<ChatChunk>) {
        self.is_done = true;
        let finish = match response["incomplete_details"]["reason"].as_str() {
            Some("content_filter") => "content_filter",
            Some(_) => "length",
            None if self.calls.is_empty() => "stop",
            None => "tool_calls",
        };
        let mut last = chunk(Delta::default());
        last.choices[0].finish_reason = Some(finish.to_owned());
        response["id"].as_str().unwrap_or_default().clone_into(&mut last.id);
        response["model"].as_str().unwrap_or_default().clone_into(&mut last.model);
        last.created = response["created_at"].as_u64().unwrap_or_default();
        last.usage = response["usage"].as_object().map(usage_of_response);
        if let Some(tier) = response.get("service_tier").filter(|it| it.is_string()) {
            last.rest.insert("service_tier".to_owned(), tier.clone());
        }
        out.push(last);
    }

    fn failed(&self, event: Value) -> Error {
        failure(&self.who, &event["response"]["error"].clone(), event)
    }
}

fn call(number: usize, id: Option<String>, name: String, arguments: String) -> ChatChunk {
    let call = ToolCallDelta {
        index: u32::try_from(number).unwrap_or(u32::MAX),
        kind: id.is_some().then(|| "function".to_owned()),
        id,
        function: Some(FunctionCall { name, arguments }),
        rest: Rest::new(),
    };
    chunk(Delta { tool_calls: vec![call], ..Delta::default() })
}

fn other(key: &str, text: String) -> Delta {
    Delta { rest: Rest::from_iter([(key.to_owned(), text.into())]), ..Delta::default() }
}

fn chunk(delta: Delta) -> ChatChunk {
    ChatChunk {
        id: String::new(),
        object: "chat.completion.chunk".to_owned(),
        created: 0,
        model: String::new(),
        choices: vec![ChunkChoice { delta, ..ChunkChoice::default() }],
        usage: None,
        rest: Rest::new(),
    }
}
