//! What a session's responses count together.

use llm::Usage;
use serde_json::{Value, json};

use crate::ingress::passthrough::usage_in;

/// The sum of the counts, in OpenAI's words.
#[derive(Default)]
pub(super) struct Counts(Option<Value>);

impl Counts {
    /// Looks at an event of the provider's.
    pub(super) fn see(&mut self, event: &str) {
        // Within a text the quotes would have backslashes.
        if !event.contains("\"response.done\"") {
            return;
        }
        let Ok(mut event) = serde_json::from_str::<Value>(event) else { return };
        let usage = event["response"]["usage"].take();
        if event["type"] == "response.done" && usage.is_object() {
            match &mut self.0 {
                Some(sum) => add(sum, &usage),
                None => self.0 = Some(usage),
            }
        }
    }

    pub(super) fn usage(self) -> Option<Usage> {
        usage_in(&json!({"usage": self.0?}))
    }
}

/// Adds numbers to numbers, by their names.
fn add(sum: &mut Value, more: &Value) {
    match (sum, more) {
        (Value::Object(sum), Value::Object(more)) => {
            for (name, value) in more {
                match sum.get_mut(name) {
                    Some(known) => add(known, value),
                    None => {
                        sum.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (sum, more) => {
            if let (Some(one), Some(other)) = (sum.as_u64(), more.as_u64()) {
                *sum = one.saturating_add(other).into();
            } else if sum.is_null() {
                *sum = more.clone();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_add_up() {
        let mut counts = Counts::default();
        let done = |input: u64, cached: Value| {
            let usage = json!({"total_tokens": input + 2, "input_tokens": input, "output_tokens": 2,
                "input_token_details": {"text_tokens": 1, "cached_tokens": cached}});
            json!({"type": "response.done", "response": {"usage": usage}}).to_string()
        };
        for event in
            [done(5, Value::Null), r#"{"type":"response.created"}"#.to_owned(), done(7, 4.into()), done(1, 1.into())]
        {
            counts.see(&event);
        }
        let usage = counts.usage().unwrap();
        assert_eq!((usage.prompt_tokens, usage.completion_tokens, usage.total_tokens), (13, Some(6), 19));
        assert_eq!(usage.rest["prompt_tokens_details"], json!({"text_tokens": 3, "cached_tokens": 5}));
        assert_eq!(Counts::default().usage().map(|it| it.total_tokens), None);
    }
}
