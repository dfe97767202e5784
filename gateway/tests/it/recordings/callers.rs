//! The formats that callers speak: how each asks, and how the facts are read from its answers.

pub(super) mod gemini;
pub(super) mod messages;
pub(super) mod openai;
pub(super) mod responses;

use serde_json::Value;

use super::facts::Facts;

/// One format. A new one is a file here, and a test beside `as_openai_chats`.
pub(super) trait Caller: Sync {
    fn name(&self) -> &'static str;

    /// The family whose recorded requests this format sends as they are.
    fn family(&self) -> &'static str;

    /// Whether a provider that answered so can be asked: only who asks in Responses is answered in them.
    fn reaches(&self, family: &str) -> bool {
        family != "responses"
    }

    /// Path and body of a call to an endpoint: the recorded request, or a plain hello where the recording is in another
    /// format.
    fn request(&self, recorded: Option<&Value>, endpoint: &str, stream: bool) -> (String, Value);

    /// What a whole answer says.
    fn whole(&self, answer: &Value) -> Facts;

    /// What a stream says that came to its proper end; a complaint about any other.
    fn stream(&self, text: &str) -> Result<Facts, String>;

    /// Complains unless the body is this format's error.
    fn error(&self, text: &str) -> Result<(), String>;

    /// Complains unless the stream, or the answer in its place, ends in this format's error.
    fn stream_error(&self, text: &str) -> Result<(), String>;

    /// What this format can say of the facts; most can say all.
    fn sayable(&self, facts: Facts) -> Facts {
        facts
    }
}
