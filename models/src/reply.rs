//! Events on their way out, in the shapes of `llm`: whole replies and streams of chunks.

use futures::StreamExt;
use llm::{
    ChatChoice, ChatChunk, ChatReply, ChunkChoice, CompletionChoice, CompletionReply, Delta, Error, Message, Rest,
    Result, Role, Stream, Usage,
};
use tokio::sync::mpsc;

use crate::scheduler::Event;

/// What all parts of one reply carry.
#[derive(Clone)]
pub(crate) struct Header {
    id: String,
    created: u64,
    model: String,
}

/// The answers to one request, as they are being made.
pub(crate) struct Answers {
    events: mpsc::Receiver<Event>,
    prompt_tokens: u64,
    completion_tokens: u64,
    /// Answers that are not complete yet.
    open: usize,
}

/// A piece of one answer.
pub(crate) struct Piece {
    index: u32,
    text: String,
    finish_reason: Option<&'static str>,
}

impl Header {
    /// A header with a fresh id that starts with `prefix`.
    pub(crate) fn new(prefix: &str, model: &str) -> Self {
        let id = format!("{prefix}-{}", uuid::Uuid::new_v4().simple());
        Self { id, created: llm::unix_seconds(), model: model.to_owned() }
    }

    /// A whole reply to a chat.
    pub(crate) fn chat_reply(self, texts: Vec<(String, &'static str)>, usage: Usage) -> ChatReply {
        let choices = (0..).zip(texts).map(|(index, (text, reason))| ChatChoice {
            index,
            message: Message::of(Role::Assistant, text),
            finish_reason: Some(reason.to_owned()),
            rest: Rest::new(),
        });
        ChatReply {
            id: self.id,
            object: "chat.completion".to_owned(),
            created: self.created,
            model: self.model,
            choices: choices.collect(),
            usage: Some(usage),
            rest: Rest::new(),
        }
    }

    /// A whole reply to a completion.
    pub(crate) fn completion_reply(self, texts: Vec<(String, &'static str)>, usage: Usage) -> CompletionReply {
        let choices = (0..).zip(texts).map(|(index, (text, reason))| CompletionChoice {
            index,
            text,
            finish_reason: Some(reason.to_owned()),
            rest: Rest::new(),
        });
        self.completion(choices.collect(), Some(usage))
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<Usage>) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
            rest: Rest::new(),
        }
    }

    fn completion(&self, choices: Vec<CompletionChoice>, usage: Option<Usage>) -> CompletionReply {
        CompletionReply {
            id: self.id.clone(),
            object: "text_completion".to_owned(),
            created: self.created,
            model: self.model.clone(),
            choices,
            usage,
            rest: Rest::new(),
        }
    }
}

impl Answers {
    /// Waits until the request is understood, so that a refusal comes before any chunk.
    pub(crate) async fn start(mut events: mpsc::Receiver<Event>, answers: usize) -> Result<Self> {
        match events.recv().await {
            Some(Event::Started { prompt_tokens }) => {
                Ok(Self { events, prompt_tokens, completion_tokens: 0, open: answers })
            }
            Some(Event::Failed(error)) => Err(error),
            Some(Event::Text { .. } | Event::Finished { .. }) => unreachable!("the first event starts or fails"),
            None => Err(gone()),
        }
    }

    /// Waits for all answers: their texts and why each ended.
    pub(crate) async fn whole(mut self) -> Result<(Vec<(String, &'static str)>, Usage)> {
        let mut texts = vec![(String::new(), "stop"); self.open];
        while let Some(piece) = self.next().await {
            let piece = piece?;
            let answer = &mut texts[piece.index as usize];
            answer.0.push_str(&piece.text);
            answer.1 = piece.finish_reason.unwrap_or(answer.1);
        }
        Ok((texts, self.usage()))
    }

    /// The chunks of a chat.
    pub(crate) fn chat_chunks(self, header: Header, include_usage: bool) -> Stream<ChatChunk> {
        let roles: Vec<_> = (0..).take(self.open).map(|index| Ok(header.chunk(vec![first(index)], None))).collect();
        let last = header.clone();
        let pieces = self.stream(
            move |piece| {
                let mut choices = Vec::new();
                let (index, rest) = (piece.index, Rest::new);
                if !piece.text.is_empty() {
                    let delta = Delta { content: Some(piece.text), ..Delta::default() };
                    choices.push(ChunkChoice { index, delta, finish_reason: None, rest: rest() });
                }
                if let Some(reason) = piece.finish_reason {
                    let finish_reason = Some(reason.to_owned());
                    choices.push(ChunkChoice { index, delta: Delta::default(), finish_reason, rest: rest() });
                }
                choices.into_iter().map(|choice| header.chunk(vec![choice], None)).collect()
            },
            move |usage| include_usage.then(|| last.chunk(Vec::new(), Some(usage))),
        );
        futures::stream::iter(roles).chain(pieces).boxed()
    }

    /// The chunks of a completion.
    pub(crate) fn completion_chunks(self, header: Header, include_usage: bool) -> Stream<CompletionReply> {
        let last = header.clone();
        self.stream(
            move |piece| {
                let finish_reason = piece.finish_reason.map(str::to_owned);
                let choice =
                    CompletionChoice { index: piece.index, text: piece.text, finish_reason, rest: Rest::new() };
                vec![header.completion(vec![choice], None)]
            },
            move |usage| include_usage.then(|| last.completion(Vec::new(), Some(usage))),
        )
        .boxed()
    }

    fn stream<T: Send + 'static>(
        self,
        render: impl Fn(Piece) -> Vec<T> + Send + 'static,
        end: impl FnOnce(Usage) -> Option<T> + Send + 'static,
    ) -> impl futures::Stream<Item = Result<T>> + Send {
        futures::stream::unfold(Some((self, render, end)), |state| async move {
            let (mut answers, render, end) = state?;
            let (items, state): (Vec<Result<T>>, _) = match answers.next().await {
                Some(Ok(piece)) => (render(piece).into_iter().map(Ok).collect(), Some((answers, render, end))),
                Some(Err(error)) => (vec![Err(error)], None),
                None => (end(answers.usage()).into_iter().map(Ok).collect(), None),
            };
            Some((items, state))
        })
        .flat_map(futures::stream::iter)
    }

    async fn next(&mut self) -> Option<Result<Piece>> {
        if self.open == 0 {
            return None;
        }
        Some(match self.events.recv().await {
            Some(Event::Text { index, text }) => Ok(Piece { index, text, finish_reason: None }),
            Some(Event::Finished { index, text, reason, tokens }) => {
                self.open -= 1;
                self.completion_tokens += tokens;
                Ok(Piece { index, text, finish_reason: Some(reason) })
            }
            Some(Event::Failed(error)) => Err(error),
            Some(Event::Started { .. }) => unreachable!("a request starts once"),
            None => Err(gone()),
        })
    }

    fn usage(&self) -> Usage {
        Usage::of(self.prompt_tokens, self.completion_tokens)
    }
}

fn first(index: u32) -> ChunkChoice {
    let delta = Delta { role: Some(Role::Assistant), content: Some(String::new()), ..Delta::default() };
    ChunkChoice { index, delta, finish_reason: None, rest: Rest::new() }
}

fn gone() -> Error {
    Error::Unavailable("the local model stopped while answering".to_owned())
}
