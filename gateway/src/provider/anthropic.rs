//! Anthropic's Messages API, asked with chats and answering as chats.

mod reply;
mod request;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use llm::{
    Chat, ChatChunk, ChatReply, Completion, CompletionChoice, CompletionReply, Error, LanguageModel, Message, Prompt,
    Role, Stream,
};
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use super::modelled::Modelled;
use super::openai::{header_value, sensitive};
use super::upstream::{Upstream, bad_gateway, events};
use super::{Clients, Provider};
use crate::config::{EndpointConfig, Form, Setting};

pub(super) const SETTINGS: &[Setting] = &[
    Setting::required("api_key", Form::Secret),
    Setting::optional("api_base", Form::Address),
    Setting::optional("version", Form::Text),
    Setting::optional("beta", Form::Text),
    Setting::optional("max_tokens", Form::Count),
    Setting::optional("headers", Form::Headers),
];

const BASE: &str = "https://api.anthropic.com/v1";
const VERSION: &str = "2023-06-01";
/// Messages need a bound on their output and chats do not: the one that MLflow sends, which all current models take.
const OUTPUT_TOKENS_MAX: u32 = 8192;

struct Anthropic {
    upstream: Upstream,
    output_tokens_max: u32,
}

pub(super) fn build(endpoint: &EndpointConfig, clients: &mut Clients) -> Result<Arc<dyn Provider>, String> {
    let settings = &endpoint.settings;
    let mut headers = HeaderMap::new();
    if let Some(key) = settings.secret("api_key") {
        headers.insert(HeaderName::from_static("x-api-key"), sensitive(key.reveal()));
    }
    let version = settings.text("version").map_or(VERSION, String::as_str);
    headers.insert(HeaderName::from_static("anthropic-version"), header_value("anthropic_version", version)?);
    if let Some(beta) = settings.text("beta") {
        headers.insert(HeaderName::from_static("anthropic-beta"), header_value("anthropic_beta", beta)?);
    }
    let model = Anthropic {
        upstream: clients.upstream(endpoint, BASE, headers)?,
        output_tokens_max: settings.count("max_tokens").unwrap_or(OUTPUT_TOKENS_MAX),
    };
    Ok(Arc::new(Modelled::new(Arc::new(model), &endpoint.model)))
}

#[async_trait]
impl LanguageModel for Anthropic {
    async fn chat(&self, chat: Chat) -> llm::Result<ChatReply> {
        let body = request::body(chat, false, self.output_tokens_max)?;
        let answer = self.upstream.whole("messages", body).await?;
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| bad_gateway(format!("{} answered with no JSON: {error}", self.upstream.who())))?;
        reply::chat_reply(answer, self.upstream.who())
    }

    async fn chat_stream(&self, chat: Chat) -> llm::Result<Stream<ChatChunk>> {
        let body = request::body(chat, true, self.output_tokens_max)?;
        let events = events(self.upstream.stream("messages", body).await?);
        Ok(stream::chunks(events, self.upstream.who().to_owned()))
    }

    async fn complete(&self, completion: Completion) -> llm::Result<CompletionReply> {
        let reply = self.chat(as_chat(completion)?).await?;
        let choices = reply
            .choices
            .into_iter()
            .map(|it| CompletionChoice {
                index: it.index,
                text: it.message.text(),
                finish_reason: it.finish_reason,
                rest: it.rest,
            })
            .collect();
        Ok(completion_reply(reply.id, reply.created, reply.model, choices, reply.usage))
    }

    async fn complete_stream(&self, completion: Completion) -> llm::Result<Stream<CompletionReply>> {
        let chunks = self.chat_stream(as_chat(completion)?).await?;
        let replies = chunks.map(|it| {
            it.map(|chunk| {
                let choices = chunk
                    .choices
                    .into_iter()
                    .map(|it| CompletionChoice {
                        index: it.index,
                        text: it.delta.content.unwrap_or_default(),
                        finish_reason: it.finish_reason,
                        rest: it.rest,
                    })
                    .collect();
                completion_reply(chunk.id, chunk.created, chunk.model, choices, chunk.usage)
            })
        });
        Ok(Box::pin(replies))
    }
}

/// A prompt as the one message of a chat: Anthropic offers no plain completions any more.
fn as_chat(completion: Completion) -> llm::Result<Chat> {
    let prompt = match completion.prompt {
        Prompt::One(text) => text,
        Prompt::Many(mut texts) if texts.len() == 1 => texts.remove(0),
        _ => return Err(Error::invalid("prompt", "Anthropic's models take one prompt of text in each call")),
    };
    Ok(Chat {
        model: completion.model,
        messages: vec![Message::of(Role::User, prompt)],
        temperature: completion.temperature,
        top_p: completion.top_p,
        top_k: completion.top_k,
        max_tokens: completion.max_tokens,
        n: completion.n,
        stop: completion.stop,
        seed: completion.seed,
        rest: completion.rest,
        ..Chat::default()
    })
}

fn completion_reply(
    id: String,
    created: u64,
    model: String,
    choices: Vec<CompletionChoice>,
    usage: Option<llm::Usage>,
) -> CompletionReply {
    CompletionReply { id, object: "text_completion".to_owned(), created, model, choices, usage, rest: llm::Rest::new() }
}
