//! MLflow's scorers as guardrails: a model rates a request or an answer, and what fails is refused or written anew.
//!
//! They mean what they mean in MLflow 3.17.2 (`mlflow/gateway/guardrails.py`): a rating of `yes` or `true` passes;
//! `VALIDATION` refuses the rest, `SANITIZATION` has another endpoint write it anew. The models are asked through this
//! gateway, past its guardrails, so that none of them waits for itself.

mod question;
mod rewriting;
mod stored;
mod streamed;

use llm::Error;
use serde_json::Value;

use super::{Decisions, Guardrail, Stage, Verdict};
use crate::Gateway;
pub(super) use question::Question;
pub(crate) use stored::Stored;
pub(super) use streamed::{Raters, scored};

/// Characters of a rationale that callers are shown, as in MLflow.
const RATIONALE_CHARS_MAX: usize = 500;

/// A scorer of MLflow, ready to rate.
#[derive(Debug)]
pub(crate) struct Scorer {
    /// What is asked, or why nothing can be.
    asks: Result<Question, String>,
    /// Which endpoint writes anew what fails; `None` where that is refused.
    rewriter: Option<Result<String, String>>,
}

/// What a model says of a text.
#[derive(Debug, PartialEq, Eq)]
struct Rating {
    passes: bool,
    rationale: String,
}

impl Guardrail {
    /// Rates a request, or the answer to one. Gives what takes its place, where it is written anew.
    pub(super) async fn rate(
        &self,
        scorer: &Scorer,
        gateway: &Gateway,
        stage: Stage,
        (request, answer): (&Value, Option<&Value>),
        decisions: &Decisions,
    ) -> Result<Option<Value>, Error> {
        let name = &self.name;
        let question = scorer.asks.as_ref().map_err(|why| {
            decisions.note(name, stage, Verdict::Blocked, "failure");
            Error::Unavailable(format!("guardrail `{name}` cannot be run here: {why}"))
        })?;
        let rating = match question.ask(gateway, request, answer).await {
            Ok(rating) => rating,
            Err(why) => return self.undecided(stage, &why, decisions).map(|()| None),
        };
        if rating.passes {
            return Ok(None);
        }
        let refused = |why: &str| {
            decisions.note(name, stage, Verdict::Blocked, "rating");
            let why: String = why.chars().take(RATIONALE_CHARS_MAX).collect();
            Error::Blocked(format!("Guardrail '{name}' blocked: {why}"))
        };
        let Some(rewriter) = &scorer.rewriter else { return Err(refused(&rating.rationale)) };
        let endpoint = rewriter.as_ref().map_err(|why| refused(why))?;
        let rewritten = rewriting::ask(gateway, endpoint, answer.unwrap_or(request), stage, &rating.rationale).await;
        let rewritten = rewritten.map_err(|why| refused(&why))?;
        decisions.note(name, stage, Verdict::Masked, "rating");
        Ok(Some(rewritten))
    }
}

/// The JSON object in what a model says, which may think aloud first, or put its answer into a fence.
fn object_in(said: &str) -> Option<Value> {
    let said = said.rsplit_once("</think>").map_or(said, |(_, it)| it);
    let from = said.find('{')?;
    let until = said.rfind('}')?;
    serde_json::from_str(said.get(from..=until)?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_found_in_what_models_say() {
        let check = |said: &str, expected: Option<Value>| assert_eq!(object_in(said), expected, "{said}");
        check(r#"{"a": 1}"#, Some(json!({"a": 1})));
        check("<think>{}</think>\n```json\n{\"a\": {\"b\": 2}}\n```", Some(json!({"a": {"b": 2}})));
        check("yes", None);
        check("} {", None);
        check("{\"a\": ", None);
    }
}
