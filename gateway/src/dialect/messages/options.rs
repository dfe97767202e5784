//! How an answer shall be made: tools, reasoning, form and bounds, in a chat's words.

use llm::{Chat, Error, Rest, Tool};
use serde_json::{Map, Value, json};

use super::request::text;
use crate::losses::Losses;
use crate::request::excerpt;

/// A budget of thinking below this many tokens is told as low effort. Anthropic's smallest budget is 1024.
const LOW_BELOW: u64 = 4096;
/// Below this many as medium, and as high from there on.
const MEDIUM_BELOW: u64 = 16384;

pub(super) fn count(fields: &mut Map<String, Value>, name: &str) -> Result<Option<u32>, Error> {
    match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().and_then(|it| u32::try_from(it).ok()).map(Some).ok_or_else(|| {
            Error::invalid(name, format!("`{name}` must be a whole number, but is {}", excerpt(&value.to_string())))
        }),
    }
}

pub(super) fn number(fields: &mut Map<String, Value>, name: &str) -> Result<Option<f64>, Error> {
    match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_f64().filter(|it| (0.0..=1.0).contains(it)).map(Some).ok_or_else(|| {
            let value = excerpt(&value.to_string());
            Error::invalid(name, format!("`{name}` must be a number from 0 to 1, but is {value}"))
        }),
    }
}

pub(super) fn stop_sequences(fields: &mut Map<String, Value>) -> Result<Option<Vec<String>>, Error> {
    match fields.shift_remove("stop_sequences") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => serde_json::from_value::<Vec<String>>(value)
            .map(|it| (!it.is_empty()).then_some(it))
            .map_err(|error| Error::invalid("stop_sequences", format!("`stop_sequences` must be texts: {error}"))),
    }
}

/// Tools and the choice among them. Those that Anthropic runs itself stay as they are.
pub(super) fn tools(fields: &mut Map<String, Value>, chat: &mut Chat) -> Result<(), Error> {
    let tools = match fields.shift_remove("tools") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(tools)) => tools,
        Some(_) => return Err(Error::invalid("tools", "`tools` must be a list")),
    };
    for (index, it) in tools.into_iter().enumerate() {
        let Value::Object(it) = it else {
            let at = format!("tools[{index}]");
            return Err(Error::invalid(at.clone(), format!("`{at}` must be an object with `name` and `input_schema`")));
        };
        chat.tools.push(tool(it));
    }
    let choice = match fields.shift_remove("tool_choice") {
        None | Some(Value::Null) => return Ok(()),
        Some(choice) => choice,
    };
    if choice["disable_parallel_tool_use"] == true {
        chat.rest.insert("parallel_tool_calls".to_owned(), false.into());
    }
    chat.tool_choice = Some(match choice["type"].as_str() {
        Some(word @ ("auto" | "none")) => word.into(),
        Some("any") => "required".into(),
        Some("tool") => json!({"type": "function", "function": {"name": choice["name"]}}),
        _ => {
            let value = excerpt(&choice.to_string());
            let message =
                format!("`tool_choice.type` must be \"auto\", \"any\", \"tool\" or \"none\", but is in {value}");
            return Err(Error::invalid("tool_choice.type", message));
        }
    });
    Ok(())
}

fn tool(mut fields: Map<String, Value>) -> Tool {
    let kind = text(fields.shift_remove("type"));
    if !matches!(kind.as_str(), "" | "custom") {
        return Tool { kind, rest: fields };
    }
    let mut function = Map::new();
    for (from, to) in
        [("name", "name"), ("description", "description"), ("input_schema", "parameters"), ("strict", "strict")]
    {
        if let Some(value) = fields.shift_remove(from).filter(|it| !it.is_null()) {
            function.insert(to.to_owned(), value);
        }
    }
    let mut rest = Rest::from_iter([("function".to_owned(), function.into())]);
    rest.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
    Tool { kind: "function".to_owned(), rest }
}

/// `thinking` and `output_config`: effort and schema in a chat's words, the rest rides along.
pub(super) fn reasoning_and_output(fields: &mut Map<String, Value>, rest: &mut Rest, losses: &mut Losses) {
    let mut effort = None;
    if let Some(thinking) = fields.get("thinking").filter(|it| it["type"] == "enabled") {
        effort = thinking["budget_tokens"].as_u64().map(|budget| match budget {
            ..LOW_BELOW => "low".to_owned(),
            LOW_BELOW..MEDIUM_BELOW => "medium".to_owned(),
            MEDIUM_BELOW.. => "high".to_owned(),
        });
    }
    let mut output = match fields.shift_remove("output_config") {
        Some(Value::Object(output)) => output,
        Some(Value::Null) | None => Map::new(),
        Some(_) => {
            losses.add("output_config", "is left out: it is no object");
            Map::new()
        }
    };
    if let Some(Value::String(word)) = output.shift_remove("effort") {
        effort = Some(if word == "max" { "xhigh".to_owned() } else { word });
    }
    let format = output.shift_remove("format").or_else(|| fields.shift_remove("output_format"));
    if let Some(mut format) = format.filter(|it| it["type"] == "json_schema") {
        let schema = format["schema"].take();
        let json_schema = json!({"name": "output", "strict": true, "schema": schema});
        rest.insert("response_format".to_owned(), json!({"type": "json_schema", "json_schema": json_schema}));
    }
    if let Some(effort) = effort {
        rest.insert("reasoning_effort".to_owned(), effort.into());
    }
    if !output.is_empty() {
        rest.insert("output_config".to_owned(), output.into());
    }
}

/// `metadata.user_id` and `service_tier`.
pub(super) fn who_and_how(fields: &mut Map<String, Value>, rest: &mut Rest) {
    if let Some(Value::Object(mut metadata)) = fields.shift_remove("metadata") {
        if let Some(user @ Value::String(_)) = metadata.shift_remove("user_id") {
            rest.insert("user".to_owned(), user);
        }
        if !metadata.is_empty() {
            rest.insert("metadata".to_owned(), metadata.into());
        }
    }
    if let Some(Value::String(tier)) = fields.shift_remove("service_tier") {
        let tier = if tier == "standard_only" { "default".to_owned() } else { tier };
        rest.insert("service_tier".to_owned(), tier.into());
    }
}
