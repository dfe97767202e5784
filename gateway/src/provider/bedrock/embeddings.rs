//! Embeddings through `InvokeModel`, which takes each maker's own body: Amazon's Titan, and Cohere's Embed.

use llm::{Embed, EmbedInput, EmbedReply, Embedding, Error, Rest, Usage};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

use crate::losses::Losses;
use crate::provider::upstream::bad_gateway;

/// What a text is embedded for, where the caller does not say: Cohere wants to know.
const INPUT_TYPE: &str = "search_document";

pub(super) fn body(embed: Embed, model: &str, losses: &mut Losses) -> Result<Map<String, Value>, Error> {
    let mut texts = match embed.input {
        EmbedInput::One(text) => vec![text],
        EmbedInput::Many(texts) => texts,
        EmbedInput::Tokens(_) | EmbedInput::TokenLists(_) => {
            return Err(Error::invalid("input", "Bedrock's models take texts, no token ids"));
        }
    };
    let mut rest = embed.rest;
    // The vectors come as numbers, and are written as the caller wants them afterwards.
    rest.remove("encoding_format");
    if rest.remove("user").is_some() {
        losses.add("user", "is left out: Bedrock has no such option");
    }
    let dimensions = rest.remove("dimensions");
    let mut body = Map::new();
    if model.contains("cohere") {
        body.insert("texts".to_owned(), texts.into());
        body.insert("input_type".to_owned(), rest.remove("input_type").unwrap_or(INPUT_TYPE.into()));
        body.insert("embedding_types".to_owned(), json!(["float"]));
        if let Some(dimensions) = dimensions {
            body.insert("output_dimension".to_owned(), dimensions);
        }
    } else {
        if texts.len() != 1 {
            return Err(Error::invalid(
                "input",
                format!("`{model}` embeds one text a call, but `input` has {}; call once for each", texts.len()),
            ));
        }
        body.insert("inputText".to_owned(), texts.remove(0).into());
        if let Some(dimensions) = dimensions {
            body.insert("dimensions".to_owned(), dimensions);
        }
    }
    body.extend(rest);
    Ok(body)
}

/// The vectors; tokens are counted in the body by Titan and in the head for all.
pub(super) fn reply(mut answer: Value, headers: &HeaderMap, model: &str, who: &str) -> Result<EmbedReply, Error> {
    let vectors = match (answer.get_mut("embedding").map(Value::take), answer.get_mut("embeddings").map(Value::take)) {
        (Some(vector), _) => vec![vector],
        (None, Some(Value::Array(vectors))) => vectors,
        (None, Some(Value::Object(mut kinds))) => match kinds.remove("float") {
            Some(Value::Array(vectors)) => vectors,
            _ => return Err(bad_gateway(format!("{who} answered without vectors of numbers"))),
        },
        _ => return Err(bad_gateway(format!("{who} answered without embeddings"))),
    };
    let counted = headers.get("x-amzn-bedrock-input-token-count").and_then(|it| it.to_str().ok()?.parse().ok());
    let tokens = answer["inputTextTokenCount"].as_u64().or(counted);
    let data = vectors.into_iter().zip(0..).map(|(embedding, index)| Embedding {
        object: "embedding".to_owned(),
        index,
        embedding,
    });
    Ok(EmbedReply {
        object: "list".to_owned(),
        data: data.collect(),
        model: model.to_owned(),
        usage: tokens.map(|it| Usage { completion_tokens: None, ..Usage::of(it, 0) }),
        rest: Rest::new(),
    })
}
