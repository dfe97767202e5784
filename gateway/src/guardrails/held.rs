//! Streams of answers that can only be judged as a whole: held until their end where the judgement may block them,
//! passed on and judged at their end where it is only told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use futures::{StreamExt, stream};
use llm::Error;
use serde_json::Value;

use super::texts::SAID;
use super::{Action, Decisions, Guardrail, Stage};
use crate::Gateway;
use crate::provider::{Frame, Frames};

/// Bytes of a stream that are held at most.
const HELD_BYTES_MAX: usize = 8 << 20;

struct State {
    frames: Frames,
    gateway: Gateway,
    guardrails: Vec<Arc<Guardrail>>,
    decisions: Decisions,
    is_holding: bool,
    held: VecDeque<Frame>,
    bytes: usize,
    /// What each choice says.
    said: BTreeMap<u64, String>,
    is_judged: bool,
}

/// A stream that guardrails judge at its end.
pub(super) fn judged(
    frames: Frames,
    gateway: &Gateway,
    guardrails: Vec<Arc<Guardrail>>,
    decisions: Decisions,
) -> Frames {
    let state = State {
        frames,
        gateway: gateway.clone(),
        is_holding: guardrails.iter().any(|it| it.action != Action::Flag),
        guardrails,
        decisions,
        held: VecDeque::new(),
        bytes: 0,
        said: BTreeMap::new(),
        is_judged: false,
    };
    Box::pin(stream::unfold(Some(state), |state| async {
        let mut state = state?;
        match state.next().await {
            Ok(Some(frame)) => Some((Ok(frame), Some(state))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    }))
}

impl State {
    async fn next(&mut self) -> Result<Option<Frame>, Error> {
        loop {
            if self.is_judged || !self.is_holding {
                if let Some(frame) = self.held.pop_front() {
                    return Ok(Some(frame));
                }
                if self.is_judged {
                    return Ok(None);
                }
            }
            match self.frames.next().await.transpose()? {
                Some(Frame::Chunk(chunk)) => {
                    self.hear(&chunk)?;
                    self.held.push_back(Frame::Chunk(chunk));
                }
                Some(Frame::Done) => {
                    self.judge().await?;
                    self.held.push_back(Frame::Done);
                }
                None => self.judge().await?,
                Some(Frame::Native(..)) => {
                    let words = "a guarded stream came in a format that guardrails do not read";
                    return Err(Error::Internal(words.to_owned()));
                }
            }
        }
    }

    fn hear(&mut self, chunk: &str) -> Result<(), Error> {
        if self.guardrails.is_empty() {
            return Ok(());
        }
        self.bytes += chunk.len();
        if self.bytes > HELD_BYTES_MAX {
            let why = format!("the answer is longer than {HELD_BYTES_MAX} bytes");
            for guardrail in &self.guardrails {
                guardrail.undecided(Stage::Output, &why, &self.decisions)?;
            }
            // Nobody objects to letting it pass unjudged.
            self.guardrails.clear();
            self.is_holding = false;
            self.said.clear();
            return Ok(());
        }
        let Ok(chunk) = serde_json::from_str::<Value>(chunk) else { return Ok(()) };
        for choice in chunk.get("choices").and_then(Value::as_array).into_iter().flatten() {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            let said = self.said.entry(index).or_default();
            let delta = choice.get("delta");
            let pieces = SAID.iter().filter_map(|key| delta?.get(key)).chain(choice.get("text"));
            for piece in pieces.filter_map(Value::as_str) {
                said.push_str(piece);
            }
        }
        Ok(())
    }

    async fn judge(&mut self) -> Result<(), Error> {
        self.is_judged = true;
        let texts: Vec<String> = std::mem::take(&mut self.said).into_values().filter(|it| !it.is_empty()).collect();
        for guardrail in std::mem::take(&mut self.guardrails) {
            guardrail.judge(&self.gateway, Stage::Output, &texts, &self.decisions).await?;
        }
        Ok(())
    }
}
