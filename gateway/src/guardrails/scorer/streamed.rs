//! Streams of answers that a scorer rates: held until their end, since the rating is of the whole.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use llm::Error;
use serde_json::{Value, json};

use crate::Gateway;
use crate::endpoint::Kind;
use crate::guardrails::{Check, Decisions, Guardrail, Stage};
use crate::metering::assembly::Assembly;
use crate::metering::facts::ChunkFacts;
use crate::provider::{Frame, Frames};

/// Bytes of a stream that are held at most.
const HELD_BYTES_MAX: usize = 8 << 20;

/// What rates a stream.
pub(in crate::guardrails) struct Raters {
    pub(in crate::guardrails) gateway: Gateway,
    pub(in crate::guardrails) guardrails: Vec<Arc<Guardrail>>,
    pub(in crate::guardrails) request: Value,
    pub(in crate::guardrails) kind: Kind,
    pub(in crate::guardrails) decisions: Decisions,
}

/// A stream that scorers rate at its end. One that is written anew comes as one piece of each answer.
pub(in crate::guardrails) fn scored(frames: Frames, raters: Raters) -> Frames {
    Box::pin(stream::once(rated(frames, raters)).map_ok(|held| stream::iter(held.into_iter().map(Ok))).try_flatten())
}

async fn rated(mut frames: Frames, raters: Raters) -> Result<Vec<Frame>, Error> {
    let mut assembly = Assembly::new(raters.kind, HELD_BYTES_MAX);
    let (mut held, mut bytes, mut usage) = (Vec::new(), 0, None);
    while let Some(frame) = frames.next().await.transpose()? {
        match &frame {
            Frame::Chunk(chunk) => {
                bytes += chunk.len();
                if bytes > HELD_BYTES_MAX {
                    let why = format!("the answer is longer than {HELD_BYTES_MAX} bytes");
                    return Err(Error::Unavailable(format!("no guardrail could rate the answer: {why}")));
                }
                if let Ok(facts) = serde_json::from_str::<ChunkFacts<'_>>(chunk) {
                    assembly.add(&facts);
                    usage = facts.usage().or(usage);
                }
            }
            Frame::Done => {}
            Frame::Native(..) => {
                let words = "a guarded stream came in a format that guardrails do not read";
                return Err(Error::Internal(words.to_owned()));
            }
        }
        held.push(frame);
    }
    let Some(answer) = assembly.to_json(usage.as_ref()) else { return Ok(held) };
    let mut answer: Value = serde_json::from_slice(&answer)
        .map_err(|error| Error::Internal(format!("a stream could not be put together: {error}")))?;
    let mut is_rewritten = false;
    for guardrail in &raters.guardrails {
        let Check::Scorer(scorer) = &guardrail.check else { continue };
        let parts = (&raters.request, Some(&answer));
        let instead = guardrail.rate(scorer, &raters.gateway, Stage::Output, parts, &raters.decisions).await?;
        if let Some(instead) = instead {
            answer = instead;
            is_rewritten = true;
        }
    }
    if !is_rewritten {
        return Ok(held);
    }
    let is_done = matches!(held.last(), Some(Frame::Done));
    let mut pieces: Vec<Frame> = pieces(&answer, raters.kind).map(|it| Frame::Chunk(it.to_string())).collect();
    if is_done {
        pieces.push(Frame::Done);
    }
    Ok(pieces)
}

/// The chunks in which an answer comes that is all there: for each choice what it says and why it ends, then the counts.
fn pieces(answer: &Value, kind: Kind) -> impl Iterator<Item = Value> {
    let object = if kind == Kind::Chat { "chat.completion.chunk" } else { "text_completion" };
    let head = json!({"id": answer["id"], "object": object, "created": answer["created"], "model": answer["model"]});
    let with = move |key: &str, value: Value| {
        let mut chunk = head.clone();
        chunk[key] = value;
        chunk
    };
    let mut chunks = Vec::new();
    for choice in answer.get("choices").and_then(Value::as_array).into_iter().flatten() {
        let (index, reason) = (&choice["index"], &choice["finish_reason"]);
        if kind != Kind::Chat {
            chunks.push(with("choices", json!([{"index": index, "text": choice["text"], "finish_reason": reason}])));
            continue;
        }
        let mut delta = choice["message"].clone();
        for (place, call) in delta.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten().enumerate()
        {
            if let Some(call) = call.as_object_mut() {
                call.insert("index".to_owned(), place.into());
            }
        }
        chunks.push(with("choices", json!([{"index": index, "delta": delta, "finish_reason": null}])));
        chunks.push(with("choices", json!([{"index": index, "delta": {}, "finish_reason": reason}])));
    }
    if let Some(usage) = answer.get("usage") {
        let mut counts = with("usage", usage.clone());
        counts["choices"] = json!([]);
        chunks.push(counts);
    }
    chunks.into_iter()
}
