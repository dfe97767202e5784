//! The body of a countTokens call, from that of the call that is to be counted.
//!
//! Facts: <https://ai.google.dev/api/tokens> and
//! <https://docs.cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/countTokens>.

use llm::Error;
use serde_json::{Map, Value, json};

/// What Vertex counts. It refuses fields that it does not count.
const COUNTED_BY_VERTEX: [&str; 6] =
    ["contents", "systemInstruction", "system_instruction", "tools", "generationConfig", "generation_config"];

/// The body: Vertex takes the fields as they are; Gemini's API takes the conversation alone, or the whole call with its
/// model in one field.
pub(super) fn body(call: &[u8], path: &str, is_vertex: bool) -> Result<Vec<u8>, Error> {
    let mut fields: Map<String, Value> = serde_json::from_slice(call).map_err(|error| Error::Invalid {
        message: format!("the body must be a JSON object, but is not: {error}"),
        param: None,
    })?;
    fields.shift_remove("model");
    let body = if is_vertex {
        fields.retain(|name, _| COUNTED_BY_VERTEX.contains(&name.as_str()));
        Value::Object(fields)
    } else if fields.keys().all(|it| it == "contents") {
        Value::Object(fields)
    } else {
        fields.insert("model".to_owned(), path.into());
        json!({"generateContentRequest": fields})
    };
    Ok(body.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_googles_servers_gets_its_own_form() {
        let check = |call: Value, is_vertex, expected: Value| {
            let got = body(call.to_string().as_bytes(), "models/g", is_vertex).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&got).unwrap(), expected);
        };
        check(json!({"contents": [1], "model": "mine"}), false, json!({"contents": [1]}));
        check(
            json!({"contents": [1], "tools": []}),
            false,
            json!({"generateContentRequest": {"contents": [1], "tools": [], "model": "models/g"}}),
        );
        check(json!({"contents": [1], "tools": [], "safetySettings": []}), true, json!({"contents": [1], "tools": []}));
        assert!(body(b"[]", "models/g", true).is_err());
    }
}
