//! What a response repeats of the request that it answers.

use serde_json::{Map, Value, json};

/// Fields that are repeated as they were sent, or as OpenAI fills them in.
const REPEATED: [&str; 15] = [
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
];

/// A request, as far as its response repeats it.
#[derive(Clone, Debug, Default)]
pub(super) struct Echo {
    fields: Map<String, Value>,
    /// Whether signed thoughts shall be told, for the caller to bring back.
    pub(super) wants_sealed: bool,
}

impl Echo {
    pub(super) fn of(body: &[u8]) -> Self {
        let request: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        let wants_sealed = request
            .get("include")
            .and_then(Value::as_array)
            .is_some_and(|it| it.iter().any(|it| it == "reasoning.encrypted_content"));
        let mut fields = Map::new();
        for name in REPEATED {
            let sent = request.get(name).filter(|it| !it.is_null()).cloned();
            fields.insert(name.to_owned(), sent.unwrap_or_else(|| filled_in(name)));
        }
        Self { fields, wants_sealed }
    }

    /// A response with this output so far. Nothing is kept, whatever the request said.
    pub(super) fn response(&self, id: &str, model: &str, created: u64, status: &str, output: &[Value]) -> Value {
        let mut response = json!({
            "id": id, "object": "response", "created_at": created, "status": status, "background": false,
            "error": null, "incomplete_details": null, "model": model, "output": output,
            "previous_response_id": null, "store": false, "truncation": "disabled", "usage": null,
        });
        if let Some(response) = response.as_object_mut() {
            response.extend(self.fields.clone());
        }
        response
    }
}

fn filled_in(name: &str) -> Value {
    match name {
        "metadata" => json!({}),
        "parallel_tool_calls" => true.into(),
        "reasoning" => json!({"effort": null, "summary": null}),
        "temperature" | "top_p" => 1.0.into(),
        "text" => json!({"format": {"type": "text"}}),
        "tool_choice" => "auto".into(),
        "tools" => json!([]),
        _ => Value::Null,
    }
}
