//! OpenAI's Responses.

use llm::sse::{Decoder, Event};
use serde_json::{Value, json};

use super::super::facts::{Facts, arguments};
use super::Caller;

pub(crate) struct Responses;

impl Caller for Responses {
    fn name(&self) -> &'static str {
        "responses"
    }

    fn family(&self) -> &'static str {
        "responses"
    }

    fn reaches(&self, _family: &str) -> bool {
        true
    }

    fn request(&self, recorded: Option<&Value>, endpoint: &str, stream: bool) -> (String, Value) {
        let mut body = recorded.filter(|it| it.is_object()).cloned().unwrap_or(json!({"input": "hi"}));
        // OpenAI itself is asked in Responses; what it once answered to chats comes from one who only chats.
        let chatting = if endpoint == "openai-api.openai.com" { "openai-localhost-8787" } else { endpoint };
        body["model"] = chatting.into();
        body["stream"] = stream.into();
        ("/v1/responses".to_owned(), body)
    }

    fn whole(&self, answer: &Value) -> Facts {
        let mut facts = Facts::default();
        for item in answer["output"].as_array().into_iter().flatten() {
            for part in item["content"].as_array().into_iter().flatten() {
                facts.text.push_str(part["text"].as_str().unwrap_or_default());
            }
            for part in item["summary"].as_array().into_iter().flatten() {
                facts.reasoning.push_str(part["text"].as_str().unwrap_or_default());
            }
            if item["type"] == "function_call" {
                let given = item["arguments"].as_str().unwrap_or_default();
                facts.tools.push((item["name"].as_str().unwrap_or_default().to_owned(), arguments(given)));
            }
        }
        facts.finish = match (answer["status"].as_str(), answer["incomplete_details"]["reason"].as_str()) {
            (_, Some("content_filter")) => Some("content_filter"),
            (_, Some(_)) => Some("length"),
            (Some("completed" | "complete"), None) if facts.tools.is_empty() => Some("stop"),
            (Some("completed" | "complete"), None) => Some("tool_calls"),
            _ => None,
        }
        .map(str::to_owned);
        let count = |key: &str| answer["usage"][key].as_u64();
        facts.tokens = count("input_tokens").map(|it| (it, count("output_tokens").unwrap_or_default()));
        facts
    }

    fn stream(&self, text: &str) -> Result<Facts, String> {
        let (mut said, mut last, mut reasoning) = (String::new(), Value::Null, String::new());
        for (number, Event { event, data }) in events(text).into_iter().enumerate() {
            let body: Value = serde_json::from_str(&data).map_err(|error| format!("{error} in {data}"))?;
            // The oldest recordings are from before events were numbered.
            let is_numbered = body["sequence_number"].is_null() || body["sequence_number"] == number;
            if event.as_deref() != body["type"].as_str() || !is_numbered {
                return Err(format!("event {number} is {event:?} with {}", body["sequence_number"]));
            }
            let delta = body["delta"].as_str().unwrap_or_default();
            match event.as_deref() {
                Some("response.output_text.delta") => said.push_str(delta),
                Some("response.reasoning_summary_text.delta") => reasoning.push_str(delta),
                _ => {}
            }
            last = body;
        }
        if !matches!(last["type"].as_str(), Some("response.completed" | "response.incomplete")) {
            return Err(format!("the last event is {last}"));
        }
        let facts = self.whole(&last["response"]);
        if facts.text != said || facts.reasoning != reasoning {
            return Err(format!("the deltas say {said:?} and {reasoning:?}, the end {facts:?}"));
        }
        Ok(facts)
    }

    fn error(&self, text: &str) -> Result<(), String> {
        let body: Value = serde_json::from_str(text).map_err(|error| format!("{error} in {text}"))?;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        if message.is_empty() { Err(format!("no error in {text}")) } else { Ok(()) }
    }

    fn stream_error(&self, text: &str) -> Result<(), String> {
        match events(text).pop() {
            Some(last) if last.event.as_deref() == Some("response.failed") => Ok(()),
            Some(last) => Err(format!("the last event is {last:?}")),
            None => self.error(text),
        }
    }

    fn sayable(&self, facts: Facts) -> Facts {
        let finish = facts.finish.map(|it| match it.as_str() {
            "length" | "content_filter" => it,
            _ if facts.tools.is_empty() => "stop".to_owned(),
            _ => "tool_calls".to_owned(),
        });
        // A response is completed where nothing is missing, whether a reason was given or not.
        let finish = finish.or(Some(if facts.tools.is_empty() { "stop" } else { "tool_calls" }.to_owned()));
        Facts { finish, ..facts }
    }
}

fn events(text: &str) -> Vec<Event> {
    let mut events = Vec::new();
    Decoder::new(usize::MAX).push(text.as_bytes(), &mut events).unwrap();
    events
}
