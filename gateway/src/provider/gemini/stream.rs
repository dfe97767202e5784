//! The events of a streamed answer as chunks. Each is a whole answer of generateContent with what is new, and the counts
//! so far; there is no last event, so that the end of the connection is the end of an answer whose candidates have all
//! said why they ended.

use std::collections::BTreeMap;

use llm::sse::Event;
use llm::{ChatChunk, ChunkChoice, Delta, Error, FunctionCall, Rest, Role, ToolCallDelta, Usage, unix_seconds};
use serde_json::{Map, Value, json};

use super::reply::{Head, Piece, blocked, candidate_rest, finish, index_of, parts_of, piece};
use crate::dialect::EventReader;
use crate::dialect::gemini::usage_of_google;
use crate::provider::upstream::{bad_gateway, in_ok_answer};

/// Answers that are kept apart; a stream that numbers more is not believed.
const CANDIDATES_MAX: u32 = 256;

#[derive(Default)]
pub(super) struct Translator {
    who: String,
    id: String,
    model: String,
    created: u64,
    candidates: BTreeMap<u32, Candidate>,
}

/// What one answer has said so far, as far as the next chunk depends on it.
#[derive(Default)]
struct Candidate {
    calls: u32,
    is_finished: bool,
}

impl EventReader for Translator {
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        let data: Value = serde_json::from_str(&event.data)
            .map_err(|error| bad_gateway(format!("{} streamed an event that is no JSON: {error}", self.who)))?;
        if data.get("error").is_some_and(|it| !it.is_null())
            && let Some(error) = in_ok_answer(&self.who, event.data.as_bytes())
        {
            return Err(error);
        }
        let Value::Object(mut answer) = data else {
            return Err(bad_gateway(format!("{} streamed an event that is no object", self.who)));
        };
        let head = Head::take(&mut answer);
        if self.created == 0 {
            self.created = unix_seconds();
        }
        if !head.id.is_empty() {
            self.id = head.id;
        }
        if !head.model.is_empty() {
            self.model = head.model;
        }
        let counts = answer.remove("usageMetadata");
        let candidates = match answer.remove("candidates") {
            Some(Value::Array(candidates)) => candidates,
            _ => Vec::new(),
        };
        if candidates.is_empty()
            && let Some(reason) = blocked(&answer)
        {
            self.refuse(reason, out);
        }
        for (place, candidate) in candidates.into_iter().enumerate() {
            if let Value::Object(candidate) = candidate {
                self.candidate(place, candidate, out);
            }
        }
        if !answer.is_empty() {
            // What concerns the whole answer: the blocked prompt, the time…
            match out.first_mut() {
                Some(first) => first.rest.extend(answer),
                None => out.push(ChatChunk { rest: answer.into_iter().collect(), ..self.chunk(None) }),
            }
        }
        if self.is_done()
            && let Some(counts) = counts.as_ref().and_then(Value::as_object)
        {
            out.push(self.counts(usage_of_google(counts)));
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        !self.candidates.is_empty() && self.candidates.values().all(|it| it.is_finished)
    }

    fn ends_with_connection(&self) -> bool {
        true
    }
}

impl Translator {
    pub(super) fn new(who: String) -> Self {
        Self { who, ..Self::default() }
    }

    fn candidate(&mut self, place: usize, mut candidate: Map<String, Value>, out: &mut Vec<ChatChunk>) {
        let index = index_of(&mut candidate, place);
        if index >= CANDIDATES_MAX {
            return;
        }
        self.open(index, out);
        for part in parts_of(&mut candidate) {
            if let Some(delta) = self.delta(index, part) {
                out.push(self.chunk(Some(ChunkChoice { index, delta, ..ChunkChoice::default() })));
            }
        }
        let known = self.candidates.entry(index).or_default();
        let reason = candidate.remove("finishReason");
        let (finish_reason, mut rest) = finish(reason.as_ref(), known.calls > 0);
        known.is_finished |= finish_reason.is_some();
        candidate_rest(candidate, &mut rest);
        if finish_reason.is_some() || !rest.is_empty() {
            out.push(self.chunk(Some(ChunkChoice { index, finish_reason, rest, ..ChunkChoice::default() })));
        }
    }

    /// The first chunk of each answer says who speaks.
    fn open(&mut self, index: u32, out: &mut Vec<ChatChunk>) {
        if self.candidates.contains_key(&index) {
            return;
        }
        self.candidates.insert(index, Candidate::default());
        let delta = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
        out.push(self.chunk(Some(ChunkChoice { index, delta, ..ChunkChoice::default() })));
    }

    fn delta(&mut self, index: u32, part: Value) -> Option<Delta> {
        let (piece, signature) = piece(part);
        let mut delta = Delta::default();
        if let Some(signature) = signature {
            delta.rest.insert("thought_signature".to_owned(), signature);
        }
        match piece {
            Piece::Text(text) if text.is_empty() && delta.rest.is_empty() => return None,
            Piece::Text(text) if text.is_empty() => {}
            Piece::Text(text) => delta.content = Some(text),
            Piece::Thought(text) => {
                delta.rest.insert("reasoning_content".to_owned(), text.into());
            }
            Piece::Image(image) => {
                delta.rest.insert("images".to_owned(), json!([image]));
            }
            Piece::Own(part) => {
                delta.rest.insert("gemini_parts".to_owned(), json!([part]));
            }
            Piece::Call(call) => {
                let known = self.candidates.entry(index).or_default();
                let FunctionCall { name, arguments } = call.function;
                delta.tool_calls.push(ToolCallDelta {
                    index: known.calls,
                    id: Some(call.id),
                    kind: Some(call.kind),
                    function: Some(FunctionCall { name, arguments }),
                    rest: call.rest,
                });
                known.calls += 1;
            }
        }
        Some(delta)
    }

    fn refuse(&mut self, reason: String, out: &mut Vec<ChatChunk>) {
        self.open(0, out);
        let rest = Rest::from_iter([("refusal".to_owned(), reason.into())]);
        out.push(self.chunk(Some(ChunkChoice { delta: Delta { rest, ..Delta::default() }, ..ChunkChoice::default() })));
        let finish_reason = Some("content_filter".to_owned());
        out.push(self.chunk(Some(ChunkChoice { finish_reason, ..ChunkChoice::default() })));
        self.candidates.entry(0).or_default().is_finished = true;
    }

    fn counts(&self, usage: Usage) -> ChatChunk {
        ChatChunk { usage: Some(usage), ..self.chunk(None) }
    }

    fn chunk(&self, choice: Option<ChunkChoice>) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices: choice.into_iter().collect(),
            usage: None,
            rest: Rest::new(),
        }
    }
}
