//! The tools that a model may call, and which of them it shall.

use llm::{Error, Rest, Tool};
use serde_json::{Map, Value, json};

use super::schema::schema;
use crate::losses::Losses;
use crate::provider::tools::bad_choice;

/// Tools that Google runs itself, by the names of their fields; they are asked for as `{"type": NAME, NAME: {…}}`.
const OWN: [(&str, &str); 10] = [
    ("googleSearch", "googleSearch"),
    ("google_search", "googleSearch"),
    ("googleSearchRetrieval", "googleSearchRetrieval"),
    ("codeExecution", "codeExecution"),
    ("code_execution", "codeExecution"),
    ("urlContext", "urlContext"),
    ("url_context", "urlContext"),
    ("googleMaps", "googleMaps"),
    ("fileSearch", "fileSearch"),
    ("computerUse", "computerUse"),
];

pub(super) fn tools(tools: &[Tool], losses: &mut Losses) -> Result<Option<Value>, Error> {
    let (mut declarations, mut own) = (Vec::new(), Vec::new());
    for (index, tool) in tools.iter().enumerate() {
        let at = format!("tools[{index}]");
        if tool.kind == "function" {
            declarations.push(declaration(tool, &at, losses)?);
        } else if let Some((_, name)) = OWN.iter().find(|(name, _)| *name == tool.kind) {
            let options = tool.rest.get(&tool.kind).or_else(|| tool.rest.get(*name)).cloned();
            own.push(json!({*name: options.unwrap_or_else(|| json!({}))}));
        } else {
            losses.add(at, format!("(`{}`) is left out, because Gemini has no such tool", tool.kind));
        }
    }
    let mut all = Vec::new();
    if !declarations.is_empty() {
        all.push(json!({"functionDeclarations": declarations}));
    }
    all.extend(own);
    Ok((!all.is_empty()).then(|| all.into()))
}

fn declaration(tool: &Tool, at: &str, losses: &mut Losses) -> Result<Value, Error> {
    let function = tool.rest.get("function").and_then(Value::as_object).ok_or_else(|| {
        Error::invalid(at, format!("`{at}` of the type `function` must have a `function` with a `name`"))
    })?;
    let mut out = Map::new();
    out.insert("name".to_owned(), function.get("name").cloned().unwrap_or_default());
    if let Some(description) = function.get("description").filter(|it| it.is_string()) {
        out.insert("description".to_owned(), description.clone());
    }
    // A function without parameters has no schema: Google refuses objects without properties in some of its models.
    if let Some(parameters) = function.get("parameters").filter(|it| takes_something(it)) {
        out.insert("parametersJsonSchema".to_owned(), schema(parameters));
    }
    if function.get("strict") == Some(&Value::Bool(true)) {
        losses
            .add(format!("{at}.function.strict"), "is left out, because Gemini does not hold arguments to the schema");
    }
    if tool.rest.contains_key("cache_control") {
        losses.add(format!("{at}.cache_control"), "is left out, because Gemini caches prompts by itself");
    }
    for name in ["behavior", "response", "responseJsonSchema"] {
        if let Some(value) = function.get(name) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    Ok(out.into())
}

fn takes_something(schema: &Value) -> bool {
    schema.as_object().is_some_and(|it| {
        it.keys().any(|key| !matches!(key.as_str(), "type" | "properties" | "additionalProperties" | "title"))
            || it.get("properties").and_then(Value::as_object).is_some_and(|it| !it.is_empty())
    })
}

/// Which tools the model shall call, and whether several at once.
pub(super) fn tool_config(choice: Option<Value>, rest: &mut Rest, losses: &mut Losses) -> Result<Option<Value>, Error> {
    if rest.remove("parallel_tool_calls") == Some(Value::Bool(false)) {
        losses.add("parallel_tool_calls", "is left out, because Gemini calls several tools at once where it wants to");
    }
    let own = rest.remove("toolConfig").or_else(|| rest.remove("tool_config"));
    let config = match choice {
        None | Some(Value::Null) => return Ok(own),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => json!({"mode": "AUTO"}),
            "none" => json!({"mode": "NONE"}),
            "required" | "any" => json!({"mode": "ANY"}),
            _ => return Err(bad_choice(&word)),
        },
        Some(Value::Object(choice)) => named(&choice)?,
        Some(other) => return Err(bad_choice(&other.to_string())),
    };
    let mut all = own.filter(Value::is_object).unwrap_or_else(|| json!({}));
    all["functionCallingConfig"] = config;
    Ok(Some(all))
}

fn named(choice: &Map<String, Value>) -> Result<Value, Error> {
    let bad = || bad_choice(&Value::from(choice.clone()).to_string());
    match choice.get("type").and_then(Value::as_str) {
        Some("function") => {
            let name = choice.get("function").and_then(|it| it.get("name")).filter(|it| it.is_string());
            Ok(json!({"mode": "ANY", "allowedFunctionNames": [name.ok_or_else(bad)?]}))
        }
        Some("allowed_tools") => {
            let allowed = choice.get("allowed_tools").ok_or_else(bad)?;
            let names = allowed["tools"].as_array().into_iter().flatten();
            let names: Vec<&Value> =
                names.filter_map(|it| it.pointer("/function/name").or_else(|| it.get("name"))).collect();
            // Names may be given only where a function must be called, or its arguments are held to the schema.
            let mode = if allowed["mode"] == "required" { "ANY" } else { "VALIDATED" };
            Ok(json!({"mode": mode, "allowedFunctionNames": names}))
        }
        _ => Err(bad()),
    }
}
