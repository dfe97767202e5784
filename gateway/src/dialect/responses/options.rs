//! How an answer shall be made: tools, reasoning, form and bounds, in a chat's words.

use llm::{Chat, Error, Rest, Tool};
use serde_json::{Map, Value, json};

use crate::losses::Losses;

/// Tools and the choice among them. Those that run at OpenAI have no counterpart.
pub(super) fn tools(fields: &mut Map<String, Value>, chat: &mut Chat, losses: &mut Losses) -> Result<(), Error> {
    if let Some(Value::Array(tools)) = fields.shift_remove("tools") {
        for (index, it) in tools.into_iter().enumerate() {
            match tool(it) {
                Ok(it) => chat.tools.push(it),
                Err(kind) => {
                    losses.add(format!("tools[{index}]"), format!("is left out: `{kind}` runs at OpenAI alone"));
                }
            }
        }
    }
    chat.tool_choice = match fields.shift_remove("tool_choice") {
        Some(Value::String(word)) if matches!(word.as_str(), "auto" | "none" | "required") => Some(word.into()),
        None => None,
        Some(choice) => match choice["type"].as_str() {
            Some("function") => Some(function(&choice)),
            Some("custom") => Some(json!({"type": "custom", "custom": {"name": choice["name"]}})),
            Some("allowed_tools") => {
                let tools = choice["tools"].as_array().into_iter().flatten();
                let tools: Vec<Value> = tools.filter(|it| it["type"] == "function").map(function).collect();
                let allowed = json!({"mode": choice["mode"], "tools": tools});
                Some(json!({"type": "allowed_tools", "allowed_tools": allowed}))
            }
            Some(kind) => {
                losses.add("tool_choice", format!("is left out: `{kind}` runs at OpenAI alone"));
                None
            }
            None => {
                let message = "`tool_choice` must be \"none\", \"auto\", \"required\", or an object that names a tool";
                return Err(Error::invalid("tool_choice", message));
            }
        },
    };
    if chat.tools.is_empty() {
        // A choice among no tools is refused; that the tools are lost is told above.
        chat.tool_choice = None;
        fields.shift_remove("parallel_tool_calls");
    }
    Ok(())
}

fn function(named: &Value) -> Value {
    json!({"type": "function", "function": {"name": named["name"]}})
}

fn tool(tool: Value) -> Result<Tool, String> {
    let Value::Object(mut tool) = tool else { return Err("a tool that is no object".to_owned()) };
    let kind = tool.shift_remove("type").and_then(|it| it.as_str().map(str::to_owned)).unwrap_or_default();
    match kind.as_str() {
        "function" => {}
        // A grammar lies one level deeper in a chat.
        "custom" => {
            if let Some(format) = tool.get_mut("format").filter(|it| it["type"] == "grammar") {
                let grammar = json!({"syntax": format["syntax"], "definition": format["definition"]});
                *format = json!({"type": "grammar", "grammar": grammar});
            }
        }
        _ => return Err(kind),
    }
    tool.retain(|_, value| !value.is_null());
    Ok(Tool { rest: Rest::from_iter([(kind.clone(), tool.into())]), kind })
}

/// `text` and `reasoning`.
pub(super) fn form(fields: &mut Map<String, Value>, rest: &mut Rest) {
    if let Some(Value::Object(mut text)) = fields.shift_remove("text") {
        if let Some(verbosity) = text.shift_remove("verbosity").filter(|it| !it.is_null()) {
            rest.insert("verbosity".to_owned(), verbosity);
        }
        if let Some(Value::Object(mut format)) = text.shift_remove("format") {
            let kind = format.shift_remove("type").unwrap_or_default();
            if kind == "json_schema" {
                format.retain(|_, value| !value.is_null());
                let format = json!({"type": kind, "json_schema": format});
                rest.insert("response_format".to_owned(), format);
            } else if kind == "json_object" {
                rest.insert("response_format".to_owned(), json!({"type": kind}));
            }
        }
    }
    // A summary is what we make of any reasoning that the provider shows.
    if let Some(effort) = fields.shift_remove("reasoning").and_then(|mut it| it.get_mut("effort").map(Value::take))
        && effort.is_string()
    {
        rest.insert("reasoning_effort".to_owned(), effort);
    }
}

/// What shall be told and kept.
pub(super) fn told(fields: &mut Map<String, Value>, rest: &mut Rest, losses: &mut Losses) {
    for wanted in fields.shift_remove("include").as_ref().and_then(Value::as_array).into_iter().flatten() {
        match wanted.as_str() {
            // Answered by `output`, where the provider signs what its model thinks.
            Some("reasoning.encrypted_content") => {}
            Some("message.output_text.logprobs") => {
                rest.insert("logprobs".to_owned(), true.into());
            }
            _ => losses.add("include", format!("is not answered as to {wanted}: chats do not tell it")),
        }
    }
    if let Some(count) = fields.shift_remove("top_logprobs").filter(|it| it != &json!(0)) {
        rest.insert("logprobs".to_owned(), true.into());
        rest.insert("top_logprobs".to_owned(), count);
    }
    if fields.shift_remove("store") == Some(Value::Bool(true)) {
        losses.add("store", "is left out: the answer is not kept for later calls");
    }
    if fields.shift_remove("truncation").is_some_and(|it| it != "disabled") {
        losses.add("truncation", "is left out: a conversation that is too long is refused");
    }
    if fields.shift_remove("max_tool_calls").is_some() {
        losses.add("max_tool_calls", "is left out: chats have no such field");
    }
}
