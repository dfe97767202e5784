//! The other fields of a chat: those that Converse has under a name of its own, those that only the model knows, and
//! those that nobody there knows.

use llm::{Error, Rest};
use serde_json::{Map, Value, json};

use super::{is_claude, is_nova};
use crate::losses::Losses;
use crate::provider::leftover::leave_out;

/// What else decides how options are said.
pub(super) struct Options<'a> {
    pub(super) model: &'a str,
    pub(super) top_k: Option<u32>,
    /// Whether the model shall call one tool at a time.
    pub(super) is_parallel_off: bool,
}

/// Fields of Converse's own body, which pass as they are.
const CONVERSE: [&str; 9] = [
    "guardrailConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "additionalModelResponseFieldPaths",
    "projectIdentifier",
    "serviceTier",
    "outputConfig",
    "additionalModelRequestFields",
];

/// OpenAI's fields that Converse has no words for.
const UNKNOWN: [&str; 14] = [
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "store",
    "modalities",
    "audio",
    "prediction",
    "verbosity",
];

pub(super) fn translate(
    mut rest: Rest,
    options: &Options<'_>,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let mut model = match rest.remove("additionalModelRequestFields") {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    if let Some(format) = rest.remove("response_format") {
        response_format(&format, body, losses)?;
    }
    for name in CONVERSE {
        if let Some(value) = rest.remove(name).filter(|it| !it.is_null()) {
            match (body.get_mut(name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                (_, value) => drop(body.insert(name.to_owned(), value)),
            }
        }
    }
    tier(rest.remove("service_tier").as_ref(), body, losses);
    metadata(rest.remove("metadata"), body, losses);
    rest.remove("stream_options");
    leave_out(&mut rest, &UNKNOWN, "Bedrock", losses);
    if let Some(top_k) = options.top_k {
        if is_nova(options.model) {
            deep(&mut model, "inferenceConfig").insert("topK".to_owned(), top_k.into());
        } else {
            model.insert("top_k".to_owned(), top_k.into());
        }
    }
    if let Some(effort) = rest.remove("reasoning_effort").as_ref().and_then(Value::as_str) {
        reasoning(effort, options.model, &mut model);
    }
    if options.is_parallel_off {
        if is_claude(options.model) {
            model.insert("tool_choice".to_owned(), json!({"type": "auto", "disable_parallel_tool_use": true}));
        } else {
            losses.add("parallel_tool_calls", "is left out: this model cannot be told to call one tool at a time");
        }
    }
    // What is left is the model's own (`thinking`, `anthropic_beta`, `min_p`…), and the model refuses what it
    // does not know.
    for (name, value) in rest {
        if !value.is_null() {
            model.entry(name).or_insert(value);
        }
    }
    if !model.is_empty() {
        body.insert("additionalModelRequestFields".to_owned(), model.into());
    }
    Ok(())
}

/// How hard the model shall think, in the words of each maker.
fn reasoning(effort: &str, of: &str, model: &mut Map<String, Value>) {
    if is_claude(of) {
        if effort == "none" {
            model.entry("thinking").or_insert(json!({"type": "disabled"}));
            return;
        }
        let effort = match effort {
            "minimal" => "low",
            "xhigh" => "max",
            other => other,
        };
        deep(model, "output_config").entry("effort").or_insert(effort.into());
    } else if is_nova(of) {
        let config = if matches!(effort, "none" | "minimal") {
            json!({"type": "disabled"})
        } else {
            json!({"type": "enabled", "maxReasoningEffort": if effort == "xhigh" { "high" } else { effort }})
        };
        model.entry("reasoningConfig").or_insert(config);
    } else {
        model.entry("reasoning_effort").or_insert(effort.into());
    }
}

fn response_format(format: &Value, body: &mut Map<String, Value>, losses: &mut Losses) -> Result<(), Error> {
    match format["type"].as_str() {
        Some("text") => {}
        Some("json_schema") => {
            let of = &format["json_schema"];
            let Some(schema) = of.get("schema") else {
                return Err(Error::invalid(
                    "response_format",
                    "`response_format.json_schema.schema` is missing; send the schema",
                ));
            };
            // Converse wants the schema as a text.
            let mut described = json!({"schema": schema.to_string()});
            for name in ["name", "description"] {
                if let Some(value) = of.get(name).filter(|it| it.is_string()) {
                    described[name] = value.clone();
                }
            }
            let format = json!({"type": "json_schema", "structure": {"jsonSchema": described}});
            body.insert("outputConfig".to_owned(), json!({"textFormat": format}));
        }
        _ => losses.add("response_format", "is left out: Bedrock enforces a `json_schema` only; ask for JSON in words"),
    }
    Ok(())
}

fn tier(tier: Option<&Value>, body: &mut Map<String, Value>, losses: &mut Losses) {
    match tier.and_then(Value::as_str) {
        None | Some("auto") => {}
        Some(word @ ("default" | "flex" | "priority" | "reserved")) => {
            body.insert("serviceTier".to_owned(), json!({"type": word}));
        }
        Some(_) => losses.add("service_tier", "is left out: Bedrock's are default, flex, priority and reserved"),
    }
}

/// What the caller notes about a call goes into Bedrock's own notes, which hold texts.
fn metadata(metadata: Option<Value>, body: &mut Map<String, Value>, losses: &mut Losses) {
    let Some(Value::Object(notes)) = metadata else { return };
    let known = deep(body, "requestMetadata");
    for (name, value) in notes {
        if value.is_string() {
            known.entry(name).or_insert(value);
        } else {
            losses.add(format!("metadata.{name}"), "is left out: Bedrock's notes are texts");
        }
    }
    if known.is_empty() {
        body.remove("requestMetadata");
    }
}

/// The object under a name, made where there is none.
fn deep<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let slot = map.entry(name).or_insert_with(|| json!({}));
    if !slot.is_object() {
        *slot = json!({});
    }
    slot.as_object_mut().expect("it was made an object a moment ago")
}
