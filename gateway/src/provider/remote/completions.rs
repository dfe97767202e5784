//! Completions for models that only chat: the prompt is the one message, and what it answers is the text.

use bytes::Bytes;
use llm::{
    Chat, ChatChunk, ChatReply, Completion, CompletionChoice, CompletionReply, Error, Message, Prompt, Rest, Role,
};

use crate::endpoint::Kind;
use crate::request::Request;

/// A completion asked as a chat.
pub(super) fn as_chat(request: &Request) -> Result<Request, Error> {
    let completion: Completion = request.typed()?;
    let prompt = match completion.prompt {
        Prompt::One(text) => text,
        Prompt::Many(mut texts) if texts.len() == 1 => texts.remove(0),
        _ => return Err(Error::invalid("prompt", "this model takes one prompt of text in each call")),
    };
    let chat = Chat {
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
    };
    let mut chat = request.with_chat(chat)?;
    chat.kind = Kind::Chat;
    Ok(chat)
}

/// The answer to that chat as a completion's.
pub(super) fn reply(body: &[u8]) -> Result<Bytes, Error> {
    let reply: ChatReply = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let choices = reply.choices.into_iter().map(|it| CompletionChoice {
        index: it.index,
        text: it.message.text(),
        finish_reason: it.finish_reason,
        rest: it.rest,
    });
    let reply = CompletionReply {
        id: reply.id,
        object: "text_completion".to_owned(),
        created: reply.created,
        model: reply.model,
        choices: choices.collect(),
        usage: reply.usage,
        rest: Rest::new(),
    };
    serde_json::to_vec(&reply).map(Bytes::from).map_err(|error| unreadable(&error))
}

/// A chunk of that chat as a completion's.
pub(super) fn chunk(chunk: ChatChunk) -> CompletionReply {
    let choices = chunk.choices.into_iter().map(|it| CompletionChoice {
        index: it.index,
        text: it.delta.content.unwrap_or_default(),
        finish_reason: it.finish_reason,
        rest: it.rest,
    });
    CompletionReply {
        id: chunk.id,
        object: "text_completion".to_owned(),
        created: chunk.created,
        model: chunk.model,
        choices: choices.collect(),
        usage: chunk.usage,
        rest: Rest::new(),
    }
}

fn unreadable(error: &serde_json::Error) -> Error {
    Error::Internal(format!("a chat's answer could not be read as a completion's: {error}"))
}
