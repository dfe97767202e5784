//! One thread owns the weights; requests reach it through a bounded queue and take turns, token by token.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use llm::{Error, Result};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::{TryRecvError, TrySendError};

use crate::decoder::Decoder;
use crate::generation::{Generation, Step};
use crate::prefixes::Prefixes;
use crate::request::{Request, Source};
use crate::tokenizer::Tokenizer;

/// Answers that are computed in turns. Each holds a KV cache of up to the whole context.
const ACTIVE_MAX: usize = 4;

/// When a full queue is worth another try.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What happens to a request.
#[derive(Debug)]
pub(crate) enum Event {
    /// It is understood and being worked on.
    Started {
        /// Tokens of all its prompts.
        prompt_tokens: u64,
    },
    /// New text of one answer.
    Text {
        /// Which answer.
        index: u32,
        /// The text to append.
        text: String,
    },
    /// One answer is complete.
    Finished {
        /// Which answer.
        index: u32,
        /// The last text to append.
        text: String,
        /// `stop` or `length`.
        reason: &'static str,
        /// Tokens that were generated.
        tokens: u64,
    },
    /// The request failed as a whole; nothing follows.
    Failed(Error),
}

/// The way to the thread that computes.
#[derive(Clone)]
pub(crate) struct Scheduler {
    jobs: mpsc::Sender<Job>,
    name: String,
    context_length: usize,
    generated: Arc<AtomicU64>,
}

struct Job {
    request: Request,
    events: mpsc::Sender<Event>,
}

impl Scheduler {
    /// Starts the thread. It ends when the last clone of the scheduler is gone and nobody waits for an answer.
    pub(crate) fn start(
        name: &str,
        decoder: Decoder,
        tokenizer: Arc<Tokenizer>,
        context_length: usize,
        queue_max: usize,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(queue_max);
        let prefixes = Prefixes::new(context_length);
        let generated = Arc::new(AtomicU64::new(0));
        let worker = Worker {
            generated: Arc::clone(&generated),
            decoder,
            tokenizer,
            prefixes,
            context_length,
            queue,
            active: VecDeque::new(),
        };
        std::thread::Builder::new().name(format!("model {name}")).spawn(|| worker.run())?;
        Ok(Self { jobs, name: name.to_owned(), context_length, generated })
    }

    /// Tokens that were generated since the start, those of cancelled answers included.
    pub(crate) fn generated(&self) -> u64 {
        self.generated.load(Ordering::Relaxed)
    }

    /// Puts a request into the queue. Dropping the receiver cancels it.
    pub(crate) fn submit(&self, request: Request) -> Result<mpsc::Receiver<Event>> {
        // An answer has at most one event for each token of the context, so the thread never finds this channel full
        // and never waits for a slow reader.
        let answers = request.prompts.len() * request.answers;
        let (events, receiver) = mpsc::channel(answers * (self.context_length + 2) + 1);
        self.jobs.try_send(Job { request, events }).map_err(|error| match error {
            TrySendError::Full(_) => Error::Limited {
                message: format!(
                    "the local model `{}` already has {} requests waiting; try again, or raise its queue",
                    self.name,
                    self.jobs.max_capacity()
                ),
                retry_after: Some(RETRY_AFTER),
            },
            TrySendError::Closed(_) => Error::Unavailable(format!("the local model `{}` has stopped", self.name)),
        })?;
        Ok(receiver)
    }
}

struct Worker {
    decoder: Decoder,
    tokenizer: Arc<Tokenizer>,
    prefixes: Prefixes,
    context_length: usize,
    queue: mpsc::Receiver<Job>,
    /// The first [`ACTIVE_MAX`] take turns; the others of a request for many answers wait behind them.
    active: VecDeque<Active>,
    generated: Arc<AtomicU64>,
}

struct Active {
    index: u32,
    generation: Generation,
    events: mpsc::Sender<Event>,
}

impl Worker {
    fn run(mut self) {
        loop {
            while self.active.len() < ACTIVE_MAX {
                let job = if self.active.is_empty() {
                    let Some(job) = self.queue.blocking_recv() else { return };
                    job
                } else {
                    match self.queue.try_recv() {
                        Ok(job) => job,
                        Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                    }
                };
                self.begin(&job);
            }
            let count = self.active.len().min(ACTIVE_MAX);
            let mut turn: Vec<Active> = self.active.drain(..count).collect();
            // Nobody listens any more: the answer's state is dropped here, before another token is computed.
            turn.retain_mut(|it| !it.events.is_closed() && self.advance(it));
            for active in turn.into_iter().rev() {
                self.active.push_front(active);
            }
        }
    }

    fn begin(&mut self, job: &Job) {
        if job.events.is_closed() {
            return;
        }
        let prompts = match guarded(|| self.prompts(&job.request)) {
            Ok(prompts) => prompts,
            Err(error) => return tell(&job.events, Event::Failed(error)),
        };
        tell(&job.events, Event::Started { prompt_tokens: prompts.iter().map(|it| it.len() as u64).sum() });
        let answers = job.request.answers;
        let choices = prompts.iter().flat_map(|prompt| std::iter::repeat_n(prompt, answers));
        for (index, prompt) in (0..).zip(choices) {
            let generation = Generation::new(&job.request, index, prompt.clone(), self.context_length);
            self.active.push_back(Active { index, generation, events: job.events.clone() });
        }
    }

    fn prompts(&self, request: &Request) -> Result<Vec<Arc<[u32]>>> {
        request.prompts.iter().map(|source| self.prompt(source)).collect()
    }

    fn prompt(&self, source: &Source) -> Result<Arc<[u32]>> {
        let tokens = match source {
            // Cutting megabytes into tokens takes gigabytes and minutes, only to find that they do not fit.
            Source::Text(text) if self.tokenizer.exceeds(text, self.context_length) => {
                return Err(self.too_long(&format!("{} bytes", text.len())));
            }
            Source::Text(text) => self
                .tokenizer
                .encode(text)
                .map_err(|error| Error::Internal(format!("the prompt could not be turned into tokens: {error}")))?,
            Source::Tokens(tokens) => tokens.clone(),
        };
        if let Some(token) = tokens.iter().find(|it| **it as usize >= self.tokenizer.size()) {
            let words = format!("the token {token} is not one of the model's {}", self.tokenizer.size());
            return Err(Error::invalid("prompt", words));
        }
        if tokens.is_empty() {
            return Err(Error::invalid("prompt", "the prompt is empty; give at least one word"));
        }
        if tokens.len() >= self.context_length {
            return Err(self.too_long(&format!("{} tokens", tokens.len())));
        }
        Ok(tokens.into())
    }

    fn too_long(&self, size: &str) -> Error {
        Error::TooLong(format!(
            "the prompt has {size}, but the model's context holds {} tokens for prompt and answer together; shorten it",
            self.context_length
        ))
    }

    /// One step of one answer; says whether more are to come.
    fn advance(&mut self, active: &mut Active) -> bool {
        let (decoder, prefixes, tokenizer) = (&self.decoder, &mut self.prefixes, &self.tokenizer);
        let index = active.index;
        let step = guarded(|| active.generation.step(decoder, prefixes, tokenizer));
        if matches!(step, Ok(Step::Text(_) | Step::Finished { .. })) {
            self.generated.fetch_add(1, Ordering::Relaxed);
        }
        let (event, goes_on) = match step {
            Ok(Step::Read) => return true,
            Ok(Step::Text(text)) if text.is_empty() => return true,
            Ok(Step::Text(text)) => (Event::Text { index, text }, true),
            Ok(Step::Finished { text, reason, tokens }) => {
                (Event::Finished { index, text, reason, tokens: tokens as u64 }, false)
            }
            Err(error) => (Event::Failed(error), false),
        };
        tell(&active.events, event);
        goes_on
    }
}

/// A panic below us (candle checks shapes with them) becomes an error of this one request; the thread lives on.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Error::Internal("the model failed while computing (see the log)".to_owned())))
}

fn tell(events: &mpsc::Sender<Event>, event: Event) {
    if let Err(TrySendError::Full(_)) = events.try_send(event) {
        tracing::error!("an answer had more events than tokens; one was dropped");
    }
}
