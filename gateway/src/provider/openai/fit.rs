//! A chat that was translated from another format, fitted to those who take OpenAI's chats: what they would refuse is
//! left out, and named.

use llm::{Chat, Content, Message, Part, Rest, Role};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::losses::Losses;

/// Who takes the chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::provider) enum Taker {
    /// OpenAI itself, or Azure: unknown fields are refused. The flag tells whether it knows `max_completion_tokens`.
    OpenAi { knows_completion_tokens: bool },
    /// A vendor with OpenAI's protocol, and fields of its own.
    Compatible,
}

/// Characters of `user` at most, at OpenAI.
const USER_CHARS_MAX: usize = 64;

/// Fields of Anthropic's and of Google's that mean nothing in a chat.
const FOREIGN: [&str; 12] = [
    "output_config",
    "container",
    "mcp_servers",
    "context_management",
    "cache_control",
    "inference_geo",
    "speed",
    "safetySettings",
    "cachedContent",
    "labels",
    "toolConfig",
    "generationConfig",
];

/// The chat as its taker understands it.
pub(in crate::provider) fn fit(mut chat: Chat, taker: Taker, losses: &mut Losses) -> Chat {
    let mut lost = Lost { losses, told: Vec::new() };
    options(&mut chat, taker, &mut lost);
    tools(&mut chat, &mut lost);
    let mut messages = Vec::with_capacity(chat.messages.len());
    // Pictures that tools gave: a tool's message takes text alone, so that they follow the results as a user's.
    let mut pictures: Vec<Part> = Vec::new();
    for (index, message) in chat.messages.into_iter().enumerate() {
        if message.role != Role::Tool && !pictures.is_empty() {
            messages.push(user_of(std::mem::take(&mut pictures)));
        }
        messages.extend(self::message(message, index, taker, &mut pictures, &mut lost));
    }
    if !pictures.is_empty() {
        messages.push(user_of(pictures));
    }
    chat.messages = messages;
    chat
}

/// Losses, each field told once: a mark on each of a hundred messages is one thing to know.
struct Lost<'a> {
    losses: &'a mut Losses,
    told: Vec<String>,
}

impl Lost<'_> {
    fn add(&mut self, field: &str, why: &str) {
        if !self.told.iter().any(|it| it == field) {
            self.told.push(field.to_owned());
            self.losses.add(field, why);
        }
    }
}

fn options(chat: &mut Chat, taker: Taker, lost: &mut Lost<'_>) {
    let is_openai = matches!(taker, Taker::OpenAi { .. });
    if taker == (Taker::OpenAi { knows_completion_tokens: true }) {
        chat.max_completion_tokens = chat.output_tokens_max();
        chat.max_tokens = None;
    } else {
        chat.max_tokens = chat.output_tokens_max();
        chat.max_completion_tokens = None;
    }
    if is_openai && chat.top_k.take().is_some() {
        lost.add("top_k", "is left out: OpenAI's models have no such setting");
    }
    // What thinking asks for is told as `reasoning_effort`, where it asks for anything that has a word there.
    if let Some(thinking) = chat.rest.shift_remove("thinking")
        && !chat.rest.contains_key("reasoning_effort")
        && thinking["type"] == "enabled"
    {
        lost.add("thinking", "is left out: it names no budget that could be told as reasoning_effort");
    }
    for name in FOREIGN {
        if chat.rest.shift_remove(name).is_some() {
            lost.add(name, "is left out: chats have no such field");
        }
    }
    if let Some(Value::String(user)) = chat.rest.get_mut("user")
        && is_openai
        && user.chars().count() > USER_CHARS_MAX
    {
        // Whoever is who stays told apart: a digest has just the length that is allowed.
        *user = format!("{:x}", Sha256::digest(user.as_bytes()));
    }
}

fn tools(chat: &mut Chat, lost: &mut Lost<'_>) {
    let mut kept = Vec::with_capacity(chat.tools.len());
    for (index, mut tool) in std::mem::take(&mut chat.tools).into_iter().enumerate() {
        if !matches!(tool.kind.as_str(), "function" | "custom") {
            lost.add(&format!("tools[{index}]"), &format!("is left out: `{}` runs at another vendor", tool.kind));
            continue;
        }
        let own: Vec<String> =
            tool.rest.keys().filter(|it| !matches!(it.as_str(), "function" | "custom")).cloned().collect();
        for name in own {
            tool.rest.shift_remove(&name);
            lost.add(&name, "of tools is left out: chats have no such field");
        }
        kept.push(tool);
    }
    chat.tools = kept;
    if chat.tools.is_empty() {
        // A choice among no tools is refused.
        chat.tool_choice = None;
        chat.rest.shift_remove("parallel_tool_calls");
    }
}

/// A message as its taker understands it; `None` where nothing of it is left.
fn message(
    mut message: Message,
    index: usize,
    taker: Taker,
    pictures: &mut Vec<Part>,
    lost: &mut Lost<'_>,
) -> Option<Message> {
    let at = format!("messages[{index}]");
    if message.rest.shift_remove("thinking_blocks").is_some() {
        lost.add("thinking", "of earlier turns is left out: only the vendor who signed it can read it");
    }
    if message.rest.shift_remove("content_blocks").is_some() {
        lost.add(&at, "is sent without its server-side tools and citations: chats have no words for them");
    }
    if taker != Taker::Compatible && message.rest.shift_remove("reasoning_content").is_some() {
        lost.add("thinking", "of earlier turns is left out: OpenAI's chats take no reasoning back");
    }
    for (name, why) in [
        ("thought_signature", "is left out: only Google, who signed it, can read it"),
        ("gemini_parts", "of earlier turns are left out: chats have no words for them"),
        ("images", "of earlier turns are left out: chats take no pictures back from a model"),
        ("cache_control", "is left out: prompts are cached there without being asked"),
        ("is_error", "is left out: a tool's message is its text alone"),
    ] {
        if message.rest.shift_remove(name).is_some() {
            lost.add(name, why);
        }
    }
    for call in &mut message.tool_calls {
        call.rest = foreign(std::mem::take(&mut call.rest), &["custom"], lost);
    }
    if let Some(Content::Parts(parts)) = &mut message.content {
        let parts = std::mem::take(parts);
        let mut kept = Vec::with_capacity(parts.len());
        for (number, it) in parts.into_iter().enumerate() {
            let Some(it) = part(it, &format!("{at}.content[{number}]"), lost) else { continue };
            if message.role == Role::Tool && it.kind != "text" {
                if pictures.is_empty() {
                    pictures.push(text_part("What the tools gave besides text:".to_owned()));
                }
                pictures.push(it);
            } else {
                kept.push(it);
            }
        }
        message.content = content(&message.role, kept);
    }
    let is_empty = message.content.is_none() && message.tool_calls.is_empty();
    match message.role {
        // Each call must be answered, be it with nothing.
        Role::Tool if is_empty => message.content = Some(Content::Text(String::new())),
        _ if is_empty => return None,
        _ => {}
    }
    Some(message)
}

fn part(mut part: Part, at: &str, lost: &mut Lost<'_>) -> Option<Part> {
    let own = match part.kind.as_str() {
        "text" => "text",
        "image_url" => "image_url",
        "input_audio" => "input_audio",
        "video_url" => "video_url",
        "refusal" => "refusal",
        "file" => {
            let data = part.rest.get("file").map_or("", |it| it["file_data"].as_str().unwrap_or_default());
            if data.starts_with("http") {
                lost.add(at, "is left out: chats take the bytes of a file, not its address");
                return None;
            }
            "file"
        }
        kind => {
            lost.add(at, &format!("is left out: chats have no `{kind}`"));
            return None;
        }
    };
    part.rest = foreign(part.rest, &[own], lost);
    Some(part)
}

/// The fields that are a chat's own; the others are told as lost.
fn foreign(rest: Rest, own: &[&str], lost: &mut Lost<'_>) -> Rest {
    let mut kept = Rest::new();
    for (name, value) in rest {
        if own.contains(&name.as_str()) {
            kept.insert(name, value);
        } else if name == "cache_control" {
            lost.add(&name, "is left out: prompts are cached there without being asked");
        } else if !value.is_null() {
            lost.add(&name, "is left out: chats have no such field");
        }
    }
    kept
}

/// Plain text where nothing else is left: many servers read parts only from the person.
fn content(role: &Role, parts: Vec<Part>) -> Option<Content> {
    let is_text = parts.iter().all(|it| it.kind == "text");
    let between = match role {
        _ if parts.is_empty() => return None,
        Role::System | Role::Developer => "\n\n",
        Role::Tool => "\n",
        Role::Assistant => "",
        _ if parts.len() == 1 => "",
        _ => return Some(Content::Parts(parts)),
    };
    if !is_text {
        return Some(Content::Parts(parts));
    }
    let texts: Vec<String> = parts.into_iter().filter_map(|it| it.text).collect();
    Some(Content::Text(texts.join(between)))
}

fn user_of(parts: Vec<Part>) -> Message {
    Message { role: Role::User, content: Some(Content::Parts(parts)), ..Message::default() }
}

fn text_part(text: String) -> Part {
    Part { kind: "text".to_owned(), text: Some(text), rest: Rest::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::Dialect;

    fn fitted(body: &Value, taker: Taker) -> (Value, Vec<String>) {
        let mut losses = Losses::default();
        let chat = Dialect::Messages.chat(body.to_string().as_bytes(), &mut losses).unwrap();
        let chat = fit(chat, taker, &mut losses);
        (json!(chat), losses.as_slice().iter().map(|it| it.field.clone()).collect())
    }

    const OPENAI: Taker = Taker::OpenAi { knows_completion_tokens: true };

    #[test]
    fn what_chats_can_say_is_said_and_the_rest_is_named() {
        let body = json!({
            "model": "m", "max_tokens": 9, "top_k": 3,
            "thinking": {"type": "enabled", "budget_tokens": 5000}, "metadata": {"user_id": "u".repeat(70)},
            "system": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "B"}],
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "s"},
                    {"type": "text", "text": "Look."},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [
                        {"type": "text", "text": "see"},
                        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}]},
                    {"type": "text", "text": "go on"}]}],
            "tools": [
                {"name": "f", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}},
                {"type": "web_search_20250305", "name": "web_search"}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
        });
        let (chat, lost) = fitted(&body, OPENAI);
        assert_eq!(
            chat,
            json!({
                "model": "m", "max_completion_tokens": 9,
                "messages": [
                    {"role": "system", "content": "A\n\nB"},
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": "Look.", "tool_calls": [
                        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
                    {"role": "tool", "content": "see", "tool_call_id": "t1"},
                    {"role": "user", "content": [
                        {"type": "text", "text": "What the tools gave besides text:"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}]},
                    {"role": "user", "content": "go on"}],
                "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
                "tool_choice": "required", "parallel_tool_calls": false, "reasoning_effort": "medium",
                "user": chat["user"],
            })
        );
        assert_eq!(chat["user"].as_str().map(str::len), Some(64));
        assert_eq!(lost, ["top_k", "cache_control", "tools[1]", "thinking", "is_error"]);
    }

    #[test]
    fn vendors_with_fields_of_their_own_keep_theirs() {
        let body = json!({
            "model": "m", "max_tokens": 9, "top_k": 3, "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": ""}, {"type": "text", "text": "Yes."}]},
                {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}]}],
        });
        let (chat, lost) = fitted(&body, Taker::Compatible);
        assert_eq!(
            chat,
            json!({"model": "m", "max_tokens": 9, "top_k": 3, "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm"}]})
        );
        assert_eq!(lost, ["messages[2].content[0]"]);
    }

    #[test]
    fn a_schema_keeps_its_definitions() {
        let schema = json!({
            "type": "object", "$defs": {"node": {"type": "object", "properties": {
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}},
            "properties": {"root": {"$ref": "#/$defs/node"}},
        });
        let body = json!({
            "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}],
            "output_config": {"effort": "max", "format": {"type": "json_schema", "schema": schema}},
        });
        let (chat, lost) = fitted(&body, OPENAI);
        assert_eq!(chat["response_format"]["json_schema"]["schema"], schema);
        assert_eq!(chat["reasoning_effort"], "xhigh");
        assert_eq!(lost, [""; 0]);
    }
}
