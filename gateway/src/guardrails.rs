//! Guardrails: what may not be said to a model, nor by it, and what happens to it.
//!
//! A guardrail looks at the texts of a request, of an answer, or of both. What it finds is blocked, masked, or flagged
//! in the record. Answers are looked at in OpenAI's words, so that calls in other formats are translated there first.

mod decision;
mod find;
mod held;
mod injection;
mod input;
mod judge;
mod opinion;
mod pii;
mod reply;
mod schema;
mod scorer;
mod stream;
mod texts;
mod webhook;
mod window;

use std::sync::Arc;

use llm::Error;
use sha2::{Digest as _, Sha256};

pub use decision::{Decision, Stage, Verdict};
pub(crate) use decision::{Decisions, GUARDRAILS};
pub(crate) use find::{Finder, Rule};
pub(crate) use injection::{INJECTION, rules as injection_rules};
pub(crate) use input::Screened;
pub(crate) use judge::Judge;
pub(crate) use opinion::OnFailure;
pub(crate) use pii::Pii;
pub(crate) use schema::Schema;
pub(crate) use scorer::{Scorer, Stored};
pub(crate) use webhook::Webhook;

/// One guardrail, ready to look.
#[derive(Debug)]
pub(crate) struct Guardrail {
    pub(crate) name: String,
    pub(crate) when: When,
    pub(crate) action: Action,
    /// Whose turns of a conversation are looked at in a request.
    pub(crate) roles: Vec<String>,
    /// Whether arguments of tool calls are looked at too.
    pub(crate) tool_calls: bool,
    /// Bytes of a stream that are held back, so that what is cut by the edges of chunks is found.
    pub(crate) hold_bytes: usize,
    /// What is done where somebody has to be asked, and cannot be.
    pub(crate) on_failure: OnFailure,
    pub(crate) check: Check,
}

/// When a guardrail looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Input,
    Output,
    Both,
}

/// What is done about what a guardrail finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call fails.
    Block,
    /// A placeholder takes the place of what was found.
    Mask,
    /// The call goes on; its record and its head tell.
    Flag,
}

/// How a guardrail looks.
#[derive(Debug)]
pub(crate) enum Check {
    /// For stretches of text.
    Find(Finder),
    /// Whether answers have a shape.
    Schema(Schema),
    /// By asking a model.
    Judge(Judge),
    /// By asking another server.
    Webhook(Webhook),
    /// As a scorer of MLflow does.
    Scorer(Scorer),
}

impl Guardrail {
    fn looks_at(&self, stage: Stage) -> bool {
        match stage {
            Stage::Input => self.when != When::Output,
            Stage::Output => self.when != When::Input,
        }
    }

    fn is_scorer(&self) -> bool {
        matches!(self.check, Check::Scorer(_))
    }

    /// What it looks for, if it looks for stretches of text.
    fn finder(&self) -> Option<&Finder> {
        match &self.check {
            Check::Find(finder) => Some(finder),
            Check::Schema(_) | Check::Judge(_) | Check::Webhook(_) | Check::Scorer(_) => None,
        }
    }

    /// The error of a call that this guardrail ends.
    fn blocked(&self, stage: Stage, what: &str) -> Error {
        let name = &self.name;
        Error::Blocked(match stage {
            Stage::Input => format!("guardrail `{name}` refuses this request: {what}; take it out and ask again"),
            Stage::Output => format!("guardrail `{name}` holds back the answer: {what}"),
        })
    }
}

/// The guardrails of an endpoint or a route, in order.
pub(crate) struct Guardrails {
    list: Vec<Arc<Guardrail>>,
    /// A hash of what they are, which tells a cache that its answers were let through by others.
    pub(crate) fingerprint: u64,
}

impl Guardrails {
    /// `None` where there are none.
    pub(crate) fn new(list: Vec<Arc<Guardrail>>) -> Option<Self> {
        if list.is_empty() {
            return None;
        }
        let hash = Sha256::digest(format!("{list:?}"));
        let fingerprint = u64::from_le_bytes(hash[..8].try_into().expect("a hash has more than eight bytes"));
        Some(Self { list, fingerprint })
    }

    pub(crate) fn list(&self) -> &[Arc<Guardrail>] {
        &self.list
    }

    fn at(&self, stage: Stage) -> impl Iterator<Item = &Arc<Guardrail>> {
        self.list.iter().filter(move |it| it.looks_at(stage))
    }

    /// Whether anybody looks at answers.
    pub(crate) fn watch_answers(&self) -> bool {
        self.at(Stage::Output).next().is_some()
    }
}
