//! Whole answers, looked at before their callers see them.

use std::convert::Infallible;

use bytes::Bytes;
use llm::Error;
use serde_json::Value;

use super::scorer::{Raters, scored};
use super::{Action, Check, Decisions, Guardrail, Guardrails, Stage, held, stream, texts};
use crate::Gateway;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::provider::{Frames, Reply, ReplyBody};
use crate::request::Request;

impl Guardrails {
    /// Looks at an answer. Gives the one that the caller gets; a stream is looked at while it passes.
    pub(crate) async fn reply(
        &self,
        gateway: &Gateway,
        request: &Request,
        reply: Reply,
        decisions: &Decisions,
    ) -> Result<Reply, Error> {
        // Nobody reads vectors.
        if request.kind == Kind::Embeddings || !self.watch_answers() {
            return Ok(reply);
        }
        let body = match reply.body {
            ReplyBody::Whole(body) => ReplyBody::Whole(self.whole(gateway, request, body, decisions).await?),
            ReplyBody::Stream(frames) => ReplyBody::Stream(self.stream(gateway, request, frames, decisions)?),
        };
        Ok(Reply { body, ..reply })
    }

    fn stream(
        &self,
        gateway: &Gateway,
        request: &Request,
        mut frames: Frames,
        decisions: &Decisions,
    ) -> Result<Frames, Error> {
        let (finders, others): (Vec<_>, Vec<_>) = self.at(Stage::Output).cloned().partition(|it| it.finder().is_some());
        let (scorers, judges): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| it.is_scorer());
        if !finders.is_empty() {
            frames = stream::guarded(frames, finders, decisions.clone());
        }
        if !judges.is_empty() {
            frames = held::judged(frames, gateway, judges, decisions.clone());
        }
        if !scorers.is_empty() {
            let raters = Raters {
                gateway: gateway.clone(),
                guardrails: scorers,
                request: asked(request)?,
                kind: request.kind,
                decisions: decisions.clone(),
            };
            frames = scored(frames, raters);
        }
        Ok(frames)
    }

    async fn whole(
        &self,
        gateway: &Gateway,
        request: &Request,
        bytes: Bytes,
        decisions: &Decisions,
    ) -> Result<Bytes, Error> {
        // What is no JSON is no answer, which others will say.
        let Ok(mut body) = serde_json::from_slice::<Value>(&bytes) else { return Ok(bytes) };
        let mut is_masked = false;
        for guardrail in self.at(Stage::Output) {
            let Guardrail { tool_calls, check, .. } = &**guardrail;
            if let Check::Scorer(scorer) = check {
                let parts = (&asked(request)?, Some(&body));
                if let Some(instead) = guardrail.rate(scorer, gateway, Stage::Output, parts, decisions).await? {
                    body = instead;
                    is_masked = true;
                }
                continue;
            }
            let Check::Find(finder) = check else {
                let texts = said(&mut body, matches!(check, Check::Schema(_)), *tool_calls);
                guardrail.judge(gateway, Stage::Output, &texts, decisions).await?;
                continue;
            };
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

/// What was asked, in OpenAI's words.
fn asked(request: &Request) -> Result<Value, Error> {
    request.pivot(&mut Losses::default())?.typed()
}

/// What the choices of an answer say, a text each.
fn said(body: &mut Value, only_content: bool, tool_calls: bool) -> Vec<String> {
    let choices = body.get_mut("choices").and_then(Value::as_array_mut).into_iter().flatten();
    let texts = choices.map(|choice| {
        let mut said = String::new();
        let mut hear = |text: &mut String| {
            said.push_str(text);
            Ok::<_, Infallible>(())
        };
        let _ = match choice.pointer_mut("/message/content") {
            Some(content) if only_content => texts::leaves(content, &mut hear),
            _ => texts::of_choice(choice, tool_calls, &mut hear),
        };
        said
    });
    texts.filter(|it| !it.is_empty()).collect()
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
        let Some(finder) = self.finder() else { return Ok(false) };
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
