//! Ollama's answers as OpenAI's.

use llm::{
    ChatChoice, ChatReply, CompletionChoice, CompletionReply, Content, EmbedReply, Embedding, Error, FunctionCall,
    Message, Rest, Role, ToolCall, Usage, unix_seconds,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::provider::upstream::{bad_gateway, in_ok_answer};

/// What an answer says about its time, in nanoseconds, told as it came.
const DURATIONS: [&str; 4] = ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"];

/// An object of Ollama's that is no error.
pub(super) fn read(body: &[u8], who: &str) -> Result<Value, Error> {
    let said: Value =
        serde_json::from_slice(body).map_err(|error| bad_gateway(format!("{who} answered with no JSON: {error}")))?;
    match in_ok_answer(who, body) {
        Some(error) => Err(error),
        None => Ok(said),
    }
}

pub(super) fn chat(said: &Value, model: &str, who: &str) -> Result<ChatReply, Error> {
    let of = &said["message"];
    if !of.is_object() {
        return Err(bad_gateway(format!("{who} answered with JSON that holds no message")));
    }
    let calls = calls(of).map(|(id, name, arguments)| ToolCall {
        id,
        kind: "function".to_owned(),
        function: FunctionCall { name, arguments },
        rest: Rest::new(),
    });
    let mut message = Message {
        role: Role::Assistant,
        content: Some(Content::Text(of["content"].as_str().unwrap_or_default().to_owned())),
        tool_calls: calls.collect(),
        ..Message::default()
    };
    if let Some(thinking) = of["thinking"].as_str().filter(|it| !it.is_empty()) {
        message.rest.insert("reasoning_content".to_owned(), thinking.into());
    }
    let (finish_reason, mut choice_rest) = finish(said, !message.tool_calls.is_empty());
    if let Some(list) = said.get("logprobs").filter(|it| it.is_array()) {
        choice_rest.insert("logprobs".to_owned(), json!({"content": list}));
    }
    Ok(ChatReply {
        id: Uuid::new_v4().to_string(),
        object: "chat.completion".to_owned(),
        created: unix_seconds(),
        model: said["model"].as_str().unwrap_or(model).to_owned(),
        choices: vec![ChatChoice { index: 0, message, finish_reason, rest: choice_rest }],
        usage: usage(said),
        rest: durations(said),
    })
}

pub(super) fn completion(said: &Value, model: &str) -> CompletionReply {
    let (finish_reason, rest) = finish(said, false);
    let text = said["response"].as_str().unwrap_or_default().to_owned();
    CompletionReply {
        id: Uuid::new_v4().to_string(),
        object: "text_completion".to_owned(),
        created: unix_seconds(),
        model: said["model"].as_str().unwrap_or(model).to_owned(),
        choices: vec![CompletionChoice { index: 0, text, finish_reason, rest }],
        usage: usage(said),
        rest: durations(said),
    }
}

pub(super) fn embed(mut said: Value, model: &str, who: &str) -> Result<EmbedReply, Error> {
    let Value::Array(vectors) = said["embeddings"].take() else {
        return Err(bad_gateway(format!("{who} answered without embeddings")));
    };
    let data = vectors.into_iter().zip(0..).map(|(embedding, index)| Embedding {
        object: "embedding".to_owned(),
        index,
        embedding,
    });
    Ok(EmbedReply {
        object: "list".to_owned(),
        data: data.collect(),
        model: model.to_owned(),
        usage: said["prompt_eval_count"].as_u64().map(|it| Usage { completion_tokens: None, ..Usage::of(it, 0) }),
        rest: durations(&said),
    })
}

/// Id, name and arguments of the calls in a message. Ollama's arguments are objects, and older versions give no ids.
pub(super) fn calls(message: &Value) -> impl Iterator<Item = (String, String, String)> + '_ {
    message["tool_calls"].as_array().into_iter().flatten().map(|it| {
        let id = it["id"].as_str().filter(|it| !it.is_empty());
        let function = &it["function"];
        let arguments = match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            object => object.to_string(),
        };
        let id = id.map_or_else(|| format!("call_{}", Uuid::new_v4().simple()), str::to_owned);
        (id, function["name"].as_str().unwrap_or_default().to_owned(), arguments)
    })
}

/// A chat's finish reason, and the word of Ollama's that it cannot tell.
pub(super) fn finish(said: &Value, has_calls: bool) -> (Option<String>, Rest) {
    let mut rest = Rest::new();
    let finish = match said["done_reason"].as_str() {
        Some("length") => "length",
        Some("stop") | None if has_calls => "tool_calls",
        Some("stop") | None => "stop",
        Some(other) => {
            rest.insert("native_finish_reason".to_owned(), other.into());
            "stop"
        }
    };
    (Some(finish.to_owned()), rest)
}

/// The counts; a prompt that was in the cache may not be counted.
pub(super) fn usage(said: &Value) -> Option<Usage> {
    let count = |key: &str| said[key].as_u64();
    let (prompt, output) = (count("prompt_eval_count"), count("eval_count"));
    (prompt.is_some() || output.is_some()).then(|| Usage::of(prompt.unwrap_or_default(), output.unwrap_or_default()))
}

pub(super) fn durations(said: &Value) -> Rest {
    DURATIONS.iter().filter_map(|it| Some(((*it).to_owned(), said.get(*it)?.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_thoughts_and_counts() {
        let said = json!({"model": "qwen3", "message": {"role": "assistant", "content": "", "thinking": "hm",
            "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            "done": true, "done_reason": "stop", "eval_count": 4, "total_duration": 5});
        let reply = chat(&said, "m", "Ollama").unwrap();
        let choice = &reply.choices[0];
        assert_eq!(choice.finish_reason.as_deref(), Some("tool_calls"));
        assert_eq!(choice.message.rest["reasoning_content"], "hm");
        assert_eq!(choice.message.tool_calls[0].function.arguments, "{\"a\":1}");
        assert!(choice.message.tool_calls[0].id.starts_with("call_"));
        assert_eq!(reply.usage.unwrap().completion_tokens, Some(4));
        assert_eq!(reply.rest["total_duration"], 5);
        assert!(read(br#"{"error":"model not found"}"#, "Ollama").is_err());
    }
}
