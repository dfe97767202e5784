//! Streamed answers, looked at while they pass.
//!
//! Each text of a choice (what it says, what it thinks, the arguments of a tool call) goes through one window for each
//! guardrail. What the windows hold back comes with a later chunk, at the latest before the text's end: the chunk with
//! the finish reason, or the first one that says something in another text of the choice.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;
use llm::Error;
use serde_json::{Value, json};

use super::reply::without_logprobs;
use super::texts::SAID;
use super::window::{Out, Window};
use super::{Action, Decisions, Guardrail, Stage};
use crate::provider::{Frame, Frames};

/// Choices and tool calls of a stream that are told apart; nobody asks for more.
const INDEX_MAX: u64 = 256;

/// One text of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    /// A completion's.
    Text,
    /// One of [`SAID`].
    Said(&'static str),
    /// The arguments of a tool call.
    Arguments(u64),
}

/// The texts of a choice that are open, each with a window for each guardrail. They end together.
type Open = Vec<(Channel, Vec<Window>)>;

struct Guarded {
    frames: Frames,
    guardrails: Vec<Arc<Guardrail>>,
    decisions: Decisions,
    choices: BTreeMap<u64, Open>,
    ready: VecDeque<Frame>,
    /// A chunk without its choices, into which held text is put.
    template: Value,
    is_over: bool,
}

/// A stream that guardrails look at.
pub(super) fn guarded(frames: Frames, guardrails: Vec<Arc<Guardrail>>, decisions: Decisions) -> Frames {
    Box::pin(Guarded {
        frames,
        guardrails,
        decisions,
        choices: BTreeMap::new(),
        ready: VecDeque::new(),
        template: Value::Null,
        is_over: false,
    })
}

impl Stream for Guarded {
    type Item = llm::Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(frame) = this.ready.pop_front() {
                return Poll::Ready(Some(Ok(frame)));
            }
            if this.is_over {
                return Poll::Ready(None);
            }
            let taken = match futures::ready!(this.frames.as_mut().poll_next(context)) {
                Some(Ok(frame)) => this.take(frame),
                Some(Err(error)) => Err(error),
                None => this.end(),
            };
            if let Err(error) = taken {
                // Nothing that is still held gets out, and the provider need not go on.
                this.is_over = true;
                this.ready.clear();
                this.frames = Box::pin(futures::stream::empty());
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Guarded {
    fn take(&mut self, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Chunk(chunk) => self.chunk(chunk),
            Frame::Done => {
                self.flush_all()?;
                self.ready.push_back(Frame::Done);
                Ok(())
            }
            // Guarded calls are translated, so that no other format comes here.
            Frame::Native(..) => {
                Err(Error::Internal("a guarded stream came in a format that guardrails do not read".to_owned()))
            }
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        self.is_over = true;
        self.flush_all()
    }

    fn chunk(&mut self, text: String) -> Result<(), Error> {
        let parsed = serde_json::from_str::<Value>(&text);
        let Ok(mut chunk) = parsed else {
            // Others will say that this is no chunk.
            self.ready.push_back(Frame::Chunk(text));
            return Ok(());
        };
        let choices = match chunk.get_mut("choices").map(Value::take) {
            Some(Value::Array(choices)) if !choices.is_empty() => choices,
            // Counts, an error, a vendor's own: nothing that a model says.
            _ => {
                self.ready.push_back(Frame::Chunk(text));
                return Ok(());
            }
        };
        if self.template.is_null() {
            self.template.clone_from(&chunk);
            if let Some(fields) = self.template.as_object_mut() {
                fields.shift_remove("usage");
            }
        }
        let mut kept = Vec::with_capacity(choices.len());
        for mut choice in choices {
            if !self.choice(&mut choice)? {
                kept.push(choice);
            }
        }
        // A chunk of which everything is held says nothing yet.
        if !kept.is_empty() || chunk.get("usage").is_some_and(|it| !it.is_null()) {
            chunk["choices"] = kept.into();
            self.ready.push_back(Frame::Chunk(chunk.to_string()));
        }
        Ok(())
    }

    /// Puts a choice's texts through the windows; gives whether nothing is left of it.
    fn choice(&mut self, choice: &mut Value) -> Result<bool, Error> {
        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0).min(INDEX_MAX);
        if self.guardrails.iter().any(|it| it.action != Action::Flag) {
            without_logprobs(choice);
        }
        for guardrail in &self.guardrails {
            guardrail.look_at_others(choice, "delta", &self.decisions)?;
        }
        let had_text = self.texts(index, choice)?;
        let is_finished = choice.get("finish_reason").is_some_and(|it| !it.is_null());
        if is_finished {
            for (channel, rest) in self.close(index)? {
                match field(choice, channel) {
                    Some(here) => here.push_str(&rest),
                    None => self.say(index, channel, &rest),
                }
            }
        }
        let is_bare = choice.get("delta").is_none_or(|it| {
            it.as_object().is_some_and(|it| it.values().all(|it| matches!(it.as_str(), Some("")) || it.is_null()))
        }) && choice.get("text").is_none_or(|it| it == "");
        Ok(had_text && is_bare && !is_finished)
    }

    /// Replaces what a piece says by what the windows let through; gives whether it said anything.
    fn texts(&mut self, index: u64, choice: &mut Value) -> Result<bool, Error> {
        let mut said = false;
        if let Some(Value::String(text)) = choice.get_mut("text") {
            said |= self.through(index, Channel::Text, text)?;
        }
        let Some(delta) = choice.get_mut("delta").and_then(Value::as_object_mut) else { return Ok(said) };
        for key in SAID {
            match delta.get_mut(key) {
                Some(Value::String(text)) => said |= self.through(index, Channel::Said(key), text)?,
                // Some vendors stream lists of parts.
                Some(Value::Array(parts)) => {
                    for part in parts {
                        if let Some(Value::String(text)) = part.get_mut("text") {
                            said |= self.through(index, Channel::Said(key), text)?;
                        }
                    }
                }
                _ => {}
            }
        }
        let Some(calls) = delta.get_mut("tool_calls").and_then(Value::as_array_mut) else { return Ok(said) };
        for call in calls {
            let number = call.get("index").and_then(Value::as_u64).unwrap_or(0).min(INDEX_MAX);
            let channel = Channel::Arguments(number);
            // Even one without arguments ends what was said before it.
            self.open(index, channel)?;
            if let Some(Value::String(text)) = call.pointer_mut("/function/arguments") {
                said |= self.through(index, channel, text)?;
            }
        }
        Ok(said)
    }

    /// Puts a piece of a text through the windows and leaves what comes out in its place.
    fn through(&mut self, index: u64, channel: Channel, text: &mut String) -> Result<bool, Error> {
        if text.is_empty() {
            return Ok(false);
        }
        self.open(index, channel)?;
        let open = self.choices.entry(index).or_default();
        let (_, windows) = open.iter_mut().find(|it| it.0 == channel).expect("it was opened a moment ago");
        for (guardrail, window) in self.guardrails.iter().zip(windows) {
            if guardrail.sees(channel) {
                *text = guardrail.pass(window, Some(text), &self.decisions)?;
            }
        }
        Ok(true)
    }

    /// A text begins, unless it is open. What cannot go on beside it ends.
    fn open(&mut self, index: u64, channel: Channel) -> Result<(), Error> {
        if self.choices.entry(index).or_default().first().is_some_and(|it| !it.0.is_beside(channel)) {
            self.flush(index)?;
        }
        let open = self.choices.entry(index).or_default();
        if open.iter().all(|it| it.0 != channel) {
            open.push((channel, self.guardrails.iter().map(|_| Window::default()).collect()));
        }
        Ok(())
    }

    /// The open texts of a choice end; gives what was held of them.
    fn close(&mut self, index: u64) -> Result<Vec<(Channel, String)>, Error> {
        let mut held = Vec::new();
        for (channel, windows) in self.choices.remove(&index).unwrap_or_default() {
            let mut text = String::new();
            for (guardrail, mut window) in self.guardrails.iter().zip(windows) {
                if guardrail.sees(channel) {
                    let mut out = guardrail.pass(&mut window, Some(&text), &self.decisions)?;
                    out.push_str(&guardrail.pass(&mut window, None, &self.decisions)?);
                    text = out;
                }
            }
            if !text.is_empty() {
                held.push((channel, text));
            }
        }
        Ok(held)
    }

    fn flush(&mut self, index: u64) -> Result<(), Error> {
        for (channel, rest) in self.close(index)? {
            self.say(index, channel, &rest);
        }
        Ok(())
    }

    fn flush_all(&mut self) -> Result<(), Error> {
        let indices: Vec<u64> = self.choices.keys().copied().collect();
        indices.into_iter().try_for_each(|it| self.flush(it))
    }

    /// A chunk of its own for what was held.
    fn say(&mut self, index: u64, channel: Channel, text: &str) {
        let choice = match channel {
            Channel::Text => json!({"index": index, "text": text, "finish_reason": null}),
            Channel::Said(key) => json!({"index": index, "delta": {key: text}, "finish_reason": null}),
            Channel::Arguments(number) => {
                let call = json!({"index": number, "function": {"arguments": text}});
                json!({"index": index, "delta": {"tool_calls": [call]}, "finish_reason": null})
            }
        };
        let mut chunk = self.template.clone();
        chunk["choices"] = json!([choice]);
        self.ready.push_back(Frame::Chunk(chunk.to_string()));
    }
}

impl Channel {
    /// Whether two texts may go on at the same time: thoughts, which some vendors send under two names at once, or
    /// what is said. A tool call, or a change from one to the other, ends them.
    fn is_beside(self, other: Self) -> bool {
        let is_thought = |it| matches!(it, Self::Said("reasoning" | "reasoning_content"));
        let is_call = |it| matches!(it, Self::Arguments(_));
        self == other || (!is_call(self) && !is_call(other) && is_thought(self) == is_thought(other))
    }
}

/// The text of a channel in this piece, where it has one.
fn field(choice: &mut Value, channel: Channel) -> Option<&mut String> {
    let value = match channel {
        Channel::Text => choice.get_mut("text"),
        Channel::Said(key) => choice.get_mut("delta")?.get_mut(key),
        Channel::Arguments(number) => choice
            .pointer_mut("/delta/tool_calls")?
            .as_array_mut()?
            .iter_mut()
            .find(|it| it.get("index").and_then(Value::as_u64) == Some(number))?
            .pointer_mut("/function/arguments"),
    };
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

impl Guardrail {
    fn sees(&self, channel: Channel) -> bool {
        self.tool_calls || !matches!(channel, Channel::Arguments(_))
    }

    /// Puts a piece through a window, or ends its text; gives what may go on.
    fn pass(&self, window: &mut Window, piece: Option<&str>, decisions: &Decisions) -> Result<String, Error> {
        let Some(finder) = self.finder() else { return Ok(piece.unwrap_or_default().to_owned()) };
        let (mut out, mut result) = (String::new(), Ok(()));
        let mut give = |it: Out<'_>| match it {
            Out::Text(text) => {
                out.push_str(text);
                true
            }
            Out::Found(found) => {
                let rule = finder.rule(found);
                result = self.found(Stage::Output, &rule.label, decisions);
                out.push_str(&rule.placeholder);
                result.is_ok()
            }
        };
        match piece {
            Some(piece) => window.push(finder, self.hold_bytes, piece, &mut give),
            None => window.finish(finder, &mut give),
        }
        result?;
        match self.action {
            // What is only flagged passes as it came, without waiting.
            Action::Flag => Ok(piece.unwrap_or_default().to_owned()),
            Action::Block | Action::Mask => Ok(out),
        }
    }
}
