//! Thoughts that a vendor has signed, as the text that a reasoning item carries for the caller to bring back.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// What marks the text as ours: another vendor's means nothing to us.
const MARK: &str = "tidegate-thinking-1.";

pub(super) fn seal(thoughts: &Value) -> String {
    format!("{MARK}{}", BASE64_STANDARD.encode(thoughts.to_string()))
}

/// The thoughts, where the text is one of ours.
pub(super) fn open(text: &str) -> Option<Vec<Value>> {
    let bytes = BASE64_STANDARD.decode(text.strip_prefix(MARK)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn thoughts_come_back_as_they_were() {
        let thoughts = json!([{"type": "thinking", "thinking": "Hm \u{1f30a}", "signature": "s=="}]);
        assert_eq!(open(&seal(&thoughts)).map(Value::from), Some(thoughts));
        assert_eq!(open("gAAAAABo"), None);
        assert_eq!(open("tidegate-thinking-1.%%"), None);
    }
}
