//! The tools that a model may call, and which of them it shall.

use llm::{Error, Tool};
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::tools::{bad_choice, parameters};

/// The tools that Anthropic's models can call.
pub(super) fn tools(tools: Vec<Tool>, losses: &mut Losses) -> Result<Vec<Value>, Error> {
    let mut all = Vec::with_capacity(tools.len());
    for (index, it) in tools.into_iter().enumerate() {
        if it.kind == "custom" && it.rest.contains_key("custom") {
            losses.add(format!("tools[{index}]"), "is left out: Anthropic's models take functions, no free-form tools");
        } else {
            all.push(tool(it)?);
        }
    }
    Ok(all)
}

fn tool(tool: Tool) -> Result<Value, Error> {
    if tool.kind != "function" {
        // One of Anthropic's own tools, written as Anthropic has it.
        let mut own = tool.rest;
        own.insert("type".to_owned(), tool.kind.into());
        return Ok(own.into());
    }
    let function =
        tool.rest.get("function").and_then(Value::as_object).ok_or_else(|| {
            Error::invalid("tools", "a tool of the type `function` must have a `function` with a `name`")
        })?;
    let mut out = Map::new();
    out.insert("name".to_owned(), function.get("name").cloned().unwrap_or_default());
    for name in ["description", "strict"] {
        if let Some(value) = function.get(name).filter(|it| !it.is_null()) {
            out.insert(name.to_owned(), value.clone());
        }
    }
    out.insert("input_schema".to_owned(), parameters(function).into());
    // Anthropic's own fields: `cache_control`, `defer_loading`…
    out.extend(tool.rest.iter().filter(|(name, _)| *name != "function").map(|(name, it)| (name.clone(), it.clone())));
    Ok(out.into())
}

pub(super) fn tool_choice(choice: Option<Value>, is_parallel_off: bool) -> Result<Option<Value>, Error> {
    let mut choice = match choice {
        None | Some(Value::Null) if is_parallel_off => json!({"type": "auto"}),
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "auto" | "none" => json!({"type": word}),
            "required" | "any" => json!({"type": "any"}),
            _ => return Err(bad_choice(&word)),
        },
        Some(Value::Object(choice)) => match (choice.get("type").and_then(Value::as_str), choice.get("function")) {
            (Some("function"), Some(function)) => json!({"type": "tool", "name": function["name"]}),
            (Some("auto" | "none" | "any" | "tool"), _) => choice.into(),
            _ => return Err(bad_choice(&Value::from(choice).to_string())),
        },
        Some(other) => return Err(bad_choice(&other.to_string())),
    };
    if is_parallel_off && choice["type"] != "none" {
        choice["disable_parallel_tool_use"] = true.into();
    }
    Ok(Some(choice))
}
