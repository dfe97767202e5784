//! A call as every ingress hands it on: OpenAI's body as it came, checked, with the few facts that routing needs.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use llm::{Chat, Error};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::caller::Caller;
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::json::{Fields, Text, patch};
use crate::losses::Losses;
use crate::served::Endpoint;

/// A checked call. The body is the caller's own text, so that fields nobody here knows reach the provider unchanged.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The format of the body.
    pub(crate) dialect: Dialect,
    pub(crate) kind: Kind,
    pub(crate) body: Bytes,
    /// The `model` field, where the caller sent one.
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    /// Whether the caller wants the chunk with the token counts. Providers are always asked for it.
    pub(crate) include_usage: bool,
    /// Who calls.
    pub(crate) caller: Arc<Caller>,
    /// The one endpoint that can answer, where the call goes on with what its provider keeps.
    pub(crate) pinned: Option<Arc<Endpoint>>,
    /// What it lost where it was translated before it got here.
    lost: Losses,
    /// Whether the body was another format's, and may carry along what only that format has words for.
    pub(crate) is_translated: bool,
    /// The body as a chat, where it has been read already.
    chat: Option<Arc<Chat>>,
    /// The same call in OpenAI's words, translated when it is first asked for, and what that lost.
    pivot: OnceLock<Arc<(Request, Losses)>>,
}

impl Request {
    /// Checks a body of OpenAI's. What is wrong is named by field, value and remedy.
    pub(crate) fn parse(kind: Kind, body: Bytes) -> Result<Self, Error> {
        let fields = object(&body)?;
        check_fields(&fields, &FIELDS)?;
        match kind {
            Kind::Chat => messages(&fields)?,
            Kind::Completions => need(&fields, "prompt", "the text to continue")?,
            Kind::Embeddings => need(&fields, "input", "the text to embed, or a list of texts")?,
        }
        let stream = fields.get("stream") == Some("true");
        if stream && kind == Kind::Embeddings {
            return Err(Error::invalid("stream", "embeddings do not stream; leave `stream` out"));
        }
        let include_usage = match fields.get("stream_options") {
            None => false,
            Some(options) => options_include_usage(options)?,
        };
        let model = fields.get("model").and_then(|it| serde_json::from_str(it).ok());
        drop(fields);
        Ok(Self { include_usage, ..Self::new(Dialect::OpenAi, kind, body, model, stream) })
    }

    /// A call in a format whose ingress has checked it. Its answer always tells the token counts.
    pub(crate) fn new(dialect: Dialect, kind: Kind, body: Bytes, model: Option<String>, stream: bool) -> Self {
        Self {
            dialect,
            kind,
            body,
            model,
            stream,
            include_usage: true,
            caller: Arc::default(),
            pinned: None,
            lost: Losses::default(),
            is_translated: false,
            chat: None,
            pivot: OnceLock::new(),
        }
    }

    /// The same call, made by somebody.
    pub(crate) fn by(self, caller: Caller) -> Self {
        Self { caller: Arc::new(caller), ..self }
    }

    /// The same call with another chat in OpenAI's words.
    pub(crate) fn with_chat(&self, chat: Chat) -> Result<Self, Error> {
        let body = serde_json::to_vec(&chat)
            .map_err(|error| Error::Internal(format!("a chat could not be written as JSON: {error}")))?;
        Ok(Self {
            dialect: Dialect::OpenAi,
            kind: self.kind,
            body: body.into(),
            model: self.model.clone(),
            stream: self.stream,
            include_usage: self.include_usage,
            caller: Arc::clone(&self.caller),
            pinned: self.pinned.clone(),
            lost: Losses::default(),
            is_translated: self.is_translated || self.dialect != Dialect::OpenAi,
            chat: Some(Arc::new(chat)),
            pivot: OnceLock::new(),
        })
    }

    /// The same call with another body in OpenAI's words, in which it has lost something already.
    pub(crate) fn with_body(&self, body: Bytes, lost: Losses) -> Self {
        let is_translated = self.is_translated || self.dialect != Dialect::OpenAi;
        Self { dialect: Dialect::OpenAi, body, lost, is_translated, chat: None, pivot: OnceLock::new(), ..self.clone() }
    }

    /// This call in OpenAI's words; `losses` are told what they cannot express. Translated once, however often asked.
    pub(crate) fn pivot(&self, losses: &mut Losses) -> Result<&Self, Error> {
        if self.dialect == Dialect::OpenAi {
            losses.extend(&self.lost);
            return Ok(self);
        }
        if self.pivot.get().is_none() {
            let mut lost = Losses::default();
            let mut chat = self.dialect.chat(&self.body, &mut lost)?;
            chat.stream = self.stream.then_some(true);
            let _ = self.pivot.set(Arc::new((self.with_chat(chat)?, lost)));
        }
        let pivot = self.pivot.get().expect("it was set a moment ago, by us or by another");
        losses.extend(&pivot.1);
        Ok(&pivot.0)
    }

    /// The body as a chat.
    pub(crate) fn chat(&self) -> Result<Chat, Error> {
        self.chat.as_ref().map_or_else(|| self.typed(), |it| Ok(Chat::clone(it)))
    }

    /// The body as one of the vocabulary's requests.
    pub(crate) fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Invalid {
            message: format!("the body is no {} request: {error}", self.kind.word()),
            param: None,
        })
    }

    /// The body with the provider's own model name, and with token counts asked for where it streams.
    pub(crate) fn body_for(&self, model_json: &str, ask_for_usage: bool) -> Result<Vec<u8>, Error> {
        let patched = if self.stream && ask_for_usage {
            let fields = object(&self.body)?;
            let options = match fields.get("stream_options") {
                None => r#"{"include_usage":true}"#.to_owned(),
                Some(options) => String::from_utf8(
                    patch(options.as_bytes(), &[("include_usage", "true")]).map_err(|error| broken(&error))?,
                )
                .expect("a patched text is text"),
            };
            patch(&self.body, &[("model", model_json), ("stream_options", &options)])
        } else {
            patch(&self.body, &[("model", model_json)])
        };
        patched.map_err(|error| broken(&error))
    }
}

/// A body's fields, or why it has none.
pub(crate) fn object(body: &[u8]) -> Result<Fields<'_>, Error> {
    serde_json::from_slice(body).map_err(|error| broken(&error))
}

fn broken(error: &serde_json::Error) -> Error {
    Error::Invalid { message: format!("the body must be a JSON object, but is not: {error}"), param: None }
}

/// Holds the fields that are given against their forms.
pub(crate) fn check_fields(fields: &Fields<'_>, forms: &[(&str, FieldForm)]) -> Result<(), Error> {
    for (name, form) in forms {
        if let Some(value) = fields.get(name) {
            form.check(name, value)?;
        }
    }
    Ok(())
}

/// What a field's value must be, where it is given.
pub(crate) enum FieldForm {
    Text,
    Bool,
    Number { min: f64, max: f64 },
    Count { min: u64 },
    Whole,
    List,
    Object,
}

const FIELDS: [(&str, FieldForm); 18] = [
    ("model", FieldForm::Text),
    ("stream", FieldForm::Bool),
    ("stream_options", FieldForm::Object),
    ("temperature", FieldForm::Number { min: 0.0, max: 2.0 }),
    ("top_p", FieldForm::Number { min: 0.0, max: 1.0 }),
    ("presence_penalty", FieldForm::Number { min: -2.0, max: 2.0 }),
    ("frequency_penalty", FieldForm::Number { min: -2.0, max: 2.0 }),
    ("top_k", FieldForm::Whole),
    ("n", FieldForm::Count { min: 1 }),
    ("max_tokens", FieldForm::Count { min: 1 }),
    ("max_completion_tokens", FieldForm::Count { min: 1 }),
    ("seed", FieldForm::Whole),
    ("tools", FieldForm::List),
    ("logit_bias", FieldForm::Object),
    ("response_format", FieldForm::Object),
    ("parallel_tool_calls", FieldForm::Bool),
    ("dimensions", FieldForm::Count { min: 1 }),
    ("encoding_format", FieldForm::Text),
];

impl FieldForm {
    fn check(&self, name: &str, value: &str) -> Result<(), Error> {
        let is_right = match self {
            Self::Text => value.starts_with('"'),
            Self::Bool => matches!(value, "true" | "false"),
            Self::Number { min, max } => value.parse::<f64>().is_ok_and(|it| (*min..=*max).contains(&it)),
            Self::Count { min } => value.parse::<u64>().is_ok_and(|it| it >= *min),
            Self::Whole => value.parse::<i64>().is_ok(),
            Self::List => value.starts_with('['),
            Self::Object => value.starts_with('{'),
        };
        if is_right {
            return Ok(());
        }
        let wanted = match self {
            Self::Text => "a string".to_owned(),
            Self::Bool => "true or false".to_owned(),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Count { min } => format!("a whole number of at least {min}"),
            Self::Whole => "a whole number".to_owned(),
            Self::List => "a list".to_owned(),
            Self::Object => "an object".to_owned(),
        };
        Err(Error::invalid(name, format!("`{name}` must be {wanted}, but is {}", excerpt(value))))
    }
}

/// A chat must have messages, each an object with a role.
fn messages(fields: &Fields<'_>) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct List<'a>(#[serde(borrow)] Vec<Fields<'a>>);

    need(fields, "messages", "the conversation, as `[{\"role\": \"user\", \"content\": \"…\"}]`")?;
    let text = fields.get("messages").unwrap_or_default();
    if !text.starts_with('[') {
        return Err(Error::invalid("messages", format!("`messages` must be a list, but is {}", excerpt(text))));
    }
    let list: List<'_> = serde_json::from_str(text).map_err(|error| {
        Error::invalid("messages", format!("`messages` must be a list of objects with `role` and `content`: {error}"))
    })?;
    if list.0.is_empty() {
        return Err(Error::invalid("messages", "`messages` is empty; send at least one message"));
    }
    for (index, message) in list.0.iter().enumerate() {
        let role = message.get("role");
        if !role.is_some_and(|it| it.starts_with('"') && it.len() > 2) {
            return Err(Error::invalid(
                format!("messages[{index}].role"),
                format!(
                    "`messages[{index}].role` must be \"system\", \"user\", \"assistant\" or \"tool\", but is {}",
                    role.map_or_else(|| "missing".to_owned(), excerpt)
                ),
            ));
        }
        if message.get("content").is_some_and(|it| !it.starts_with(['"', '['])) {
            return Err(Error::invalid(
                format!("messages[{index}].content"),
                format!("`messages[{index}].content` must be a string or a list of parts"),
            ));
        }
    }
    Ok(())
}

fn need(fields: &Fields<'_>, name: &str, what: &str) -> Result<(), Error> {
    match fields.get(name) {
        Some(value) if value.starts_with(['"', '[']) => Ok(()),
        Some(value) => {
            Err(Error::invalid(name, format!("`{name}` must be a string or a list, but is {}", excerpt(value))))
        }
        None => Err(Error::invalid(name, format!("`{name}` is missing; send {what}"))),
    }
}

fn options_include_usage(options: &str) -> Result<bool, Error> {
    let fields = object(options.as_bytes())?;
    match fields.get("include_usage") {
        None => Ok(false),
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(value) => Err(Error::invalid(
            "stream_options.include_usage",
            format!("`stream_options.include_usage` must be true or false, but is {}", excerpt(value)),
        )),
    }
}

/// A value short enough for a message.
pub(crate) fn excerpt(value: &str) -> String {
    const CHARS_MAX: usize = 60;
    match value.char_indices().nth(CHARS_MAX) {
        None => value.to_owned(),
        Some((end, _)) => format!("{}…", &value[..end]),
    }
}

/// The text of a JSON string.
pub(crate) fn text_of(json: &str) -> Option<String> {
    serde_json::from_str::<Text<'_>>(json).ok().map(|it| it.0.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_bodies_are_named_by_field_and_value() {
        let check = |kind: Kind, body: &str, param: Option<&str>, words: &str| {
            let Err(Error::Invalid { message, param: got }) = Request::parse(kind, body.to_owned().into()) else {
                panic!("accepted {body}");
            };
            assert_eq!(got.as_deref(), param, "{body}");
            assert!(message.contains(words), "{message}");
        };
        let user = r#""messages":[{"role":"user","content":"hi"}]"#;
        check(Kind::Chat, "{", None, "the body must be a JSON object, but is not: EOF");
        check(Kind::Chat, "[]", None, "expected a JSON object");
        check(Kind::Chat, "{}", Some("messages"), "`messages` is missing; send the conversation");
        check(Kind::Chat, r#"{"messages":"hi"}"#, Some("messages"), "must be a list, but is \"hi\"");
        check(Kind::Chat, r#"{"messages":[]}"#, Some("messages"), "is empty");
        check(Kind::Chat, r#"{"messages":["hi"]}"#, Some("messages"), "list of objects");
        check(Kind::Chat, r#"{"messages":[{"content":"hi"}]}"#, Some("messages[0].role"), "but is missing");
        check(Kind::Chat, r#"{"messages":[{"role":"user","content":5}]}"#, Some("messages[0].content"), "a string or");
        check(
            Kind::Chat,
            &format!("{{{user},\"temperature\":\"hot\"}}"),
            Some("temperature"),
            "from 0 to 2, but is \"hot\"",
        );
        check(Kind::Chat, &format!("{{{user},\"temperature\":2.5}}"), Some("temperature"), "but is 2.5");
        check(Kind::Chat, &format!("{{{user},\"max_tokens\":0}}"), Some("max_tokens"), "at least 1, but is 0");
        check(Kind::Chat, &format!("{{{user},\"stream\":\"yes\"}}"), Some("stream"), "true or false");
        check(Kind::Chat, &format!("{{{user},\"model\":3}}"), Some("model"), "a string, but is 3");
        check(Kind::Completions, "{}", Some("prompt"), "`prompt` is missing");
        check(Kind::Embeddings, r#"{"input":7}"#, Some("input"), "a string or a list, but is 7");
        check(Kind::Embeddings, r#"{"input":"a","stream":true}"#, Some("stream"), "do not stream");
    }

    #[test]
    fn the_provider_gets_its_own_model_and_is_asked_for_counts() {
        let check = |body: &str, expected: &str| {
            let request = Request::parse(Kind::Chat, body.to_owned().into()).unwrap();
            assert_eq!(String::from_utf8(request.body_for("\"m\"", true).unwrap()).unwrap(), expected);
        };
        let messages = r#""messages":[{"role":"user","content":"hi","x":1.0}]"#;
        check(&format!(r#"{{"model":"e",{messages}}}"#), &format!(r#"{{{messages},"model":"m"}}"#));
        check(
            &format!(r#"{{{messages},"stream":true}}"#),
            &format!(r#"{{{messages},"stream":true,"model":"m","stream_options":{{"include_usage":true}}}}"#),
        );
        check(
            &format!(r#"{{"stream":true,"stream_options":{{"include_obfuscation":false}},{messages}}}"#),
            &format!(
                r#"{{"stream":true,{messages},"model":"m","stream_options":{{"include_obfuscation":false,"include_usage":true}}}}"#
            ),
        );
    }
}
