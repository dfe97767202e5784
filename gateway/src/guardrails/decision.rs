//! What guardrails decided about a call.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The header that names the guardrails which found something.
pub(crate) const GUARDRAILS: &str = "x-tidegate-guardrails";

/// Whether a request or an answer was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The request, before any provider sees it.
    Input,
    /// The answer, before the caller sees it.
    Output,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The call ended there.
    Blocked,
    /// Placeholders took the place of what was found.
    Masked,
    /// Nothing; it is only told.
    Flagged,
    /// It passed although nobody could be asked about it.
    Unchecked,
}

impl Stage {
    /// `input` or `output`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

impl Verdict {
    /// `blocked`, `masked`, `flagged` or `unchecked`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Masked => "masked",
            Self::Flagged => "flagged",
            Self::Unchecked => "unchecked",
        }
    }
}

/// What one guardrail decided about the request or the answer of a call. One that finds nothing decides nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The guardrail's name.
    pub guardrail: String,
    /// What was looked at.
    pub stage: Stage,
    /// What became of it.
    pub verdict: Verdict,
    /// What was found and how often: `email` 2. Never the text itself.
    pub found: Vec<(String, u32)>,
}

/// The decisions about one call, as they are made. Clones share them: those about a stream come while it passes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decisions(Arc<Mutex<Vec<Decision>>>);

impl Decisions {
    /// Notes something that was found.
    pub(super) fn note(&self, guardrail: &str, stage: Stage, verdict: Verdict, what: &str) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = list.iter_mut().find(|it| it.guardrail == guardrail && it.stage == stage && it.verdict == verdict);
        let Some(decision) = known else {
            let found = vec![(what.to_owned(), 1)];
            list.push(Decision { guardrail: guardrail.to_owned(), stage, verdict, found });
            return;
        };
        match decision.found.iter_mut().find(|(name, _)| name == what) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => decision.found.push((what.to_owned(), 1)),
        }
    }

    /// All of them so far.
    pub(crate) fn list(&self) -> Vec<Decision> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As the header has them: `secrets; input masked; email=2, secrets; …`. `None` where nothing was found.
    pub(crate) fn header(&self) -> Option<String> {
        let mut text = String::new();
        for Decision { guardrail, stage, verdict, found } in self.list() {
            let comma = if text.is_empty() { "" } else { ", " };
            // Names of the database may hold what no header can.
            let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.' | ' ');
            let guardrail: String = guardrail.chars().map(|it| if is_plain(it) { it } else { '_' }).collect();
            let _ = write!(text, "{comma}{guardrail}; {} {}", stage.word(), verdict.word());
            for (what, count) in found {
                let _ = write!(text, "; {what}={count}");
            }
        }
        (!text.is_empty()).then_some(text)
    }
}
