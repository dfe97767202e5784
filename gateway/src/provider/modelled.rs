//! Any [`LanguageModel`] as a provider: bodies become the vocabulary's types and its answers become text again.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use llm::{Completion, Embed, Error, LanguageModel, Rest};
use reqwest::header::HeaderMap;
use serde::Serialize;
use serde_json::json;

use super::{Frame, Frames, Provider, Reply, ReplyBody};
use crate::dialect::Dialect;
use crate::endpoint::Kind;
use crate::explain::Explained;
use crate::json::quote;
use crate::losses::{Losses, OnLoss};
use crate::request::Request;

pub(super) struct Modelled {
    model: Arc<dyn LanguageModel>,
    name: String,
    on_loss: OnLoss,
}

impl Modelled {
    pub(super) fn new(model: Arc<dyn LanguageModel>, name: &str, on_loss: OnLoss) -> Self {
        Self { model, name: name.to_owned(), on_loss }
    }
}

#[async_trait]
impl Provider for Modelled {
    async fn call(&self, request: &Request) -> llm::Result<Reply> {
        let mut losses = Losses::default();
        let request = request.pivot(&mut losses)?;
        losses.judge(self.on_loss)?;
        let body = match request.kind {
            Kind::Chat => {
                let mut chat = request.chat()?;
                chat.model.clone_from(&self.name);
                if request.stream {
                    ask_for_usage(&mut chat.rest);
                    ReplyBody::Stream(frames(self.model.chat_stream(chat).await?))
                } else {
                    ReplyBody::Whole(whole(&self.model.chat(chat).await?)?)
                }
            }
            Kind::Completions => {
                let mut completion: Completion = request.typed()?;
                completion.model.clone_from(&self.name);
                if request.stream {
                    ask_for_usage(&mut completion.rest);
                    ReplyBody::Stream(frames(self.model.complete_stream(completion).await?))
                } else {
                    ReplyBody::Whole(whole(&self.model.complete(completion).await?)?)
                }
            }
            Kind::Embeddings => {
                let mut embed: Embed = request.typed()?;
                embed.model.clone_from(&self.name);
                ReplyBody::Whole(whole(&self.model.embed(embed).await?)?)
            }
        };
        Ok(Reply { form: Dialect::OpenAi, headers: HeaderMap::new(), losses, body })
    }

    fn explain(&self, request: &Request) -> llm::Result<Explained> {
        let mut losses = Losses::default();
        let is_native = request.dialect == Dialect::OpenAi;
        let request = request.pivot(&mut losses)?;
        losses.judge(self.on_loss)?;
        Ok(Explained { http: None, body: request.body_for(&quote(&self.name), true)?, losses, is_native })
    }
}

/// The gateway counts tokens whether or not the caller wants to see them.
fn ask_for_usage(rest: &mut Rest) {
    let options = rest.entry("stream_options").or_insert_with(|| json!({}));
    if let Some(options) = options.as_object_mut() {
        options.insert("include_usage".to_owned(), true.into());
    }
}

fn whole(reply: &impl Serialize) -> llm::Result<Bytes> {
    serde_json::to_vec(reply).map(Bytes::from).map_err(|error| unwritable(&error))
}

/// A model's stream says by its end that nothing is missing; what is cut short ends in an error.
fn frames<T: Serialize + Send + 'static>(chunks: llm::Stream<T>) -> Frames {
    let chunks = chunks
        .map(|it| it.and_then(|it| serde_json::to_string(&it).map(Frame::Chunk).map_err(|error| unwritable(&error))));
    Box::pin(chunks.chain(stream::once(async { Ok(Frame::Done) })))
}

fn unwritable(error: &serde_json::Error) -> Error {
    Error::Internal(format!("an answer could not be written as JSON: {error}"))
}
