//! Google's tools and generation settings as a chat's.

use llm::{Chat, Error, Rest, Stop, Tool};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::losses::Losses;

/// Functions become functions; what Google runs itself keeps its name: `{"type": "googleSearch", "googleSearch": {…}}`.
pub(super) fn tools(body: &mut Map<String, Value>, chat: &mut Chat, losses: &mut Losses) -> Result<(), Error> {
    let list = match body.remove("tools") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(list)) => list,
        Some(tool) => vec![tool],
    };
    for (index, tool) in list.into_iter().enumerate() {
        let Value::Object(fields) = tool else {
            return Err(Error::invalid(format!("tools[{index}]"), format!("`tools[{index}]` must be an object")));
        };
        for (name, value) in fields {
            if name == "functionDeclarations" {
                let Value::Array(declarations) = value else {
                    let param = format!("tools[{index}].functionDeclarations");
                    return Err(Error::invalid(param.clone(), format!("`{param}` must be a list")));
                };
                chat.tools.extend(declarations.into_iter().map(|it| function(it, losses)));
            } else {
                chat.tools.push(Tool { rest: Rest::from_iter([(name.clone(), value)]), kind: name });
            }
        }
    }
    Ok(())
}

fn function(declaration: Value, losses: &mut Losses) -> Tool {
    let Value::Object(mut function) = declaration else {
        return Tool { kind: "function".to_owned(), rest: Rest::from_iter([("function".to_owned(), declaration)]) };
    };
    for name in ["response", "responseJsonSchema", "behavior"] {
        if function.remove(name).is_some() {
            let why = "is left out, because chats do not say what a function gives, nor how it runs";
            losses.add(format!("functionDeclarations.{name}"), why);
        }
    }
    let schema = function.remove("parametersJsonSchema");
    let parameters = function.remove("parameters").map(json_schema);
    if let Some(parameters) = schema.or(parameters) {
        function.insert("parameters".to_owned(), parameters);
    }
    Tool { kind: "function".to_owned(), rest: Rest::from_iter([("function".to_owned(), function.into())]) }
}

pub(super) fn tool_config(body: &mut Map<String, Value>, chat: &mut Chat) -> Result<(), Error> {
    let Some(Value::Object(mut config)) = body.remove("toolConfig") else { return Ok(()) };
    if let Some(calling) = config.remove("functionCallingConfig") {
        let names: Vec<&Value> = calling["allowedFunctionNames"].as_array().into_iter().flatten().collect();
        let mode = calling["mode"].as_str().unwrap_or("AUTO").to_ascii_uppercase();
        let allowed = |mode: &str| {
            let tools: Vec<Value> =
                names.iter().map(|it| json!({"type": "function", "function": {"name": it}})).collect();
            json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}})
        };
        chat.tool_choice = match (mode.as_str(), names.as_slice()) {
            ("NONE", _) => Some("none".into()),
            ("ANY", []) => Some("required".into()),
            ("ANY", [name]) => Some(json!({"type": "function", "function": {"name": name}})),
            ("ANY", _) => Some(allowed("required")),
            ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED", []) => Some("auto".into()),
            ("AUTO" | "VALIDATED" | "MODE_UNSPECIFIED", _) => Some(allowed("auto")),
            (other, _) => {
                return Err(Error::invalid(
                    "toolConfig.functionCallingConfig.mode",
                    format!(
                        "`toolConfig.functionCallingConfig.mode` must be AUTO, ANY, NONE or VALIDATED, but is {other}"
                    ),
                ));
            }
        };
    }
    if !config.is_empty() {
        chat.rest.insert("toolConfig".to_owned(), config.into());
    }
    Ok(())
}

/// The settings that a chat has too; the others stay together under Google's name.
pub(super) fn generation_config(
    body: &mut Map<String, Value>,
    chat: &mut Chat,
    losses: &mut Losses,
) -> Result<(), Error> {
    let mut config = match body.remove("generationConfig") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(config)) => config,
        Some(_) => return Err(Error::invalid("generationConfig", "`generationConfig` must be an object")),
    };
    chat.temperature = taken(&mut config, "temperature", "a number")?;
    chat.top_p = taken(&mut config, "topP", "a number")?;
    // Google's own clients send whole numbers as floats.
    chat.top_k = taken::<f64>(&mut config, "topK", "a number")?.and_then(|it| format!("{it:.0}").parse().ok());
    chat.max_tokens = taken(&mut config, "maxOutputTokens", "a whole number")?;
    chat.n = taken(&mut config, "candidateCount", "a whole number")?.filter(|it| *it != 1);
    chat.stop = taken::<Vec<String>>(&mut config, "stopSequences", "a list of strings")?
        .filter(|it| !it.is_empty())
        .map(Stop::Many);
    chat.seed = taken(&mut config, "seed", "a whole number")?;
    for (google, ours) in [
        ("presencePenalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty"),
        ("responseLogprobs", "logprobs"),
        ("logprobs", "top_logprobs"),
    ] {
        if let Some(value) = config.remove(google).filter(|it| !it.is_null()) {
            chat.rest.insert(ours.to_owned(), value);
        }
    }
    if let Some(Value::Array(words)) = config.remove("responseModalities") {
        let words: Vec<String> = words.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase).collect();
        // Text alone is what every model answers.
        if words.iter().any(|it| it != "text") {
            chat.rest.insert("modalities".to_owned(), words.into());
        }
    }
    response_format(&mut config, chat, losses);
    thinking(&mut config, chat);
    if !config.is_empty() {
        chat.rest.insert("generationConfig".to_owned(), config.into());
    }
    Ok(())
}

fn taken<T: DeserializeOwned>(config: &mut Map<String, Value>, name: &str, wanted: &str) -> Result<Option<T>, Error> {
    let Some(value) = config.remove(name).filter(|it| !it.is_null()) else { return Ok(None) };
    let shown = value.to_string();
    serde_json::from_value(value).map(Some).map_err(|_| {
        let param = format!("generationConfig.{name}");
        Error::invalid(param.clone(), format!("`{param}` must be {wanted}, but is {shown}"))
    })
}

fn response_format(config: &mut Map<String, Value>, chat: &mut Chat, losses: &mut Losses) {
    let schema = config.remove("responseJsonSchema").or_else(|| config.remove("responseSchema").map(json_schema));
    let format = match (config.remove("responseMimeType").as_ref().and_then(Value::as_str), schema) {
        (_, Some(schema)) => json!({"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}),
        (Some("application/json"), None) => json!({"type": "json_object"}),
        (None | Some("text/plain" | ""), None) => return,
        (Some(other), None) => {
            let why = format!("(`{other}`) is left out, because chats answer in text or JSON");
            losses.add("generationConfig.responseMimeType", why);
            return;
        }
    };
    chat.rest.insert("response_format".to_owned(), format);
}

/// How much the model shall think, in OpenAI's words; whether its thoughts are shown is the answer's matter.
fn thinking(config: &mut Map<String, Value>, chat: &mut Chat) {
    let Some(thinking) = config.remove("thinkingConfig") else { return };
    let level = thinking["thinkingLevel"].as_str().map(str::to_ascii_lowercase);
    let effort = match (level, thinking["thinkingBudget"].as_i64()) {
        (Some(level), _) if level != "thinking_level_unspecified" => level,
        (_, Some(0)) => "none".to_owned(),
        // The steps at which Google's own OpenAI-shaped server puts the efforts.
        (_, Some(1..=1024)) => "low".to_owned(),
        (_, Some(1025..=8192)) => "medium".to_owned(),
        (_, Some(8193..)) => "high".to_owned(),
        // As much as the model finds right.
        _ => return,
    };
    chat.rest.insert("reasoning_effort".to_owned(), effort.into());
}

/// A schema as Google's older fields have it, with types in capitals and `nullable`, as a JSON schema.
fn json_schema(schema: Value) -> Value {
    let Value::Object(fields) = schema else { return schema };
    let (mut out, mut is_nullable) = (Map::new(), false);
    for (name, value) in fields {
        match (camel(&name), value) {
            ("nullable", value) => is_nullable = value == Value::Bool(true),
            ("type", Value::String(word)) => {
                out.insert("type".to_owned(), word.to_ascii_lowercase().into());
            }
            ("properties", Value::Object(named)) => {
                let named: Map<String, Value> = named.into_iter().map(|(name, it)| (name, json_schema(it))).collect();
                out.insert("properties".to_owned(), named.into());
            }
            ("anyOf", Value::Array(list)) => {
                out.insert("anyOf".to_owned(), list.into_iter().map(json_schema).collect());
            }
            ("items", value) => {
                out.insert("items".to_owned(), json_schema(value));
            }
            // Says in which order properties are written; only Google knows it.
            ("propertyOrdering", _) => {}
            // Whole numbers come as texts, as protocol buffers write them in JSON.
            (name, Value::String(text)) if is_bound(name) => {
                out.insert(name.to_owned(), serde_json::from_str(&text).unwrap_or_else(|_| text.into()));
            }
            (name, value) => {
                out.insert(name.to_owned(), value);
            }
        }
    }
    if is_nullable { json!({"anyOf": [out, {"type": "null"}]}) } else { out.into() }
}

fn is_bound(name: &str) -> bool {
    ["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"].contains(&name)
}

/// A schema's keyword in its first spelling.
fn camel(name: &str) -> &str {
    match name {
        "any_of" => "anyOf",
        "property_ordering" => "propertyOrdering",
        "min_items" => "minItems",
        "max_items" => "maxItems",
        "min_length" => "minLength",
        "max_length" => "maxLength",
        "min_properties" => "minProperties",
        "max_properties" => "maxProperties",
        other => other,
    }
}
