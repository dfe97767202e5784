//! The formats that callers speak, each understood as chats and answered in its own words.
//!
//! OpenAI's chat is the pivot: what a caller asks in another format becomes a [`Chat`], and chunks of a chat become that
//! format's events, unless the provider speaks the caller's format itself and everything passes unread.

mod estimate;
pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod responses;

use bytes::Bytes;
use llm::sse::Event;
use llm::{Chat, ChatChunk, ChatReply, Error, Rest, Usage};

use crate::losses::Losses;
use crate::request::Request;

/// What a caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub(crate) enum Dialect {
    /// OpenAI's chat completions, completions and embeddings.
    OpenAi,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Google's generateContent.
    Gemini,
}

/// Writes the chunks of a chat as the events of a caller's format.
pub(crate) trait EventWriter: Send {
    /// Appends the events that a chunk stands for, whole and ready to be sent.
    fn chunk(&mut self, chunk: ChatChunk, out: &mut Vec<u8>);
    /// Appends the end of a stream to which nothing is missing.
    fn done(&mut self, out: &mut Vec<u8>);
    /// Appends the format's error event: the stream ends here, and was not complete.
    fn error(&mut self, error: &Error, out: &mut Vec<u8>);
}

/// Reads a provider's events as the chunks of a chat.
pub(crate) trait EventReader: Send {
    /// Takes an event and appends the chunks that it stands for.
    fn read(&mut self, event: &Event, out: &mut Vec<ChatChunk>) -> Result<(), Error>;
    /// Whether the format's own end has been seen: a stream that ends before it was cut short.
    fn is_done(&self) -> bool;
    /// Whether more may follow after that end, so that only the end of the connection is the end of the stream.
    fn ends_with_connection(&self) -> bool {
        false
    }
}

impl Dialect {
    /// The format as explanations call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Responses => "openai-responses",
            Self::Messages => "anthropic-messages",
            Self::Gemini => "gemini",
        }
    }

    /// A caller's body as a chat. OpenAI's own needs no translation.
    pub(crate) fn chat(self, body: &[u8], losses: &mut Losses) -> Result<Chat, Error> {
        match self {
            Self::OpenAi => Err(Error::Internal("a chat was translated into itself".to_owned())),
            Self::Messages => messages::chat(body, losses),
            Self::Responses => responses::chat(body, losses),
            Self::Gemini => gemini::chat(body, losses),
        }
    }

    /// The answer to a chat as this format's answer.
    pub(crate) fn reply(self, reply: ChatReply, request: &Request) -> Result<Bytes, Error> {
        let answer = match self {
            Self::Messages => messages::message(reply)?,
            Self::Responses => responses::response(reply, &request.body)?,
            Self::Gemini => gemini::answer(reply, gemini::shows_thoughts(&request.body)),
            Self::OpenAi => return Err(untranslated(self)),
        };
        Ok(answer.to_string().into())
    }

    /// What writes a streamed answer in this format.
    pub(crate) fn writer(self, request: &Request) -> Result<Box<dyn EventWriter>, Error> {
        match self {
            Self::Messages => Ok(Box::new(messages::Writer::default())),
            Self::Responses => Ok(Box::new(responses::Writer::new(&request.body))),
            Self::Gemini => Ok(Box::new(gemini::Writer::new(gemini::shows_thoughts(&request.body)))),
            Self::OpenAi => Err(untranslated(self)),
        }
    }

    /// How many input tokens a call in this format has, guessed where its provider does not count.
    pub(crate) fn estimate(self, body: &[u8]) -> Result<u64, Error> {
        match self {
            Self::Gemini => estimate::estimate(body, "contents", &["systemInstruction", "system_instruction", "tools"]),
            Self::Responses => estimate::estimate(body, "input", &["instructions", "tools"]),
            Self::Messages | Self::OpenAi => estimate::estimate(body, "messages", &["system", "tools"]),
        }
    }

    /// The token counts that an answer in this format tells, JSON, as a chat has them. Counts in a shape that nobody
    /// knows count nothing.
    pub(crate) fn usage(self, counts: &str) -> Option<Usage> {
        match self {
            Self::Messages => Some(messages::usage_of_message(&serde_json::from_str(counts).ok()?)),
            Self::Responses => Some(responses::usage_of_response(&serde_json::from_str(counts).ok()?)),
            Self::Gemini => Some(gemini::usage_of_google(&serde_json::from_str(counts).ok()?)),
            Self::OpenAi => serde_json::from_str(counts).ok(),
        }
    }
}

/// The token counts of a chunk, also where Groq puts those that nobody asked for.
fn usage_in(chunk: &ChatChunk) -> Option<Usage> {
    let unasked = || serde_json::from_value(chunk.rest.get("x_groq")?.get("usage")?.clone()).ok();
    chunk.usage.clone().or_else(unasked)
}

/// Whether a piece that names a call begins another one than that of this id: some vendors number all calls alike.
fn is_another_call(id: Option<&str>, name: &str, known: &str) -> bool {
    !name.is_empty() && id.is_some_and(|it| !it.is_empty() && it != known)
}

/// Reasoning text, under either of the names that vendors use.
fn reasoning_of(rest: &Rest) -> Option<&str> {
    ["reasoning_content", "reasoning"].iter().find_map(|it| rest.get(*it)?.as_str()).filter(|it| !it.is_empty())
}

fn untranslated(dialect: Dialect) -> Error {
    Error::Unsupported(format!("calls in the format {dialect:?} are not translated"))
}
