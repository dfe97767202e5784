//! Guardrails as MLflow's tables have them, read into scorers that can rate, or into why they cannot.
//!
//! Source of the shapes: `mlflow/genai/scorers/base.py` (`SerializedScorer`) of MLflow 3.17.2.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Question, Scorer};
use crate::guardrails::{Action, Check, Guardrail, OnFailure, When};

/// How long a model may take to rate, where the scorer names no time.
const TIMEOUT: Duration = Duration::from_mins(1);
/// What stands in instructions for what is rated.
static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}").expect("it is a pattern"));
/// In front of the names of this gateway's endpoints.
const SCHEME: &str = "gateway:/";

/// A guardrail of an endpoint, as the tables have it.
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    /// `BEFORE` or `AFTER`.
    pub(crate) stage: &'a str,
    /// `VALIDATION` or `SANITIZATION`.
    pub(crate) action: &'a str,
    /// The endpoint that writes anew what fails.
    pub(crate) rewriter: Option<&'a str>,
    pub(crate) scorer: &'a str,
}

#[derive(Deserialize)]
struct Serialized {
    builtin_scorer_class: Option<String>,
    #[serde(default)]
    builtin_scorer_pydantic_data: Option<Builtin>,
    instructions_judge_pydantic_data: Option<MadeJudge>,
    call_source: Option<Value>,
    timeout: Option<f64>,
}

#[derive(Deserialize)]
struct MadeJudge {
    instructions: String,
    model: Option<String>,
    feedback_value_type: Option<FeedbackType>,
    inference_params: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct FeedbackType {
    #[serde(rename = "type")]
    kind: Option<String>,
}

#[derive(Default, Deserialize)]
struct Builtin {
    model: Option<String>,
    guidelines: Option<Guidelines>,
    inference_params: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Guidelines {
    One(String),
    Many(Vec<String>),
}

impl Stored<'_> {
    /// The guardrail. `named` gives the name of the endpoint that a scorer's model refers to by name or id.
    pub(crate) fn guardrail(&self, named: impl Fn(&str) -> String) -> Arc<Guardrail> {
        let is_before = self.stage == "BEFORE";
        let is_rewriting = self.action == "SANITIZATION";
        let no_rewriter = "Sanitization requires an endpoint that writes anew, but none was configured.";
        let scorer = Scorer {
            asks: question(self.scorer, is_before, named),
            rewriter: is_rewriting.then(|| self.rewriter.map(str::to_owned).ok_or_else(|| no_rewriter.to_owned())),
        };
        Arc::new(Guardrail {
            name: self.name.to_owned(),
            when: if is_before { When::Input } else { When::Output },
            action: if is_rewriting { Action::Mask } else { Action::Block },
            roles: Vec::new(),
            tool_calls: true,
            hold_bytes: 0,
            on_failure: OnFailure::Block,
            check: Check::Scorer(scorer),
        })
    }
}

fn question(serialized: &str, is_before: bool, named: impl Fn(&str) -> String) -> Result<Question, String> {
    let scorer: Serialized =
        serde_json::from_str(serialized).map_err(|error| format!("its scorer has an unknown shape: {error}"))?;
    if scorer.call_source.is_some_and(|it| !it.is_null()) {
        return Err(
            "its scorer is Python code (@scorer), which no gateway runs; use a judge made with make_judge".into()
        );
    }
    let timeout = scorer.timeout.filter(|it| *it > 0.0);
    let timeout = timeout.map_or(TIMEOUT, |it| Duration::from_secs_f64(it.min(TIMEOUT.as_secs_f64())));
    let (instructions, model, is_boolean, parameters) = match (
        scorer.instructions_judge_pydantic_data,
        scorer.builtin_scorer_class,
    ) {
        (Some(it), _) => {
            let kind = it.feedback_value_type.and_then(|it| it.kind);
            let is_boolean = match kind.as_deref() {
                None | Some("string") => false,
                Some("boolean") => true,
                Some(other) => {
                    return Err(format!(
                        "its judge answers with a value of type `{other}`; a guardrail's says yes or no, or true or false"
                    ));
                }
            };
            (it.instructions, it.model, is_boolean, it.inference_params)
        }
        (None, Some(class)) => {
            let data = scorer.builtin_scorer_pydantic_data.unwrap_or_default();
            (builtin(&class, data.guidelines, is_before)?, data.model, false, data.inference_params)
        }
        (None, None) => {
            return Err("its scorer is of a kind that only Python runs; use a judge made with make_judge".into());
        }
    };
    let model = model.ok_or("its judge names no model; give it an endpoint of this gateway, `gateway:/<name>`")?;
    let Some(endpoint) = model.strip_prefix(SCHEME).map(|it| it.trim_start_matches('/')) else {
        return Err(format!(
            "its judge asks `{model}`, and only endpoints of this gateway are asked: `gateway:/<name>`"
        ));
    };
    let (mut about_inputs, mut about_outputs) = (false, false);
    for variable in VARIABLE.captures_iter(&instructions) {
        match &variable[1] {
            "inputs" => about_inputs = true,
            "outputs" if is_before => {
                return Err("its judge is about `{{ outputs }}`, which there are none of BEFORE a call".into());
            }
            "outputs" => about_outputs = true,
            other => {
                return Err(format!("its judge is about `{{{{ {other} }}}}`; a call has `inputs` and `outputs` alone"));
            }
        }
    }
    if !about_inputs && !about_outputs {
        return Err("its judge's instructions are about neither `{{ inputs }}` nor `{{ outputs }}`".into());
    }
    Ok(Question {
        endpoint: named(endpoint),
        instructions,
        about_inputs,
        about_outputs,
        is_boolean,
        parameters: parameters.unwrap_or_default(),
        timeout,
    })
}

/// The task of those of MLflow's own scorers that look at one request or answer; the words are ours.
fn builtin(class: &str, guidelines: Option<Guidelines>, is_before: bool) -> Result<String, String> {
    let (what, rated) = if is_before { ("request", "{{ inputs }}") } else { ("answer", "{{ outputs }}") };
    let lines = |it: Vec<String>| it.into_iter().fold(String::new(), |text, it| format!("{text}\n- {it}"));
    match (class, guidelines) {
        ("Safety", _) => Ok(format!(
            "Rate the {what} {rated}: yes if it is safe, no if it is harmful, hateful, harassing, sexual about minors, \
             or helps with violence, crime or self-harm."
        )),
        ("Guidelines", Some(list)) => {
            let list = match list {
                Guidelines::One(it) => vec![it],
                Guidelines::Many(it) => it,
            };
            let context = if is_before { "" } else { " The request that it answers is {{ inputs }}." };
            Ok(format!(
                "Rate the {what} {rated}: yes if it keeps to all of these guidelines, else no.{context}{}",
                lines(list)
            ))
        }
        ("RelevanceToQuery", _) if !is_before => {
            Ok("Rate whether the answer {{ outputs }} is about what the request {{ inputs }} asks for: yes or no."
                .into())
        }
        _ => Err(format!(
            "MLflow's scorer `{class}` does not rate {what}s here; Safety and Guidelines do, RelevanceToQuery rates answers, \
             and judges made with make_judge rate both"
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scorers_are_read_or_told_why_not() {
        let read = |scorer: Value, is_before| question(&scorer.to_string(), is_before, |it| it.replace("e-1", "judge"));
        let judge = |instructions: &str, model: Value, kind: &str| {
            json!({"name": "j", "instructions_judge_pydantic_data":
                {"instructions": instructions, "model": model, "feedback_value_type": {"type": kind}}})
        };
        let good = read(judge("Is {{inputs}} kind?", json!("gateway:/e-1"), "boolean"), true).unwrap();
        assert_eq!(
            (good.endpoint.as_str(), good.about_inputs, good.about_outputs, good.is_boolean),
            ("judge", true, false, true)
        );
        let both = read(judge("{{ outputs }} to {{ inputs }}", json!("gateway:/x"), "string"), false).unwrap();
        assert_eq!((both.about_inputs, both.about_outputs, both.timeout), (true, true, TIMEOUT));
        let guidelines = json!({"name": "g", "timeout": 5, "builtin_scorer_class": "Guidelines",
            "builtin_scorer_pydantic_data": {"model": "gateway:/x", "guidelines": ["Be kind.", "Be brief."]}});
        let guidelines = read(guidelines, false).unwrap();
        assert!(guidelines.instructions.ends_with("\n- Be kind.\n- Be brief."), "{}", guidelines.instructions);
        assert_eq!((guidelines.about_outputs, guidelines.timeout), (true, Duration::from_secs(5)));
        let refused = |scorer: Value, is_before, part: &str| {
            let why = read(scorer, is_before).unwrap_err();
            assert!(why.contains(part), "{why}");
        };
        refused(judge("Is {{ outputs }} kind?", json!("gateway:/x"), "string"), true, "none of BEFORE");
        refused(judge("Is {{ trace }} good?", json!("gateway:/x"), "string"), false, "`{{ trace }}`");
        refused(judge("Is it?", json!("gateway:/x"), "string"), false, "neither");
        refused(judge("{{ inputs }}", json!("openai:/gpt-5"), "string"), false, "`openai:/gpt-5`");
        refused(judge("{{ inputs }}", Value::Null, "string"), false, "names no model");
        refused(judge("{{ inputs }}", json!("gateway:/x"), "number"), false, "type `number`");
        refused(json!({"name": "c", "call_source": "return True"}), false, "Python code");
        refused(json!({"name": "r", "builtin_scorer_class": "RegexMatch"}), false, "`RegexMatch`");
        refused(json!({"name": "t", "third_party_scorer_data": {}}), false, "only Python runs");
        refused(json!([1]), false, "unknown shape");
    }
}
