//! MLflow's model servers: `mlflow models serve`, and whatever else answers `POST /invocations`.
//!
//! A plain model takes `{"inputs": [...], "params": {...}}`, as MLflow's own gateway asks it. An agent or a chat model
//! takes OpenAI's bodies there; `mlflow_input_format: messages` says so.

use std::sync::Arc;

use bytes::Bytes;
use llm::sse::Event;
use llm::{
    Chat, ChatChoice, ChatChunk, ChatReply, Completion, CompletionChoice, CompletionReply, Content, Embed, EmbedInput,
    EmbedReply, Embedding, Error, Message, Prompt, Rest, Role, unix_seconds,
};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::near::{Near, Rules};
use super::openai::bearer;
use super::upstream::bad_gateway;
use super::vectors::{is_base64_wanted, to_base64};
use super::{Clients, Outgoing, Protocol, Provider, Remote};
use crate::config::{EndpointConfig, Form, Setting};
use crate::dialect::EventReader;
use crate::endpoint::Kind;
use crate::losses::Losses;
use crate::request::Request;

pub(super) const SETTINGS: &[Setting] = &[
    Setting::optional("model_server_url", Form::Address),
    Setting::optional("api_base", Form::Address),
    Setting::optional("input_format", Form::Text),
    Setting::optional("api_key", Form::Secret),
    Setting::optional("headers", Form::Headers),
];

/// Servers of chat models take OpenAI's chats, all at one address.
static CHATS: Rules = Rules {
    path: |kind| (kind == Kind::Chat).then_some("invocations"),
    request: |body, _, _| drop(body.remove("stream_options")),
    ask_for_usage: false,
};

struct Serving {
    model: String,
    who: String,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let base = settings.address("model_server_url").or_else(|| settings.address("api_base")).ok_or(
        "a model server needs `model_server_url`; write its address, `http://127.0.0.1:5001`, under `model.config`",
    )?;
    let upstream = clients.upstream_at(endpoint, base, bearer(endpoint))?;
    let who = upstream.who().to_owned();
    let protocol: Arc<dyn Protocol> = match settings.text("input_format").map(String::as_str) {
        None | Some("inputs") => Arc::new(Serving { model: endpoint.model.clone(), who }),
        Some("messages") => Arc::new(Near::new(&endpoint.model, &who, &CHATS)),
        Some(other) => {
            return Err(format!(
                "`mlflow_input_format` is `{other}`; it must be `inputs` for plain models or `messages` for chat models \
                 and agents"
            ));
        }
    };
    Ok(Arc::new(Remote::new(upstream, protocol, endpoint.on_loss)))
}

impl Protocol for Serving {
    fn offers(&self, _kind: Kind) -> bool {
        true
    }

    fn outgoing(&self, request: &Request, _losses: &mut Losses) -> Result<Outgoing, Error> {
        if request.stream {
            return Err(Error::invalid(
                "stream",
                format!("{} answers at once; leave `stream` out, or set `mlflow_input_format: messages`", self.who),
            ));
        }
        let inputs = match request.kind {
            Kind::Chat => question(&request.chat()?)?,
            Kind::Completions => prompts(request.typed::<Completion>()?.prompt)?,
            Kind::Embeddings => texts(request.typed::<Embed>()?.input)?,
        };
        let mut params: Map<String, Value> = request.typed()?;
        for name in ["messages", "prompt", "input", "model", "stream", "stream_options", "encoding_format"] {
            params.remove(name);
        }
        params.retain(|_, value| !value.is_null());
        let mut body = json!({"inputs": inputs});
        if !params.is_empty() {
            body["params"] = params.into();
        }
        Ok(Outgoing { path: "invocations".to_owned(), body: body.to_string().into_bytes(), headers: HeaderMap::new() })
    }

    fn answer(&self, request: &Request, body: Bytes, _headers: &HeaderMap) -> Result<Bytes, Error> {
        let mut said: Value = serde_json::from_slice(&body)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.who)))?;
        let predictions = said.get_mut("predictions").map(Value::take).ok_or_else(|| self.wrong("no `predictions`"))?;
        let json = match request.kind {
            Kind::Chat => serde_json::to_vec(&self.chat(predictions)?),
            Kind::Completions => serde_json::to_vec(&self.completion(predictions)?),
            Kind::Embeddings => {
                let mut reply = self.embed(predictions)?;
                if is_base64_wanted(&request.body) {
                    to_base64(&mut reply);
                }
                serde_json::to_vec(&reply)
            }
        };
        json.map(Bytes::from).map_err(|error| Error::Internal(format!("an answer could not be written: {error}")))
    }

    fn reader(&self, _request: &Request) -> Box<dyn EventReader> {
        Box::new(Unstreamed)
    }
}

/// Plain models do not stream, and are not asked to.
struct Unstreamed;

impl EventReader for Unstreamed {
    fn read(&mut self, _event: &Event, _out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        Err(Error::Internal("a model server that does not stream was read as a stream".to_owned()))
    }

    fn is_done(&self) -> bool {
        false
    }
}

/// The one message that a plain model takes.
fn question(chat: &Chat) -> Result<Vec<String>, Error> {
    match chat.messages.as_slice() {
        [message] => Ok(vec![message.text()]),
        all => Err(Error::invalid(
            "messages",
            format!(
                "a model server takes one message a call, but there are {}; send one, or set `mlflow_input_format: \
                 messages` if the server's model chats",
                all.len()
            ),
        )),
    }
}

fn prompts(prompt: Prompt) -> Result<Vec<String>, Error> {
    match prompt {
        Prompt::One(text) => Ok(vec![text]),
        Prompt::Many(texts) => Ok(texts),
        _ => Err(Error::invalid("prompt", "a model server takes texts, no token ids")),
    }
}

fn texts(input: EmbedInput) -> Result<Vec<String>, Error> {
    match input {
        EmbedInput::One(text) => Ok(vec![text]),
        EmbedInput::Many(texts) => Ok(texts),
        _ => Err(Error::invalid("input", "a model server takes texts, no token ids")),
    }
}

impl Serving {
    fn wrong(&self, what: &str) -> Error {
        bad_gateway(format!("{} answered with {what}; the model must predict a list of texts or vectors", self.who))
    }

    /// A list of texts, or the list in an object's `choices` or only field.
    fn texts(&self, predictions: Value) -> Result<Vec<String>, Error> {
        let list = match predictions {
            Value::Object(mut fields) if fields.len() > 1 => fields.remove("choices").unwrap_or_default(),
            Value::Object(fields) => fields.into_iter().next().map(|it| it.1).unwrap_or_default(),
            list => list,
        };
        let texts: Vec<String> = serde_json::from_value(list).map_err(|_| self.wrong("no list of texts"))?;
        if texts.is_empty() { Err(self.wrong("an empty list")) } else { Ok(texts) }
    }

    fn chat(&self, predictions: Value) -> Result<ChatReply, Error> {
        let choices = self.texts(predictions)?.into_iter().zip(0..).map(|(text, index)| ChatChoice {
            index,
            message: Message { role: Role::Assistant, content: Some(Content::Text(text)), ..Message::default() },
            finish_reason: None,
            rest: Rest::new(),
        });
        Ok(ChatReply {
            id: Uuid::new_v4().to_string(),
            object: "chat.completion".to_owned(),
            created: unix_seconds(),
            model: self.model.clone(),
            choices: choices.collect(),
            usage: None,
            rest: Rest::new(),
        })
    }

    fn completion(&self, predictions: Value) -> Result<CompletionReply, Error> {
        let choices = self.texts(predictions)?.into_iter().zip(0..).map(|(text, index)| CompletionChoice {
            index,
            text,
            ..CompletionChoice::default()
        });
        Ok(CompletionReply {
            id: Uuid::new_v4().to_string(),
            object: "text_completion".to_owned(),
            created: unix_seconds(),
            model: self.model.clone(),
            choices: choices.collect(),
            usage: None,
            rest: Rest::new(),
        })
    }

    fn embed(&self, predictions: Value) -> Result<EmbedReply, Error> {
        let Value::Array(mut vectors) = predictions else { return Err(self.wrong("no list of vectors")) };
        if vectors.first().is_some_and(Value::is_number) {
            vectors = vec![vectors.into()];
        }
        if vectors.is_empty() || vectors.iter().any(|it| it.as_array().is_none_or(Vec::is_empty)) {
            return Err(self.wrong("a vector that is empty or none"));
        }
        let data = vectors.into_iter().zip(0..).map(|(embedding, index)| Embedding {
            object: "embedding".to_owned(),
            index,
            embedding,
        });
        Ok(EmbedReply {
            object: "list".to_owned(),
            data: data.collect(),
            model: self.model.clone(),
            usage: None,
            rest: Rest::new(),
        })
    }
}
