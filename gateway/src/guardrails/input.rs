//! Requests, looked at before any provider sees them.

use std::convert::Infallible;

use llm::Error;
use serde_json::Value;

use super::{Action, Check, Decisions, Finder, Guardrail, Guardrails, Stage, Verdict, texts};
use crate::Gateway;
use crate::dialect::Dialect;
use crate::losses::Losses;
use crate::request::Request;

/// What goes on of a request.
pub(crate) enum Screened {
    Unchanged,
    /// The same in OpenAI's words, so that its answer comes in them.
    Translated(Request),
    /// Another one, with placeholders.
    Masked(Request),
}

impl Guardrails {
    /// Looks at a request, and gives what goes on.
    pub(crate) async fn request(
        &self,
        gateway: &Gateway,
        request: &Request,
        decisions: &Decisions,
    ) -> Result<Screened, Error> {
        let is_foreign = request.dialect != Dialect::OpenAi && self.watch_answers();
        if !is_foreign && self.at(Stage::Input).next().is_none() {
            return Ok(Screened::Unchanged);
        }
        let mut losses = Losses::default();
        let pivot = request.pivot(&mut losses)?;
        let mut body: Value = pivot.typed()?;
        let mut is_masked = false;
        for guardrail in self.at(Stage::Input) {
            let Guardrail { roles, tool_calls, .. } = &**guardrail;
            if let Some(finder) = guardrail.finder() {
                texts::of_request(&mut body, pivot.kind, roles, *tool_calls, &mut |text| {
                    is_masked |= guardrail.look(finder, Stage::Input, text, decisions)?;
                    Ok::<_, Error>(())
                })?;
                continue;
            }
            if let Check::Scorer(scorer) = &guardrail.check {
                if let Some(instead) = guardrail.rate(scorer, gateway, Stage::Input, (&body, None), decisions).await? {
                    body = instead;
                    is_masked = true;
                }
                continue;
            }
            let mut texts = Vec::new();
            let _ = texts::of_request(&mut body, pivot.kind, roles, *tool_calls, &mut |text| {
                texts.push(text.clone());
                Ok::<_, Infallible>(())
            });
            if let Some(instead) = guardrail.judge(gateway, Stage::Input, &texts, decisions).await? {
                let mut instead = instead.into_iter();
                let _ = texts::of_request(&mut body, pivot.kind, roles, *tool_calls, &mut |text| {
                    if let Some(it) = instead.next() {
                        *text = it;
                    }
                    Ok::<_, Infallible>(())
                });
                is_masked = true;
            }
        }
        if is_masked {
            let body = serde_json::to_vec(&body)
                .map_err(|error| Error::Internal(format!("a request could not be written as JSON: {error}")))?;
            return Ok(Screened::Masked(pivot.with_body(body.into(), losses)));
        }
        if is_foreign {
            return Ok(Screened::Translated(pivot.with_body(pivot.body.clone(), losses)));
        }
        Ok(Screened::Unchanged)
    }
}

impl Guardrail {
    /// Looks at a text that is all there; gives whether it was changed.
    pub(super) fn look(
        &self,
        finder: &Finder,
        stage: Stage,
        text: &mut String,
        decisions: &Decisions,
    ) -> Result<bool, Error> {
        let found = finder.scan(text, 0, text.len() + 1);
        let mut masked = String::new();
        let mut at = 0;
        for it in &found {
            let rule = finder.rule(it);
            self.found(stage, &rule.label, decisions)?;
            masked.push_str(&text[at..it.range.start]);
            masked.push_str(&rule.placeholder);
            at = it.range.end;
        }
        if at == 0 || self.action != Action::Mask {
            return Ok(false);
        }
        masked.push_str(&text[at..]);
        *text = masked;
        Ok(true)
    }

    /// Notes something that was found; an error where that ends the call.
    pub(super) fn found(&self, stage: Stage, what: &str, decisions: &Decisions) -> Result<(), Error> {
        let verdict = match self.action {
            Action::Block => Verdict::Blocked,
            Action::Mask => Verdict::Masked,
            Action::Flag => Verdict::Flagged,
        };
        decisions.note(&self.name, stage, verdict, what);
        match self.action {
            Action::Block => Err(self.blocked(stage, &format!("it holds `{what}`"))),
            Action::Mask | Action::Flag => Ok(()),
        }
    }
}
