//! The fields of a chat that Anthropic knows by another name, or not at all.

use llm::{Chat, Error, Rest};
use serde_json::{Map, Value, json};

/// What Messages cannot say must not be dropped in silence where it changes the answer.
pub(super) fn refuse_inexpressible(chat: &Chat, rest: &Rest) -> Result<(), Error> {
    if chat.n.is_some_and(|it| it > 1) {
        return Err(Error::invalid(
            "n",
            "Anthropic's models give one answer a call; leave `n` out or call several times",
        ));
    }
    let is_off =
        |value: &Value| value.is_null() || value.as_f64() == Some(0.0) || value == &json!(false) || value == &json!({});
    for name in
        ["logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "audio", "prediction"]
    {
        if rest.get(name).is_some_and(|it| !is_off(it)) {
            return Err(Error::invalid(name, format!("Anthropic's models do not offer `{name}`; leave it out")));
        }
    }
    Ok(())
}

/// The fields of `rest` that Anthropic knows by another name, and those that mean nothing to it.
pub(super) fn translate_rest(rest: &mut Rest, body: &mut Map<String, Value>) -> Result<(), Error> {
    let user = rest.remove("safety_identifier").or_else(|| rest.remove("user"));
    if let Some(user) = user.filter(Value::is_string) {
        body.insert("metadata".to_owned(), json!({"user_id": user}));
    }
    // A chat's `metadata` is for OpenAI's dashboard; only Anthropic's own key in it is for the model's provider.
    if let Some(user_id) = rest.remove("metadata").and_then(|it| it.get("user_id").cloned()) {
        body.insert("metadata".to_owned(), json!({"user_id": user_id}));
    }
    let mut output = match rest.remove("output_config") {
        Some(Value::Object(output)) => output,
        _ => Map::new(),
    };
    match rest.remove("reasoning_effort").as_ref().and_then(Value::as_str) {
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
    if let Some(format) = rest.remove("response_format") {
        match format.get("type").and_then(Value::as_str) {
            Some("text") => {}
            Some("json_schema") => {
                let mut schema = format.pointer("/json_schema/schema").cloned().ok_or_else(|| {
                    Error::invalid(
                        "response_format",
                        "`response_format.json_schema.schema` is missing; send the schema",
                    )
                })?;
                close_objects(&mut schema);
                output.insert("format".to_owned(), json!({"type": "json_schema", "schema": schema}));
            }
            other => {
                return Err(Error::invalid(
                    "response_format",
                    format!(
                        "Anthropic's models do not offer the response format {}; send a `json_schema`, or ask for JSON \
                         in the prompt",
                        other.unwrap_or("without a type")
                    ),
                ));
            }
        }
    }
    if !output.is_empty() {
        body.insert("output_config".to_owned(), output.into());
    }
    if rest.get("service_tier").is_some_and(|it| it != "auto" && it != "standard_only") {
        rest.remove("service_tier");
    }
    for name in [
        "stream_options",
        "store",
        "prompt_cache_key",
        "prompt_cache_retention",
        "verbosity",
        "modalities",
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
        "audio",
        "prediction",
    ] {
        rest.remove(name);
    }
    Ok(())
}

/// Anthropic wants each object of an output schema to say that it takes no other keys.
fn close_objects(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|it| it == "object") {
                fields.entry("additionalProperties").or_insert(false.into());
            }
            fields.values_mut().for_each(close_objects);
        }
        Value::Array(items) => items.iter_mut().for_each(close_objects),
        _ => {}
    }
}
