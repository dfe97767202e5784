//! Log-probabilities of tokens, from Google's lists of them.

use serde_json::{Value, json};

/// A candidate's `logprobsResult` as a choice's `logprobs`.
pub(super) fn logprobs(result: &Value) -> Value {
    let list = |key: &str| result[key].as_array().into_iter().flatten();
    let mut tops = list("topCandidates");
    let content: Value = list("chosenCandidates")
        .map(|chosen| {
            let top = tops.next().and_then(|it| it["candidates"].as_array()).into_iter().flatten().map(token);
            let mut entry = token(chosen);
            entry["top_logprobs"] = top.collect();
            entry
        })
        .collect();
    json!({"content": content, "refusal": null})
}

fn token(candidate: &Value) -> Value {
    let text = candidate["token"].as_str().unwrap_or_default();
    json!({"token": text, "logprob": candidate["logProbability"], "bytes": text.as_bytes()})
}
