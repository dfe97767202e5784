//! The body of a generateContent call as a chat.

use llm::{Chat, Content, Error, FunctionCall, Message, Part, Rest, Role, ToolCall};
use serde_json::{Map, Value, json};

use super::content::part;
use super::options;
use crate::losses::Losses;

/// The chat. Field names come in Google's two spellings, `camelCase` and `snake_case`, as Google takes them.
pub(crate) fn chat(body: &[u8], losses: &mut Losses) -> Result<Chat, Error> {
    let body: Value = serde_json::from_slice(body).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    let Value::Object(mut body) = camel(body) else {
        return Err(Error::Invalid { message: "the body must be a JSON object".to_owned(), param: None });
    };
    let mut turns = Turns::default();
    if let Some(system) = body.remove("systemInstruction").filter(|it| !it.is_null()) {
        turns.system(system)?;
    }
    let contents = match body.remove("contents") {
        // One content, or one text, may stand for the list.
        Some(Value::Array(contents)) => contents,
        Some(content @ (Value::Object(_) | Value::String(_))) => vec![content],
        Some(_) => return Err(Error::invalid("contents", "`contents` must be a list of `{role, parts}`")),
        None => Vec::new(),
    };
    if contents.is_empty() {
        return Err(Error::invalid(
            "contents",
            "`contents` is missing or empty; send the conversation, `[{\"role\": \"user\", \"parts\": [{\"text\": \"…\"}]}]`",
        ));
    }
    for (index, content) in contents.into_iter().enumerate() {
        turns.add(content, &format!("contents[{index}]"))?;
    }
    let mut chat = Chat { messages: turns.messages, ..Chat::default() };
    options::tools(&mut body, &mut chat, losses)?;
    options::tool_config(&mut body, &mut chat)?;
    options::generation_config(&mut body, &mut chat, losses)?;
    if let Some(tier) = body.remove("serviceTier") {
        chat.rest.insert("service_tier".to_owned(), tier);
    }
    // The address names the model.
    body.remove("model");
    chat.rest.extend(body);
    Ok(chat)
}

/// The conversation as it grows. Google pairs calls and results by name and position where they have no ids, chats by
/// ids only.
#[derive(Default)]
struct Turns {
    messages: Vec<Message>,
    /// Calls that wait for their results: names and ids.
    open: Vec<(String, String)>,
    calls: usize,
}

impl Turns {
    fn system(&mut self, system: Value) -> Result<(), Error> {
        let parts = parts_of(system, "systemInstruction")?;
        let text: Vec<String> =
            parts.iter().filter_map(|it| it.get("text").and_then(Value::as_str)).map(str::to_owned).collect();
        if text.len() != parts.len() {
            return Err(Error::invalid("systemInstruction", "`systemInstruction` may hold parts of text only"));
        }
        if !text.is_empty() {
            self.messages.push(Message { content: Some(content(texts(text))), ..blank(Role::System) });
        }
        Ok(())
    }

    fn add(&mut self, turn: Value, at: &str) -> Result<(), Error> {
        let role = turn.get("role").and_then(Value::as_str).unwrap_or("user").to_owned();
        let parts = parts_of(turn, at)?;
        match role.as_str() {
            "user" | "function" | "tool" => self.user(parts, at),
            "model" | "assistant" => self.model(parts, at),
            "system" => {
                let turn = json!({"parts": parts});
                self.system(turn)
            }
            other => Err(Error::invalid(
                format!("{at}.role"),
                format!("`{at}.role` must be \"user\" or \"model\", but is \"{other}\""),
            )),
        }
    }

    fn user(&mut self, parts: Vec<Value>, at: &str) -> Result<(), Error> {
        let mut said = Vec::new();
        for (index, value) in parts.into_iter().enumerate() {
            let at = format!("{at}.parts[{index}]");
            match value {
                Value::Object(mut value) if value.contains_key("functionResponse") => {
                    self.result(&value.remove("functionResponse").unwrap_or_default(), &at)?;
                }
                value => said.push(part(value, &at)?),
            }
        }
        if !said.is_empty() {
            self.messages.push(Message { content: Some(content(said)), ..blank(Role::User) });
        }
        Ok(())
    }

    fn result(&mut self, response: &Value, at: &str) -> Result<(), Error> {
        let name = response["name"].as_str().unwrap_or_default().to_owned();
        let given = response["id"].as_str().filter(|it| !it.is_empty()).map(str::to_owned);
        let place = match &given {
            Some(id) => self.open.iter().position(|(_, it)| it == id),
            None => self.open.iter().position(|(it, _)| *it == name),
        };
        let known = place.map(|it| self.open.remove(it).1);
        let id = known.or(given).ok_or_else(|| {
            Error::invalid(
                format!("{at}.functionResponse"),
                format!("`{at}` answers a call of `{name}`, which no earlier content makes"),
            )
        })?;
        let mut said = vec![text_part(result_text(&response["response"]))];
        if let Some(Value::Array(parts)) = response.get("parts") {
            for it in parts {
                said.push(part(it.clone(), at)?);
            }
        }
        let mut message = Message { tool_call_id: Some(id), ..blank(Role::Tool) };
        message.content = Some(content(said));
        self.messages.push(message);
        Ok(())
    }

    fn model(&mut self, parts: Vec<Value>, at: &str) -> Result<(), Error> {
        let mut message = blank(Role::Assistant);
        let (mut said, mut reasoning, mut images, mut own) = (Vec::new(), String::new(), Vec::new(), Vec::new());
        for (index, value) in parts.into_iter().enumerate() {
            let at = format!("{at}.parts[{index}]");
            let Value::Object(mut value) = value else {
                return Err(Error::invalid(at.clone(), format!("`{at}` must be an object")));
            };
            let signature = value.remove("thoughtSignature").filter(Value::is_string);
            if let Some(call) = value.remove("functionCall") {
                message.tool_calls.push(self.call(&call, signature));
                continue;
            }
            if let Some(signature) = signature {
                message.rest.insert("thought_signature".to_owned(), signature);
            }
            match value.get("text").and_then(Value::as_str) {
                Some(text) if value.get("thought") == Some(&Value::Bool(true)) => reasoning.push_str(text),
                Some("") => {}
                Some(text) => said.push(text_part(text.to_owned())),
                None if value.contains_key("inlineData") || value.contains_key("fileData") => {
                    images.push(serde_json::to_value(part(value.into(), &at)?).unwrap_or_default());
                }
                None if value.is_empty() => {}
                None => own.push(value.into()),
            }
        }
        if !said.is_empty() {
            message.content = Some(content(said));
        }
        if !reasoning.is_empty() {
            message.rest.insert("reasoning_content".to_owned(), reasoning.into());
        }
        for (name, list) in [("images", images), ("gemini_parts", own)] {
            if !list.is_empty() {
                message.rest.insert(name.to_owned(), Value::from(list));
            }
        }
        if message.content.is_some() || !message.tool_calls.is_empty() || !message.rest.is_empty() {
            self.messages.push(message);
        }
        Ok(())
    }

    fn call(&mut self, call: &Value, signature: Option<Value>) -> ToolCall {
        let name = call["name"].as_str().unwrap_or_default().to_owned();
        let id = match call["id"].as_str() {
            Some(id) if !id.is_empty() => id.to_owned(),
            // The same history gets the same ids each time, so that a provider's cache of prompts still knows it.
            _ => format!("call_{}", self.calls),
        };
        self.calls += 1;
        self.open.push((name.clone(), id.clone()));
        let arguments = call.get("args").filter(|it| it.is_object()).map_or_else(|| "{}".to_owned(), Value::to_string);
        let rest = signature.map(|it| ("thought_signature".to_owned(), it));
        ToolCall {
            id,
            kind: "function".to_owned(),
            function: FunctionCall { name, arguments },
            rest: rest.into_iter().collect(),
        }
    }
}

/// What a function gave, as a text: an output alone is that, everything else its JSON.
fn result_text(response: &Value) -> String {
    let lone = response.as_object().filter(|it| it.len() == 1);
    match lone.and_then(|it| it.get("output").or_else(|| it.get("result"))) {
        Some(Value::String(text)) => text.clone(),
        _ => response.to_string(),
    }
}

fn parts_of(turn: Value, at: &str) -> Result<Vec<Value>, Error> {
    let wrong = || Error::invalid(format!("{at}.parts"), format!("`{at}` must have a list of `parts`"));
    match turn {
        Value::String(text) => Ok(vec![json!({"text": text})]),
        Value::Object(mut turn) => match turn.remove("parts") {
            Some(Value::Array(parts)) => Ok(parts),
            Some(part @ Value::Object(_)) => Ok(vec![part]),
            // A model's turn may be empty: it was cut off before its first word.
            None => Ok(Vec::new()),
            Some(_) => Err(wrong()),
        },
        _ => Err(wrong()),
    }
}

fn blank(role: Role) -> Message {
    Message { role, ..Message::default() }
}

fn text_part(text: String) -> Part {
    Part { kind: "text".to_owned(), text: Some(text), rest: Rest::new() }
}

fn texts(texts: Vec<String>) -> Vec<Part> {
    texts.into_iter().map(text_part).collect()
}

/// One plain text stands alone.
fn content(mut parts: Vec<Part>) -> Content {
    match parts.as_mut_slice() {
        [part] if part.kind == "text" && part.rest.is_empty() => Content::Text(part.text.take().unwrap_or_default()),
        _ => Content::Parts(parts),
    }
}

/// Names in Google's first spelling. What callers named themselves (arguments, schemas, results, labels) stays as it is.
fn camel(value: Value) -> Value {
    const THEIRS: [&str; 10] = [
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "responseFormat",
        "labels",
        "properties",
        "partialArgs",
    ];
    match value {
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields {
                let name = camel_name(&name);
                let value = if THEIRS.contains(&name.as_str()) { value } else { camel(value) };
                out.insert(name, value);
            }
            out.into()
        }
        Value::Array(items) => items.into_iter().map(camel).collect(),
        other => other,
    }
}

fn camel_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_after_bar = false;
    for it in name.chars() {
        if it == '_' && !out.is_empty() {
            is_after_bar = true;
        } else if is_after_bar {
            out.push(it.to_ascii_uppercase());
            is_after_bar = false;
        } else {
            out.push(it);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(body: &Value) -> (Value, Vec<String>) {
        let mut losses = Losses::default();
        let chat = chat(body.to_string().as_bytes(), &mut losses).unwrap();
        (serde_json::to_value(chat).unwrap(), losses.as_slice().iter().map(|it| it.field.clone()).collect())
    }

    #[test]
    fn a_conversation_with_tools_in_both_spellings() {
        let (got, losses) = translate(&json!({
            "system_instruction": {"parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "Hi"}, {"inline_data": {"mime_type": "image/png", "data": "AAAA"}}]},
                {"role": "model", "parts": [
                    {"text": "Hm", "thought": true}, {"text": "Looking."},
                    {"functionCall": {"name": "f", "args": {"snake_key": 1}}, "thoughtSignature": "s"},
                    {"functionCall": {"name": "f", "args": {}}}]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                    {"functionResponse": {"name": "f", "response": {"snake_key": 2}}}]},
            ],
            "tools": [{"functionDeclarations": [
                {"name": "f", "description": "d", "response": {"type": "STRING"}, "parameters": {"type": "OBJECT", "properties": {
                    "snake_key": {"type": "INTEGER", "nullable": true}}}}]}, {"google_search": {}}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
            "generationConfig": {"maxOutputTokens": 5, "temperature": 0.5, "topP": 0.9, "topK": 4, "candidateCount": 1,
                "stopSequences": ["END"], "seed": 3, "responseMimeType": "application/json", "response_schema":
                {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
                "thinkingConfig": {"thinkingLevel": "LOW", "includeThoughts": true}},
            "safetySettings": [{"category": "C", "threshold": "T"}],
        }));
        assert_eq!(
            got,
            json!({
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": [{"type": "text", "text": "Hi"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
                    {"role": "assistant", "content": "Looking.", "reasoning_content": "Hm", "tool_calls": [
                        {"id": "call_0", "type": "function", "thought_signature": "s",
                         "function": {"name": "f", "arguments": "{\"snake_key\":1}"}},
                        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                    {"role": "tool", "tool_call_id": "call_0", "content": "one"},
                    {"role": "tool", "tool_call_id": "call_1", "content": "{\"snake_key\":2}"},
                ],
                "tools": [
                    {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object",
                        "properties": {"snake_key": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}},
                    {"type": "googleSearch", "googleSearch": {}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}},
                "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "stop": ["END"], "seed": 3,
                "reasoning_effort": "low",
                "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema":
                    {"type": "object", "properties": {"a": {"type": "string"}}}}},
                "safetySettings": [{"category": "C", "threshold": "T"}],
            })
        );
        assert_eq!(losses, ["functionDeclarations.response"]);
    }

    #[test]
    fn bad_bodies_are_named_by_field() {
        let check = |body: Value, param: &str| {
            let error = chat(body.to_string().as_bytes(), &mut Losses::default()).unwrap_err();
            let Error::Invalid { param: Some(got), .. } = &error else { panic!("{error:?}") };
            assert_eq!(got, param);
        };
        check(json!({}), "contents");
        check(json!({"contents": 5}), "contents");
        check(json!({"contents": [{"role": "critic", "parts": []}]}), "contents[0].role");
        check(json!({"contents": [{"parts": "x"}]}), "contents[0].parts");
        check(
            json!({"contents": [{"parts": [{"functionResponse": {"name": "f", "response": {}}}]}]}),
            "contents[0].parts[0].functionResponse",
        );
        check(json!({"contents": "x", "generationConfig": {"temperature": "hot"}}), "generationConfig.temperature");
    }
}
