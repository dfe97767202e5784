//! Guardrails that need the whole text: what they say of it, and what is made of that.

use llm::Error;

use super::{Action, Check, Decisions, Guardrail, Stage, Verdict};
use crate::Gateway;

/// What is said of texts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opinion {
    Fine,
    /// They must not pass: a label for records, and words for the caller.
    Objection {
        label: String,
        words: String,
    },
    /// These take their places.
    Instead(Vec<String>),
}

/// What is done where nobody could be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnFailure {
    /// The call fails too.
    #[default]
    Block,
    /// It goes on, and its record tells.
    Pass,
}

impl Guardrail {
    /// Looks at texts that are all there; gives others if they must be replaced.
    pub(super) async fn judge(
        &self,
        gateway: &Gateway,
        stage: Stage,
        texts: &[String],
        decisions: &Decisions,
    ) -> Result<Option<Vec<String>>, Error> {
        if texts.iter().all(String::is_empty) {
            return Ok(None);
        }
        let opinion = match &self.check {
            Check::Find(_) | Check::Scorer(_) => return Ok(None),
            Check::Schema(schema) => Ok(schema.check(texts)),
            Check::Judge(judge) => judge.ask(gateway, texts).await,
            Check::Webhook(webhook) => webhook.ask(&self.name, stage, texts, self.action == Action::Mask).await,
        };
        match opinion {
            Ok(Opinion::Fine) => Ok(None),
            Ok(Opinion::Instead(texts)) => {
                decisions.note(&self.name, stage, Verdict::Masked, "texts");
                Ok(Some(texts))
            }
            Ok(Opinion::Objection { label, words }) if self.action == Action::Flag => {
                let _ = words;
                decisions.note(&self.name, stage, Verdict::Flagged, &label);
                Ok(None)
            }
            Ok(Opinion::Objection { label, words }) => {
                decisions.note(&self.name, stage, Verdict::Blocked, &label);
                Err(self.blocked(stage, &words))
            }
            Err(why) => self.undecided(stage, &why, decisions).map(|()| None),
        }
    }

    /// Nobody could be asked.
    pub(super) fn undecided(&self, stage: Stage, why: &str, decisions: &Decisions) -> Result<(), Error> {
        tracing::warn!(guardrail = self.name, stage = stage.word(), why, "a guardrail could not decide");
        match self.on_failure {
            OnFailure::Pass => {
                decisions.note(&self.name, stage, Verdict::Unchecked, "failure");
                Ok(())
            }
            OnFailure::Block => {
                decisions.note(&self.name, stage, Verdict::Blocked, "failure");
                let name = &self.name;
                Err(Error::Unavailable(format!(
                    "guardrail `{name}` could not decide: {why}; nothing passes without it, so try again later"
                )))
            }
        }
    }
}
