//! What answers of several kinds say of their tokens.

use llm::Usage;
use serde_json::{Value, json};

use crate::dialect::gemini::usage_of_google;

/// The counts of a whole answer, JSON; `None` where it tells none.
pub(super) fn of(body: &[u8]) -> Option<Usage> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    if let Some(counts) = answer.get("usageMetadata").and_then(Value::as_object) {
        return Some(usage_of_google(counts));
    }
    if let Some(units) = answer.pointer("/meta/billed_units").filter(|it| it.is_object()) {
        let mut usage = Usage::default();
        usage.rest.insert("billed_units".to_owned(), units.clone());
        return Some(usage);
    }
    let counts = answer.get("usage").filter(|it| it.is_object())?;
    if counts.get("prompt_tokens").is_some()
        || counts.get("total_tokens").is_some() && counts.get("input_tokens").is_none()
    {
        return serde_json::from_value(counts.clone()).ok();
    }
    // Images, transcriptions and responses count input and output.
    let count = |key: &str| counts[key].as_u64();
    let (input, output) = (count("input_tokens")?, count("output_tokens").unwrap_or_default());
    let mut usage = Usage::of(input, output);
    for (ours, theirs) in [
        ("prompt_tokens_details", ["input_tokens_details", "input_token_details"]),
        ("completion_tokens_details", ["output_tokens_details", "output_token_details"]),
    ] {
        if let Some(details) = theirs.iter().find_map(|it| counts.get(*it)).filter(|it| it.is_object()) {
            usage.rest.insert(ours.to_owned(), json!(details));
        }
    }
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_kinds() {
        let check = |answer: Value, expected: Option<(u64, Option<u64>)>| {
            let usage = of(answer.to_string().as_bytes());
            assert_eq!(usage.map(|it| (it.prompt_tokens, it.completion_tokens)), expected, "{answer}");
        };
        check(json!({"usage": {"input_tokens": 5, "output_tokens": 7}}), Some((5, Some(7))));
        check(json!({"usage": {"prompt_tokens": 5, "total_tokens": 5}}), Some((5, None)));
        check(json!({"usage": {"type": "duration", "seconds": 3}}), None);
        check(json!({"usageMetadata": {"promptTokenCount": 2}}), Some((2, Some(0))));
        check(json!({"results": []}), None);
        let reranked = of(json!({"meta": {"billed_units": {"search_units": 1}}}).to_string().as_bytes()).unwrap();
        assert_eq!(reranked.rest["billed_units"], json!({"search_units": 1}));
    }
}
