//! Vectors in the form that the caller asked for.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use llm::EmbedReply;
use serde_json::Value;

/// Writes each vector as base64 of little-endian `f32`s: what OpenAI's own client asks for unless it is told otherwise.
pub(super) fn to_base64(reply: &mut EmbedReply) {
    for embedding in &mut reply.data {
        let Value::Array(numbers) = &embedding.embedding else { continue };
        #[expect(clippy::cast_possible_truncation, reason = "the format has no more digits")]
        let bytes: Vec<u8> =
            numbers.iter().flat_map(|it| (it.as_f64().unwrap_or_default() as f32).to_le_bytes()).collect();
        embedding.embedding = BASE64_STANDARD.encode(bytes).into();
    }
}

/// Whether a request wants its vectors so.
pub(super) fn is_base64_wanted(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Wish {
        encoding_format: Option<String>,
    }
    serde_json::from_slice::<Wish>(body).is_ok_and(|it| it.encoding_format.as_deref() == Some("base64"))
}
