//! The tools that a model may call, and which of them it shall.

use llm::{Error, Tool};
use serde_json::{Map, Value, json};

use super::content::cache_point;
use crate::losses::Losses;
use crate::provider::tools::{bad_choice, parameters};

/// `toolConfig`; `None` where no tools are in play. A history in which tools were called needs one even then.
pub(super) fn tool_config(
    tools: Vec<Tool>,
    choice: Option<Value>,
    has_calls: bool,
    losses: &mut Losses,
) -> Result<Option<Value>, Error> {
    let is_none = choice.as_ref().is_some_and(|it| it == "none");
    if is_none && !has_calls {
        // Without tools none can be called.
        return Ok(None);
    }
    let mut specs = Vec::new();
    for (index, tool) in tools.into_iter().enumerate() {
        let cached = cache_point(&tool.rest);
        match spec(&tool, &format!("tools[{index}]"), losses)? {
            Some(spec) => specs.push(spec),
            None => continue,
        }
        specs.extend(cached);
    }
    if specs.is_empty() {
        return Ok(has_calls.then(|| json!({"tools": [placeholder()]})));
    }
    let mut config = json!({"tools": specs});
    if is_none {
        losses.add("tool_choice", "is left out: Bedrock knows no `none` where tools were called before");
    } else if let Some(choice) = tool_choice(choice)? {
        config["toolChoice"] = choice;
    }
    Ok(Some(config))
}

/// Stands for the tools that the history speaks of and the request does not.
fn placeholder() -> Value {
    json!({"toolSpec": {"name": "unavailable", "description": "Not available any more; do not call it.",
                        "inputSchema": {"json": {"type": "object", "properties": {}}}}})
}

fn spec(tool: &Tool, at: &str, losses: &mut Losses) -> Result<Option<Value>, Error> {
    if tool.kind != "function" {
        if let Some(own) = tool.rest.get(&tool.kind).filter(|_| matches!(tool.kind.as_str(), "systemTool" | "toolSpec"))
        {
            return Ok(Some(Value::Object([(tool.kind.clone(), own.clone())].into_iter().collect())));
        }
        losses.add(at, format!("is left out: Bedrock takes no tools of the type `{}`", tool.kind));
        return Ok(None);
    }
    let function = tool.rest.get("function").and_then(Value::as_object).ok_or_else(|| {
        Error::invalid(at, format!("`{at}` is of the type `function` and must have a `function` with a `name`"))
    })?;
    let mut spec = Map::new();
    spec.insert("name".to_owned(), function.get("name").cloned().unwrap_or_default());
    for name in ["description", "strict"] {
        if let Some(value) = function.get(name).filter(|it| !it.is_null() && *it != "") {
            spec.insert(name.to_owned(), value.clone());
        }
    }
    spec.insert("inputSchema".to_owned(), json!({"json": parameters(function)}));
    Ok(Some(json!({"toolSpec": spec})))
}

fn tool_choice(choice: Option<Value>) -> Result<Option<Value>, Error> {
    let choice = match choice {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" => json!({"auto": {}}),
            "required" | "any" => json!({"any": {}}),
            _ => return Err(bad_choice(&word)),
        },
        Some(choice) => match choice.pointer("/function/name") {
            Some(name) => json!({"tool": {"name": name}}),
            None => return Err(bad_choice(&choice.to_string())),
        },
    };
    Ok(Some(choice))
}
