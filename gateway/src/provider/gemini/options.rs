//! A chat's options as Google's generation settings, and what of them Google has no words for.

use llm::{Chat, Error, Rest};
use serde_json::{Map, Value, json};

use super::schema::schema;
use crate::losses::Losses;

/// Google's own fields, which pass as they are: their names here and in the body.
const OWN: [(&str, &str); 8] = [
    ("safetySettings", "safetySettings"),
    ("safety_settings", "safetySettings"),
    ("cachedContent", "cachedContent"),
    ("cached_content", "cachedContent"),
    ("labels", "labels"),
    ("serviceTier", "serviceTier"),
    ("generationConfig", "generationConfig"),
    ("generation_config", "generationConfig"),
];

/// Moves Google's own fields from the chat to the body, those of `extra_body.google` included.
pub(super) fn own_fields(rest: &mut Rest, body: &mut Map<String, Value>, losses: &mut Losses) {
    if let Some(Value::Object(extra)) = rest.remove("extra_body")
        && let Some(Value::Object(google)) = extra.get("google").cloned()
    {
        for (key, value) in google {
            rest.entry(key).or_insert(value);
        }
    }
    for (name, to) in OWN {
        if let Some(value) = rest.remove(name) {
            body.entry(to).or_insert(value);
        }
    }
    match rest.remove("service_tier").as_ref().and_then(Value::as_str) {
        Some(tier @ ("flex" | "priority")) => {
            body.entry("serviceTier").or_insert(tier.into());
        }
        Some(tier) if !matches!(tier, "auto" | "default") => {
            losses.add("service_tier", format!("(`{tier}`) is left out, because Gemini has no such tier"));
        }
        _ => {}
    }
}

/// The settings of the generation. What is left in the chat's `rest` afterwards is lost, and noted.
pub(super) fn generation_config(
    chat: &Chat,
    model: &str,
    body: &mut Map<String, Value>,
    losses: &mut Losses,
) -> Result<Map<String, Value>, Error> {
    let mut rest = chat.rest.clone();
    let mut config = match body.remove("generationConfig") {
        Some(Value::Object(config)) => config,
        _ => Map::new(),
    };
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            config.insert(name.to_owned(), value);
        }
    };
    set("temperature", chat.temperature.map(Value::from));
    set("topP", chat.top_p.map(Value::from));
    set("topK", chat.top_k.map(Value::from));
    set("maxOutputTokens", chat.output_tokens_max().map(Value::from));
    set("candidateCount", chat.n.filter(|it| *it > 1).map(Value::from));
    set("stopSequences", chat.stop.as_ref().map(|it| json!(it.texts())));
    set("seed", chat.seed.map(Value::from));
    set("presencePenalty", taken(&mut rest, "presence_penalty"));
    set("frequencyPenalty", taken(&mut rest, "frequency_penalty"));
    if taken(&mut rest, "logprobs") == Some(Value::Bool(true)) {
        set("responseLogprobs", Some(true.into()));
        set("logprobs", rest.remove("top_logprobs").filter(Value::is_number));
    } else {
        rest.remove("top_logprobs");
    }
    if let Some(Value::Array(modalities)) = taken(&mut rest, "modalities") {
        let words = modalities.iter().filter_map(Value::as_str).map(|it| Value::from(it.to_ascii_uppercase()));
        set("responseModalities", Some(words.collect()));
    }
    if let Some(format) = taken(&mut rest, "response_format") {
        for (name, value) in response_format(&format)? {
            set(name, Some(value));
        }
    }
    if let Some(thinking) = thinking(&mut rest, model) {
        let own = config.entry("thinkingConfig").or_insert_with(|| json!({}));
        if let (Some(own), Value::Object(thinking)) = (own.as_object_mut(), thinking) {
            for (key, value) in thinking {
                own.entry(key).or_insert(value);
            }
        }
    }
    for (name, value) in rest {
        // What says nothing is not lost; the counts of a stream come unasked.
        if is_silent(&value) || name == "stream_options" {
            continue;
        }
        losses.add(name, "is left out, because Gemini has no such field");
    }
    Ok(config)
}

fn taken(rest: &mut Rest, name: &str) -> Option<Value> {
    rest.remove(name).filter(|it| !it.is_null())
}

fn is_silent(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn response_format(format: &Value) -> Result<Vec<(&'static str, Value)>, Error> {
    let json = || ("responseMimeType", "application/json".into());
    match format["type"].as_str() {
        Some("text") => Ok(Vec::new()),
        Some("json_object") => Ok(vec![json()]),
        Some("json_schema") => {
            let asked = format.pointer("/json_schema/schema").ok_or_else(|| {
                Error::invalid("response_format", "`response_format.json_schema.schema` is missing; send the schema")
            })?;
            Ok(vec![json(), ("responseJsonSchema", schema(asked))])
        }
        other => Err(Error::invalid(
            "response_format",
            format!(
                "`response_format.type` must be \"text\", \"json_object\" or \"json_schema\", but is {}",
                other.unwrap_or("missing")
            ),
        )),
    }
}

/// How much the model shall think: Google's own setting, Anthropic's budget, or OpenAI's effort.
fn thinking(rest: &mut Rest, model: &str) -> Option<Value> {
    let effort = taken(rest, "reasoning_effort");
    let budget = taken(rest, "thinking");
    if let Some(own) = taken(rest, "thinkingConfig").or_else(|| taken(rest, "thinking_config")) {
        return Some(own);
    }
    if let Some(budget) = budget {
        return match budget["type"].as_str() {
            Some("disabled") => Some(json!({"thinkingBudget": 0})),
            Some("enabled") => Some(json!({"thinkingBudget": budget["budget_tokens"], "includeThoughts": true})),
            // Adaptive: as much as the model finds right.
            _ => Some(json!({"includeThoughts": true})),
        };
    }
    match effort.as_ref().and_then(Value::as_str)? {
        "none" => Some(json!({"thinkingBudget": 0})),
        effort if model.contains("gemini-2") => {
            // The budgets that Google's own OpenAI-shaped server gives.
            let budget = match effort {
                "minimal" | "low" => 1024,
                "medium" => 8192,
                _ => 24_576,
            };
            Some(json!({"thinkingBudget": budget, "includeThoughts": true}))
        }
        "xhigh" | "max" => Some(json!({"thinkingLevel": "high", "includeThoughts": true})),
        level => Some(json!({"thinkingLevel": level, "includeThoughts": true})),
    }
}
