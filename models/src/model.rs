//! A GGUF file as a language model that can be asked.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use llm::{Chat, ChatChunk, ChatReply, Completion, CompletionReply, LanguageModel, Result, Stream};

use crate::gguf::ModelFile;
use crate::reply::{Answers, Header};
use crate::request::Request;
use crate::scheduler::Scheduler;
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use crate::{Error, architecture};

/// How a model is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name that its replies carry; the file's own name where `None`.
    pub name: Option<String>,
    /// Threads that compute; `None` for one on each core.
    pub threads: Option<usize>,
    /// Tokens of prompt and answer together; `None` for the model's own, up to 4096.
    pub context_length: Option<usize>,
    /// Requests that may wait while others are computed; the next one is refused.
    pub queue_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: None, threads: None, context_length: None, queue_max: 64 }
    }
}

/// A local model: answers chats and completions, whole or streamed.
///
/// One thread computes for all callers; requests take turns, token by token. Dropping a call's future or stream stops
/// its computation before the next token.
pub struct LocalModel {
    name: String,
    context_length: usize,
    template: std::result::Result<ChatTemplate, String>,
    tokenizer: Arc<Tokenizer>,
    scheduler: Scheduler,
}

impl LocalModel {
    /// Opens a GGUF file and loads it. This reads the whole file: call it where blocking is fine.
    pub fn open(path: &Path, options: Options) -> std::result::Result<Self, Error> {
        let file = ModelFile::open(path)?;
        if options.queue_max == 0 {
            return Err(file.option("queue_max 0".to_owned(), "give 1 or more".to_owned()));
        }
        let tokenizer = Arc::new(Tokenizer::from_gguf(&file)?);
        let template = match file.text("tokenizer.chat_template") {
            None => Err("the file carries no chat template".to_owned()),
            Some(source) => ChatTemplate::new(source, tokenizer.start_text(), tokenizer.end_text())
                .map_err(|error| format!("its chat template does not parse: {error}")),
        };
        let (decoder, context_length) = architecture::load(file, &options)?;
        let named = options.name.or_else(|| Some(path.file_stem()?.to_string_lossy().into_owned()));
        let name = named.unwrap_or_else(|| "local".to_owned());
        if let Err(reason) = &template {
            tracing::warn!(model = name, reason, "this model takes completions but no chats");
        }
        let scheduler = Scheduler::start(&name, decoder, Arc::clone(&tokenizer), context_length, options.queue_max)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        Ok(Self { name, context_length, template, tokenizer, scheduler })
    }

    /// The name that replies carry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tokens that prompt and answer may have together.
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// Tokens that were generated since the model was opened, those of cancelled answers included.
    pub fn tokens_generated(&self) -> u64 {
        self.scheduler.generated()
    }

    /// The token ids of a text, as a completion's prompt has them.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>> {
        self.tokenizer.encode(text).map_err(llm::Error::Internal)
    }

    /// The prompt that a chat becomes.
    pub fn render(&self, chat: &Chat) -> Result<String> {
        if chat.messages.is_empty() {
            return Err(llm::Error::invalid("messages", "`messages` is empty; give at least one"));
        }
        match &self.template {
            Ok(template) => template.render(&chat.messages),
            Err(reason) => Err(llm::Error::Unsupported(format!(
                "the local model `{}` cannot chat: {reason}; ask for completions, or take a model tuned for chats",
                self.name
            ))),
        }
    }

    async fn begin(&self, request: Request) -> Result<Answers> {
        let answers = request.prompts.len() * request.answers;
        Answers::start(self.scheduler.submit(request)?, answers).await
    }
}

#[async_trait]
impl LanguageModel for LocalModel {
    async fn chat(&self, chat: Chat) -> Result<ChatReply> {
        let request = Request::of_chat(&chat, self.render(&chat)?)?;
        let (texts, usage) = self.begin(request).await?.whole().await?;
        Ok(Header::new("chatcmpl", &self.name).chat_reply(texts, usage))
    }

    async fn chat_stream(&self, chat: Chat) -> Result<Stream<ChatChunk>> {
        let request = Request::of_chat(&chat, self.render(&chat)?)?;
        let include_usage = request.include_usage;
        Ok(self.begin(request).await?.chat_chunks(Header::new("chatcmpl", &self.name), include_usage))
    }

    async fn complete(&self, completion: Completion) -> Result<CompletionReply> {
        let (texts, usage) = self.begin(Request::of_completion(completion)?).await?.whole().await?;
        Ok(Header::new("cmpl", &self.name).completion_reply(texts, usage))
    }

    async fn complete_stream(&self, completion: Completion) -> Result<Stream<CompletionReply>> {
        let request = Request::of_completion(completion)?;
        let include_usage = request.include_usage;
        Ok(self.begin(request).await?.completion_chunks(Header::new("cmpl", &self.name), include_usage))
    }
}
