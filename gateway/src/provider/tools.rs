//! What the vendors' formats have in common about tools: what is read from a caller's, and what is said of wrong ones.

use llm::{Error, Tool, ToolCall};
use serde_json::{Map, Value, json};

/// The arguments of a call that the model made, as an object; none at all are an empty one. `at` is the call's place.
pub(super) fn arguments(call: &ToolCall, at: &str) -> Result<Value, Error> {
    let arguments = call.function.arguments.trim();
    if arguments.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(arguments).ok().filter(Value::is_object).ok_or_else(|| {
        let field = format!("{at}.function.arguments");
        let message = format!("`{field}` must be a JSON object as text, but is {arguments}");
        Error::invalid(field, message)
    })
}

/// The id of the call that a tool's message answers.
pub(super) fn answered(id: Option<String>, at: &str) -> Result<String, Error> {
    id.ok_or_else(|| {
        Error::invalid(
            format!("{at}.tool_call_id"),
            format!("`{at}` has the role tool but no `tool_call_id`; name the call that it answers"),
        )
    })
}

/// A function's parameters as the schema of an object, also where it has none.
pub(super) fn parameters(function: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = match function.get("parameters") {
        Some(Value::Object(schema)) => schema.clone(),
        _ => Map::new(),
    };
    schema.entry("type").or_insert("object".into());
    schema.entry("properties").or_insert(json!({}));
    schema
}

/// A choice among some of the tools only: the others are not offered, and what is left is the choice's mode.
pub(super) fn narrowed(tools: &mut Vec<Tool>, choice: Option<Value>) -> Option<Value> {
    let choice = choice?;
    if choice["type"] != "allowed_tools" {
        return Some(choice);
    }
    let allowed = choice.get("allowed_tools").unwrap_or(&choice);
    let names: Vec<&Value> =
        allowed["tools"].as_array().into_iter().flatten().map(|it| &it["function"]["name"]).collect();
    tools.retain(|it| names.contains(&&it.rest.get("function").unwrap_or(&Value::Null)["name"]));
    Some(allowed["mode"].clone())
}

/// The error for a `tool_choice` that is none.
pub(super) fn bad_choice(value: &str) -> Error {
    Error::invalid(
        "tool_choice",
        format!("`tool_choice` must be \"none\", \"auto\", \"required\" or a function of `tools`, but is {value}"),
    )
}
