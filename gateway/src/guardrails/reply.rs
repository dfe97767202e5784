//! Whole answers, looked at before their callers see them.

use bytes::Bytes;
use llm::Error;
use serde_json::Value;

use super::{Action, Check, Decisions, Guardrail, Guardrails, Stage, stream, texts};
use crate::endpoint::Kind;
use crate::provider::{Reply, ReplyBody};

impl Guardrails {
    /// Looks at an answer. Gives the one that the caller gets; a stream is looked at while it passes.
    pub(crate) fn reply(
        self: &std::sync::Arc<Self>,
        kind: Kind,
        reply: Reply,
        decisions: &Decisions,
    ) -> Result<Reply, Error> {
        // Nobody reads vectors.
        if kind == Kind::Embeddings || !self.watch_answers() {
            return Ok(reply);
        }
        let body = match reply.body {
            ReplyBody::Whole(body) => ReplyBody::Whole(self.whole(body, decisions)?),
            ReplyBody::Stream(frames) => ReplyBody::Stream(stream::guarded(frames, self, decisions.clone())),
        };
        Ok(Reply { body, ..reply })
    }

    fn whole(&self, bytes: Bytes, decisions: &Decisions) -> Result<Bytes, Error> {
        // What is no JSON is no answer, which others will say.
        let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else { return Ok(bytes) };
        let mut is_masked = false;
        for guardrail in self.at(Stage::Output) {
            let Guardrail { tool_calls, check: Check::Find(finder), .. } = &**guardrail;
            for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
                texts::of_choice(choice, *tool_calls, &mut |text| {
                    is_masked |= guardrail.look(finder, Stage::Output, text, decisions)?;
                    Ok::<_, Error>(())
                })?;
                is_masked |= guardrail.look_at_others(choice, "message", decisions)?;
            }
        }
        if !is_masked {
            return Ok(bytes);
        }
        for choice in body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten() {
            without_logprobs(choice);
        }
        serde_json::to_vec(&body)
            .map(Bytes::from)
            .map_err(|error| Error::Internal(format!("an answer could not be written as JSON: {error}")))
    }
}

/// Log-probabilities repeat the text, token by token.
pub(super) fn without_logprobs(choice: &mut Value) {
    if let Some(logprobs) = choice.get_mut("logprobs") {
        *logprobs = Value::Null;
    }
}

impl Guardrail {
    /// Looks at the fields of a message that nobody else looks at; gives whether one had to go.
    pub(super) fn look_at_others(&self, choice: &mut Value, of: &str, decisions: &Decisions) -> Result<bool, Error> {
        let Check::Find(finder) = &self.check;
        let Some(message) = choice.get_mut(of).and_then(Value::as_object_mut) else { return Ok(false) };
        let mut gone = Vec::new();
        for (key, value) in texts::others(message) {
            let mut found = None;
            let _ = texts::leaves(&mut value.clone(), &mut |text| match finder.is_in(text) {
                Some(rule) => {
                    found = Some(rule.label.clone());
                    Err(())
                }
                None => Ok(()),
            });
            if let Some(label) = found {
                self.found(Stage::Output, &label, decisions)?;
                gone.push(key.clone());
            }
        }
        if self.action != Action::Mask || gone.is_empty() {
            return Ok(false);
        }
        for key in gone {
            message.shift_remove(&key);
        }
        Ok(true)
    }
}
