//! A chat as the body of a generateContent call.

use std::collections::HashMap;

use llm::{Chat, Error, Message, Role};
use serde_json::{Map, Value, json};

use super::content::{parts, signature, tool_call, tool_response};
use super::options::{generation_config, own_fields};
use super::tools::{tool_config, tools};
use crate::losses::Losses;

/// The body. Google refuses fields that it does not know, so that each one it has no words for is a loss; Vertex AI knows
/// no ids of calls (MLflow 3.17.2 met it), whose order tells which is answered.
pub(super) fn body(mut chat: Chat, model: &str, knows_ids: bool, losses: &mut Losses) -> Result<Vec<u8>, Error> {
    let mut body = Map::new();
    let mut turns = Turns::new(model.contains("gemini-3"));
    for (index, message) in std::mem::take(&mut chat.messages).into_iter().enumerate() {
        turns.add(message, &format!("messages[{index}]"), losses)?;
    }
    let (system, mut contents) = turns.finish(losses);
    if !knows_ids {
        contents.iter_mut().for_each(forget_ids);
    }
    if let Some(system) = system {
        body.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    body.insert("contents".to_owned(), contents.into());
    if let Some(tools) = tools(&chat.tools, losses)? {
        body.insert("tools".to_owned(), tools);
    }
    if let Some(config) = tool_config(chat.tool_choice.take(), &mut chat.rest, losses)? {
        body.insert("toolConfig".to_owned(), config);
    }
    own_fields(&mut chat.rest, &mut body, losses);
    let config = generation_config(&chat, model, &mut body, losses)?;
    if !config.is_empty() {
        body.insert("generationConfig".to_owned(), config.into());
    }
    serde_json::to_vec(&body).map_err(|error| Error::Internal(format!("a request could not be written: {error}")))
}

fn forget_ids(content: &mut Value) {
    let Some(Value::Array(parts)) = content.get_mut("parts") else { return };
    for part in parts {
        for kind in ["functionCall", "functionResponse"] {
            if let Some(Value::Object(function)) = part.get_mut(kind) {
                function.shift_remove("id");
            }
        }
    }
}

/// Stands in for a signature that was lost on the way, or never was: Google documents it for histories that another
/// model wrote, and Gemini 3 refuses calls in a history without any.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The conversation as it grows: user and model in alternation.
struct Turns {
    needs_signatures: bool,
    system: Vec<Value>,
    contents: Vec<Content>,
    /// What tools showed beside their results.
    shown_by_tools: Vec<Value>,
    /// Names of the called functions by the calls' ids, and the order of the calls.
    calls: HashMap<String, (String, usize)>,
}

struct Content {
    role: &'static str,
    parts: Vec<Value>,
    /// Whether these are results of tools, which share a turn with nothing else; each has its call's place.
    results: Option<Vec<usize>>,
}

impl Turns {
    fn new(needs_signatures: bool) -> Self {
        Self {
            needs_signatures,
            system: Vec::new(),
            contents: Vec::new(),
            shown_by_tools: Vec::new(),
            calls: HashMap::new(),
        }
    }

    fn add(&mut self, message: Message, at: &str, losses: &mut Losses) -> Result<(), Error> {
        if let Some(name) = &message.name
            && message.role != Role::Tool
        {
            losses.add(format!("{at}.name"), format!("(`{name}`) is left out, because Gemini's turns have no names"));
        }
        match &message.role {
            Role::System | Role::Developer => self.system.extend(parts(message.content, at, losses)?),
            Role::User => {
                let parts = parts(message.content, at, losses)?;
                self.push("user", parts);
            }
            Role::Assistant => {
                let parts = self.assistant(message, at, losses)?;
                self.push("model", parts);
            }
            Role::Tool => self.result(message, at, losses)?,
            Role::Other(role) => {
                return Err(Error::invalid(
                    format!("{at}.role"),
                    format!("Gemini's models know no role `{role}`; use system, user, assistant or tool"),
                ));
            }
        }
        Ok(())
    }

    fn push(&mut self, role: &'static str, parts: Vec<Value>) {
        let shown = std::mem::take(&mut self.shown_by_tools);
        if !shown.is_empty() {
            self.contents.push(Content { role: "user", parts: shown, results: None });
        }
        match self.contents.last_mut() {
            Some(last) if last.role == role && last.results.is_none() => last.parts.extend(parts),
            _ if parts.is_empty() => {}
            _ => self.contents.push(Content { role, parts, results: None }),
        }
    }

    /// A model's turn: what it thought, did on its own, said, and the tools that it called.
    fn assistant(&mut self, mut message: Message, at: &str, losses: &mut Losses) -> Result<Vec<Value>, Error> {
        let mut all = Vec::new();
        if let Some(Value::String(thought)) = message.rest.get("reasoning_content")
            && !thought.is_empty()
        {
            all.push(json!({"text": thought, "thought": true}));
        }
        if let Some(Value::Array(own)) = message.rest.remove("gemini_parts") {
            all.extend(own);
        }
        let mut said = parts(message.content.take(), at, losses)?;
        if let Some(Value::Array(images)) = message.rest.remove("images") {
            let images = serde_json::from_value(images.into())
                .map_err(|error| Error::invalid(format!("{at}.images"), format!("`{at}.images`: {error}")))?;
            said.extend(parts(Some(llm::Content::Parts(images)), &format!("{at}.images"), losses)?);
        }
        if let Some(signature) = signature(&message.rest) {
            // A signature without words came with an empty text.
            if said.is_empty() {
                said.push(json!({"text": ""}));
            }
            if let Some(last) = said.last_mut() {
                last["thoughtSignature"] = signature;
            }
        }
        all.extend(said);
        for (index, call) in message.tool_calls.iter().enumerate() {
            let mut part = tool_call(call, &format!("{at}.tool_calls[{index}]"), losses)?;
            if self.needs_signatures && index == 0 && part.get("thoughtSignature").is_none() {
                part["thoughtSignature"] = NO_SIGNATURE.into();
            }
            self.calls.insert(call.id.clone(), (call.function.name.clone(), self.calls.len()));
            all.push(part);
        }
        Ok(all)
    }

    /// What a tool gave. The results of one turn stand together, in the order of their calls; what they show is said
    /// after them.
    fn result(&mut self, message: Message, at: &str, losses: &mut Losses) -> Result<(), Error> {
        let id = message.tool_call_id.clone().unwrap_or_default();
        let known = self.calls.get(&id).cloned();
        let (name, place) = match (known, &message.name) {
            (Some(known), _) => known,
            (None, Some(name)) => (name.clone(), usize::MAX),
            (None, None) => {
                return Err(Error::invalid(
                    format!("{at}.tool_call_id"),
                    format!(
                        "`{at}` answers the call `{id}`, which no earlier message makes; Gemini needs the name of its \
                         function: send the assistant's message with the call, or the field `name`"
                    ),
                ));
            }
        };
        let (part, media) = tool_response(message, &name, at, losses)?;
        match self.contents.last_mut() {
            Some(Content { results: Some(results), parts, .. }) => {
                let index = results.iter().position(|it| *it > place).unwrap_or(results.len());
                results.insert(index, place);
                parts.insert(index, part);
            }
            _ => self.contents.push(Content { role: "user", parts: vec![part], results: Some(vec![place]) }),
        }
        self.shown_by_tools.extend(media);
        Ok(())
    }

    /// The system prompt's parts, and the turns.
    fn finish(mut self, losses: &mut Losses) -> (Option<Vec<Value>>, Vec<Value>) {
        self.push("user", Vec::new());
        if self.contents.is_empty() && !self.system.is_empty() {
            losses
                .add("messages", "has only a system prompt, which is asked as the user's, because Gemini needs a turn");
            let parts = std::mem::take(&mut self.system);
            self.push("user", parts);
        }
        let contents = self.contents.into_iter().map(|it| json!({"role": it.role, "parts": it.parts})).collect();
        ((!self.system.is_empty()).then_some(self.system), contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(chat: Value, model: &str) -> (Value, Losses) {
        let chat: Chat = serde_json::from_value(chat).unwrap();
        let mut losses = Losses::default();
        let body = body(chat, model, true, &mut losses).unwrap();
        (serde_json::from_slice(&body).unwrap(), losses)
    }

    fn fields(losses: &Losses) -> Vec<&str> {
        losses.as_slice().iter().map(|it| it.field.as_str()).collect()
    }

    #[test]
    fn a_conversation_with_tools() {
        let chat = json!({
            "model": "m", "temperature": 1.5, "stop": "END", "user": "u1", "max_completion_tokens": 9, "seed": 4,
            "reasoning_effort": "low",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
                {"role": "assistant", "content": "Let me look.", "reasoning_content": "hm", "tool_calls": [
                    {"id": "a", "type": "function", "thought_signature": "sig",
                     "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"}},
                    {"id": "b", "type": "function", "function": {"name": "time", "arguments": ""}}]},
                {"role": "tool", "tool_call_id": "b", "content": "noon"},
                {"role": "tool", "tool_call_id": "a", "content": [
                    {"type": "text", "text": "{\"sky\": 1}"},
                    {"type": "image_url", "image_url": {"url": "https://x/y.webp"}}]},
                {"role": "user", "content": "And?"},
            ],
            "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object",
                "properties": {"a": {"$ref": "#/$defs/A", "description": "d"}}, "$defs": {"A": {"const": "x"}}}}},
                {"type": "googleSearch", "googleSearch": {}}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        });
        let (body, losses) = translate(chat, "gemini-3-pro");
        assert_eq!(
            body,
            json!({
                "systemInstruction": {"parts": [{"text": "Be brief."}]},
                "contents": [
                    {"role": "user", "parts": [
                        {"text": "Weather?"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}]},
                    {"role": "model", "parts": [
                        {"text": "hm", "thought": true}, {"text": "Let me look."},
                        {"functionCall": {"id": "a", "name": "weather", "args": {"city": "Paris"}},
                         "thoughtSignature": "sig"},
                        {"functionCall": {"id": "b", "name": "time", "args": {}}}]},
                    {"role": "user", "parts": [
                        {"functionResponse": {"id": "a", "name": "weather", "response": {"sky": 1}}},
                        {"functionResponse": {"id": "b", "name": "time", "response": {"output": "noon"}}}]},
                    {"role": "user", "parts": [
                        {"fileData": {"mimeType": "image/webp", "fileUri": "https://x/y.webp"}}, {"text": "And?"}]},
                ],
                "tools": [
                    {"functionDeclarations": [{"name": "weather", "parametersJsonSchema": {"type": "object",
                        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}], "description": "d"}},
                        "$defs": {"A": {"enum": ["x"]}}}}]},
                    {"googleSearch": {}}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}},
                "generationConfig": {"temperature": 1.5, "stopSequences": ["END"], "maxOutputTokens": 9, "seed": 4,
                    "thinkingConfig": {"thinkingLevel": "low", "includeThoughts": true}},
            })
        );
        assert_eq!(fields(&losses), ["user"]);
    }

    #[test]
    fn calls_of_other_models_get_a_stand_in_for_their_signature() {
        let chat = json!({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "x"}]});
        let (body, _) = translate(chat.clone(), "gemini-3-flash");
        assert_eq!(body["contents"][1]["parts"][0]["thoughtSignature"], NO_SIGNATURE);
        let (body, _) = translate(chat, "gemini-2.5-flash");
        assert_eq!(body["contents"][1]["parts"][0].get("thoughtSignature"), None);
    }

    #[test]
    fn what_gemini_has_no_words_for_is_told_by_name() {
        let (body, losses) = translate(
            json!({
                "messages": [{"role": "system", "content": "S"}], "logit_bias": {"5": 1}, "parallel_tool_calls": false,
                "verbosity": "low", "stream_options": {"include_usage": true}, "n": 2, "logprobs": true,
                "top_logprobs": 3, "vendor": 1, "presence_penalty": 0.5,
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
                "generationConfig": {"mediaResolution": "MEDIA_RESOLUTION_LOW"},
                "thinking": {"type": "enabled", "budget_tokens": 1024},
                "response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": {
                    "type": "object"}}},
            }),
            "gemini-2.5-flash",
        );
        assert_eq!(
            body,
            json!({
                "contents": [{"role": "user", "parts": [{"text": "S"}]}],
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
                "generationConfig": {
                    "mediaResolution": "MEDIA_RESOLUTION_LOW", "candidateCount": 2, "responseLogprobs": true,
                    "logprobs": 3, "presencePenalty": 0.5, "responseMimeType": "application/json",
                    "responseJsonSchema": {"type": "object"},
                    "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": true}},
            })
        );
        let mut fields = fields(&losses);
        fields.sort_unstable();
        assert_eq!(fields, ["logit_bias", "messages", "parallel_tool_calls", "vendor", "verbosity"]);
    }
}
