//! The fields of a chat that Anthropic knows by another name, or not at all.

use llm::{Chat, Error, Rest};
use serde_json::{Map, Value, json};

use crate::losses::Losses;

/// Fields that change an answer, or what is kept of it, and have no counterpart.
const UNKNOWN: [&str; 15] = [
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "presence_penalty",
    "frequency_penalty",
    "audio",
    "prediction",
    "modalities",
    "verbosity",
    "web_search_options",
    "moderation",
    "store",
    "prompt_cache_key",
    "prompt_cache_retention",
    "metadata",
];

/// What of the typed fields Messages cannot say. Several answers to one call are refused: one is not what was asked for.
pub(super) fn typed(chat: &mut Chat, losses: &mut Losses) -> Result<(), Error> {
    if chat.n.is_some_and(|it| it > 1) {
        return Err(Error::invalid(
            "n",
            "Anthropic's models give one answer a call; leave `n` out or call several times",
        ));
    }
    if chat.seed.take().is_some() {
        losses.add("seed", "is left out: Anthropic's models take no seed");
    }
    // OpenAI's scale ends at 2, Anthropic's at 1; below that they mean the same.
    if let Some(temperature) = chat.temperature.as_mut().filter(|it| **it > 1.0) {
        *temperature = 1.0;
        losses.add("temperature", "is lowered to 1: Anthropic's scale ends there");
    }
    Ok(())
}

/// The fields of `rest` that Anthropic knows by another name, and those that mean nothing to it.
pub(super) fn translate_rest(rest: &mut Rest, body: &mut Map<String, Value>, losses: &mut Losses) -> Result<(), Error> {
    let user = rest.shift_remove("safety_identifier").or_else(|| rest.shift_remove("user"));
    rest.shift_remove("user");
    // A chat's `metadata` is for OpenAI's dashboard; only Anthropic's own key in it is for the model's provider.
    let user_id = match rest.get_mut("metadata") {
        Some(Value::Object(metadata)) => metadata.shift_remove("user_id"),
        _ => None,
    };
    if let Some(user) = user_id.or(user).filter(Value::is_string) {
        body.insert("metadata".to_owned(), json!({"user_id": user}));
    }
    let mut output = match rest.shift_remove("output_config") {
        Some(Value::Object(output)) => output,
        _ => Map::new(),
    };
    match rest.shift_remove("reasoning_effort").as_ref().and_then(Value::as_str) {
        None => {}
        Some("none") => {
            body.insert("thinking".to_owned(), json!({"type": "disabled"}));
        }
        Some(effort) => {
            let effort = match effort {
                "minimal" => "low",
                "xhigh" => "max",
                other => other,
            };
            output.insert("effort".to_owned(), effort.into());
        }
    }
    if let Some(format) = rest.shift_remove("response_format")
        && let Some(format) = output_format(&format, losses)?
    {
        output.insert("format".to_owned(), format);
    }
    if !output.is_empty() {
        body.insert("output_config".to_owned(), output.into());
    }
    match rest.shift_remove("service_tier").as_ref().and_then(Value::as_str) {
        None => {}
        Some("default" | "standard_only") => {
            body.insert("service_tier".to_owned(), "standard_only".into());
        }
        Some("auto") => {
            body.insert("service_tier".to_owned(), "auto".into());
        }
        Some(tier) => losses.add("service_tier", format!("is left out: Anthropic has no tier `{tier}`")),
    }
    // Counts come in every stream.
    rest.shift_remove("stream_options");
    for name in UNKNOWN {
        if rest.shift_remove(name).is_some_and(|it| !is_off(name, &it)) {
            losses.add(name, "is left out: Anthropic's models have no such setting");
        }
    }
    Ok(())
}

/// Whether a value asks for nothing.
fn is_off(name: &str, value: &Value) -> bool {
    value.is_null()
        || value.as_f64() == Some(0.0)
        || value == &json!(false)
        || value == &json!({})
        || (name == "modalities" && value == &json!(["text"]))
        || (name == "verbosity" && value == "medium")
}

/// What `response_format` asks for, as `output_config.format`.
fn output_format(format: &Value, losses: &mut Losses) -> Result<Option<Value>, Error> {
    match format["type"].as_str() {
        Some("text") => Ok(None),
        Some("json_schema") => {
            let mut schema = format.pointer("/json_schema/schema").cloned().ok_or_else(|| {
                Error::invalid("response_format", "`response_format.json_schema.schema` is missing; send the schema")
            })?;
            close_objects(&mut schema);
            Ok(Some(json!({"type": "json_schema", "schema": schema})))
        }
        Some("json_object") => {
            losses.add("response_format", "is left out: Anthropic's models take a schema, not `json_object`");
            Ok(None)
        }
        other => {
            let other = other.unwrap_or("without a type");
            let message = format!("`response_format` must be text, json_object or json_schema, but is {other}");
            Err(Error::invalid("response_format", message))
        }
    }
}

/// Anthropic wants each object of an output schema to say that it takes no other keys.
fn close_objects(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let is_object = match fields.get("type") {
                Some(Value::String(kind)) => kind == "object",
                Some(Value::Array(kinds)) => kinds.iter().any(|it| it == "object"),
                _ => false,
            };
            if is_object {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            for (name, value) in fields {
                // These hold values, not schemas.
                if !matches!(name.as_str(), "enum" | "const" | "default" | "examples") {
                    close_objects(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close_objects),
        _ => {}
    }
}
