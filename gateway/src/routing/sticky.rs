//! What a call has in common with others that should go to the same endpoint.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::json::Fields;
use crate::request::{Request, object, text_of};

/// The header in which a caller names the session that a call belongs to.
const SESSION: &str = "x-tidegate-session";

/// By what calls belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StickyBy {
    /// The header `x-tidegate-session`.
    Session,
    /// The body's `user` (Anthropic: `metadata.user_id`).
    User,
    /// The beginning of the conversation up to its first question, which is what providers' prompt caches hold.
    Prompt,
}

impl StickyBy {
    /// What a configuration may write.
    pub(crate) const NAMED: [(&str, Self); 3] =
        [("session", Self::Session), ("user", Self::User), ("prompt", Self::Prompt)];
    pub(super) const DEFAULT: [Self; 3] = [Self::Session, Self::User, Self::Prompt];
}

/// The key of a call: of the first thing that it has.
pub(super) fn key(by: &[StickyBy], request: &Request) -> Option<u64> {
    let fields = object(&request.body).ok();
    by.iter().find_map(|by| {
        let text = match by {
            StickyBy::Session => request.caller.headers.get(SESSION)?.to_str().ok()?.to_owned(),
            StickyBy::User => user(fields.as_ref()?)?,
            StickyBy::Prompt => prompt(fields.as_ref()?)?,
        };
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Some(hasher.finish())
    })
}

fn user(fields: &Fields<'_>) -> Option<String> {
    let user = fields.get("user").and_then(text_of);
    user.or_else(|| text_of(object(fields.get("metadata")?.as_bytes()).ok()?.get("user_id")?))
        .filter(|it| !it.is_empty())
}

/// The instructions and the messages up to the first of a user, as they are written.
fn prompt(fields: &Fields<'_>) -> Option<String> {
    let mut text = String::new();
    for name in ["system", "systemInstruction", "system_instruction", "instructions"] {
        text.push_str(fields.get(name).unwrap_or_default());
    }
    let messages = fields.get("messages").or_else(|| fields.get("contents")).or_else(|| fields.get("input"));
    match messages {
        Some(messages) => match serde_json::from_str::<Vec<Fields<'_>>>(messages) {
            Ok(messages) => {
                for message in messages {
                    let role = message.get("role").unwrap_or_default();
                    text.push_str(role);
                    text.push_str(message.get("content").or_else(|| message.get("parts")).unwrap_or_default());
                    if role == "\"user\"" {
                        break;
                    }
                }
            }
            Err(_) => text.push_str(messages),
        },
        None => text.push_str(fields.get("prompt")?),
    }
    Some(text)
}

/// A number between 0 and 1 that belongs to a key and a name, the same in each process.
pub(super) fn unit(key: u64, name: &str) -> f64 {
    let mut hasher = DefaultHasher::new();
    (key, name).hash(&mut hasher);
    // The upper 53 bits are what a float can tell apart; a half more keeps it off the 0, which has no logarithm.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    let unit = ((hasher.finish() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    unit
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::*;
    use crate::caller::Caller;
    use crate::endpoint::Kind;

    fn request(body: &str, session: Option<&str>) -> Request {
        let mut headers = HeaderMap::new();
        if let Some(session) = session {
            headers.insert(SESSION, session.parse().unwrap());
        }
        Request::parse(Kind::Chat, body.to_owned().into()).unwrap().by(Caller::of(&headers, None))
    }

    #[test]
    fn calls_that_belong_together_have_one_key() {
        let key = |body: &str, session| key(&StickyBy::DEFAULT, &request(body, session)).unwrap();
        let first = r#"{"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"}]}"#;
        let later = r#"{"temperature":1,"messages":[{"role":"system","content":"s"},{"role":"user","content":"q"},
            {"role":"assistant","content":"a"},{"role":"user","content":"more"}]}"#;
        let other = r#"{"messages":[{"role":"system","content":"t"},{"role":"user","content":"q"}]}"#;
        assert_eq!(key(first, None), key(later, None));
        assert_ne!(key(first, None), key(other, None));
        assert_eq!(key(first, Some("a")), key(other, Some("a")));
        assert_ne!(key(first, Some("a")), key(first, Some("b")));
        let user = |name: &str, content: &str| {
            format!(r#"{{"user":"{name}","messages":[{{"role":"user","content":"{content}"}}]}}"#)
        };
        assert_eq!(key(&user("ann", "x"), None), key(&user("ann", "y"), None));
        assert_ne!(key(&user("ann", "x"), None), key(&user("bob", "x"), None));
    }

    #[test]
    fn what_a_call_does_not_have_is_passed_over() {
        let body = r#"{"messages":[{"role":"user","content":"q"}]}"#;
        assert_eq!(key(&[StickyBy::Session, StickyBy::User], &request(body, None)), None);
    }
}
