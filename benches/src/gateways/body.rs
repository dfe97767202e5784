//! What is asked: a chat of a kibibyte in one of its forms.

use crate::mock;

/// A form of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// OpenAI's chat, answered at once.
    Chat,
    /// OpenAI's chat, streamed.
    Stream,
    /// Anthropic's messages, which the upstream does not speak.
    Messages,
}

impl Form {
    pub(super) const ALL: [Self; 3] = [Self::Chat, Self::Stream, Self::Messages];

    /// As tables call it.
    pub(super) fn name(self) -> String {
        match self {
            Self::Chat => "1 KiB chat".to_owned(),
            Self::Stream => format!("stream of {} events", mock::STREAM_CHUNKS),
            Self::Messages => "1 KiB messages → chat".to_owned(),
        }
    }
}

/// Bytes of what the user says, so that the request as a whole has about a kibibyte.
const QUESTION_BYTES: usize = 800;

/// The body, for a model where the gateway wants it named.
pub(super) fn of(form: Form, model: Option<&str>) -> String {
    let text = mock::text(QUESTION_BYTES);
    let model = model.map_or(String::new(), |it| format!("\"model\":\"{it}\","));
    let stream = if form == Form::Stream { "\"stream\":true," } else { "" };
    match form {
        Form::Messages => format!(
            "{{{model}\"max_tokens\":1000,\"system\":\"You know the sea.\",\
             \"messages\":[{{\"role\":\"user\",\"content\":\"{text}\"}}],\"temperature\":0}}"
        ),
        Form::Chat | Form::Stream => format!(
            "{{{stream}{model}\"messages\":[{{\"role\":\"system\",\"content\":\"You know the sea.\"}},\
             {{\"role\":\"user\",\"content\":\"{text}\"}}],\"temperature\":0}}"
        ),
    }
}
