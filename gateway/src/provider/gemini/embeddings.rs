//! Embeddings: OpenAI's request as Gemini's batch or as Vertex's prediction, and their vectors as OpenAI's.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use llm::{Embed, EmbedInput, EmbedReply, Embedding, Error, Rest, Usage};
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::upstream::bad_gateway;

/// The body of `batchEmbedContents`: one request for each text, each naming the model again.
pub(super) fn body(embed: &Embed, model_path: &str, losses: &mut Losses) -> Result<Vec<u8>, Error> {
    let options = options(embed, ["taskType", "title", "outputDimensionality"], losses);
    let requests: Vec<Value> = texts(&embed.input)?
        .iter()
        .map(|text| {
            let mut request = options.clone();
            request.insert("model".to_owned(), model_path.into());
            request.insert("content".to_owned(), json!({"parts": [{"text": text}]}));
            request.into()
        })
        .collect();
    written(&json!({"requests": requests}))
}

/// The body of Vertex's `predict`.
pub(super) fn vertex_body(embed: &Embed, losses: &mut Losses) -> Result<Vec<u8>, Error> {
    let mut options = options(embed, ["task_type", "title", "outputDimensionality"], losses);
    let dimensions = options.remove("outputDimensionality");
    let instances: Vec<Value> = texts(&embed.input)?
        .iter()
        .map(|text| {
            let mut instance = options.clone();
            instance.insert("content".to_owned(), (*text).into());
            instance.into()
        })
        .collect();
    let mut body = json!({"instances": instances});
    if let Some(dimensions) = dimensions {
        body["parameters"] = json!({"outputDimensionality": dimensions});
    }
    written(&body)
}

/// The vectors of either as OpenAI's answer, in the encoding that was asked for.
pub(super) fn reply(answer: &Value, embed: &Embed, model: &str, who: &str) -> Result<EmbedReply, Error> {
    let (list, at) = match (&answer["embeddings"], &answer["predictions"]) {
        (Value::Array(list), _) => (list, "/values"),
        (_, Value::Array(list)) => (list, "/embeddings/values"),
        _ => return Err(bad_gateway(format!("{who} answered without `embeddings`"))),
    };
    let is_base64 = embed.rest.get("encoding_format").is_some_and(|it| it == "base64");
    let mut data = Vec::with_capacity(list.len());
    let mut tokens = None;
    for (index, item) in (0_u32..).zip(list) {
        let values = item
            .pointer(at)
            .filter(|it| it.is_array())
            .ok_or_else(|| bad_gateway(format!("{who} answered with an embedding that has no `values`")))?;
        let embedding = if is_base64 { packed(values) } else { values.clone() };
        data.push(Embedding { object: "embedding".to_owned(), index, embedding });
        if let Some(count) = item.pointer("/embeddings/statistics/token_count").and_then(Value::as_f64) {
            tokens = Some(tokens.unwrap_or(0.0) + count);
        }
    }
    let counted = answer.pointer("/usageMetadata/promptTokenCount").and_then(Value::as_u64);
    // Vertex writes whole numbers as floats.
    let counted = counted.or_else(|| tokens.and_then(|it| format!("{it:.0}").parse().ok()));
    let usage = counted.map(|it| Usage { completion_tokens: None, ..Usage::of(it, 0) });
    Ok(EmbedReply { object: "list".to_owned(), data, model: model.to_owned(), usage, rest: Rest::new() })
}

/// Little-endian floats in base64, OpenAI's packed form.
fn packed(values: &Value) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "the packed form has single precision")]
    let floats = values.as_array().into_iter().flatten().filter_map(Value::as_f64).map(|it| it as f32);
    let bytes: Vec<u8> = floats.flat_map(f32::to_le_bytes).collect();
    BASE64_STANDARD.encode(bytes).into()
}

/// The options in Google's words: the first is the name of the task's type here.
fn options(embed: &Embed, [task, title, dimensions]: [&str; 3], losses: &mut Losses) -> Map<String, Value> {
    let mut options = Map::new();
    for (name, value) in &embed.rest {
        let to = match name.as_str() {
            "dimensions" | "outputDimensionality" | "output_dimensionality" => dimensions,
            "taskType" | "task_type" => task,
            "title" => title,
            "encoding_format" => continue,
            _ if value.is_null() => continue,
            _ => {
                losses.add(name.clone(), "is left out, because Gemini's embeddings have no such field");
                continue;
            }
        };
        options.insert(to.to_owned(), value.clone());
    }
    options
}

fn texts(input: &EmbedInput) -> Result<Vec<&str>, Error> {
    match input {
        EmbedInput::One(text) => Ok(vec![text]),
        EmbedInput::Many(texts) => Ok(texts.iter().map(String::as_str).collect()),
        EmbedInput::Tokens(_) | EmbedInput::TokenLists(_) => {
            Err(Error::invalid("input", "Gemini's models take texts, not token ids; send `input` as text"))
        }
    }
}

fn written(body: &Value) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(body).map_err(|error| Error::Internal(format!("a request could not be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(value: Value) -> Embed {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn texts_become_requests_and_vectors_come_back_packed() {
        let asked = embed(json!({"input": ["a", "b"], "dimensions": 2, "encoding_format": "base64", "user": "u"}));
        let mut losses = Losses::default();
        let body: Value = serde_json::from_slice(&body(&asked, "models/e", &mut losses).unwrap()).unwrap();
        let request = |text: &str| json!({"model": "models/e", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
        assert_eq!(body, json!({"requests": [request("a"), request("b")]}));
        assert_eq!(losses.as_slice().len(), 1);
        let answer = json!({"embeddings": [{"values": [1.0, -0.5]}], "usageMetadata": {"promptTokenCount": 3}});
        let reply = reply(&answer, &asked, "e", "w").unwrap();
        assert_eq!(reply.data[0].embedding, "AACAPwAAAL8=");
        assert_eq!(reply.usage.unwrap().prompt_tokens, 3);
    }

    #[test]
    fn vertex_predicts() {
        let asked = embed(json!({"input": "a", "dimensions": 2, "task_type": "RETRIEVAL_QUERY"}));
        let body = vertex_body(&asked, &mut Losses::default()).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&body).unwrap(),
            json!({"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}],
                   "parameters": {"outputDimensionality": 2}})
        );
        let answer = json!({"predictions": [{"embeddings": {"values": [0.25], "statistics": {"token_count": 4.0}}}]});
        let reply = reply(&answer, &asked, "e", "w").unwrap();
        assert_eq!((reply.data[0].embedding.clone(), reply.usage.unwrap().total_tokens), (json!([0.25]), 4));
    }
}
