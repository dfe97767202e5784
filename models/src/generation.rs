//! One answer in the making: first the prompt is read in chunks, then tokens are chosen until something ends it.

use std::sync::Arc;

use llm::{Error, Result};

use crate::decoder::{Decoder, Sequence};
use crate::gguf::plain;
use crate::prefixes::{CHUNK, Prefixes};
use crate::request::Request;
use crate::sampler::Sampler;
use crate::text::Text;
use crate::tokenizer::Tokenizer;

/// One answer in the making.
pub(crate) struct Generation {
    prompt: Arc<[u32]>,
    sequence: Option<Sequence>,
    logits: Vec<f32>,
    sampler: Sampler,
    text: Text,
    generated: usize,
    tokens_max: usize,
    last: Option<u32>,
}

/// What one step gave.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// A piece of the prompt was read.
    Read,
    /// A token was chosen; its text may be empty.
    Text(String),
    /// The answer is complete.
    Finished {
        /// The last text.
        text: String,
        /// `stop` or `length`.
        reason: &'static str,
        /// Tokens that were chosen, the one that ended the answer included.
        tokens: usize,
    },
}

impl Generation {
    /// The answer number `choice` to `prompt`, which must leave room in the context.
    pub(crate) fn new(request: &Request, choice: u32, prompt: Arc<[u32]>, context_length: usize) -> Self {
        let room = context_length - prompt.len();
        Self {
            sequence: None,
            logits: Vec::new(),
            sampler: Sampler::new(request.sampling.clone(), choice, &prompt),
            text: Text::new(request.stops.clone()),
            generated: 0,
            tokens_max: request.tokens_max.map_or(room, |it| it.min(room)),
            last: None,
            prompt,
        }
    }

    /// Reads one chunk of the prompt, or chooses one token.
    pub(crate) fn step(&mut self, decoder: &Decoder, prefixes: &mut Prefixes, tokenizer: &Tokenizer) -> Result<Step> {
        let sequence = self
            .sequence
            .get_or_insert_with(|| prefixes.longest(&self.prompt).unwrap_or_else(|| Sequence::start(decoder)));
        let failed =
            |error: candle_core::Error| Error::Internal(format!("the model failed while computing: {}", plain(&error)));
        let read = sequence.length();
        if read < self.prompt.len() {
            let end = self.prompt.len().min(read + CHUNK);
            self.logits = sequence.read(&self.prompt[read..end]).map_err(failed)?;
            if end.is_multiple_of(CHUNK) {
                prefixes.keep(&self.prompt[..end], sequence);
            }
            return Ok(Step::Read);
        }
        if let Some(last) = self.last.take() {
            self.logits = sequence.read(&[last]).map_err(failed)?;
        }
        self.logits.truncate(tokenizer.size());
        let chosen = self.sampler.choose(&mut self.logits);
        let token = chosen
            .ok_or_else(|| Error::Internal("the model computed no numbers; its file may be damaged".to_owned()))?;
        self.generated += 1;
        if tokenizer.is_end(token) {
            return Ok(self.finish(String::new(), "stop"));
        }
        let shown = self.text.push(tokenizer.piece(token));
        if shown.is_stopped {
            return Ok(Step::Finished { text: shown.text, reason: "stop", tokens: self.generated });
        }
        if self.generated == self.tokens_max {
            return Ok(self.finish(shown.text, "length"));
        }
        self.last = Some(token);
        Ok(Step::Text(shown.text))
    }

    fn finish(&mut self, mut text: String, reason: &'static str) -> Step {
        text.push_str(&std::mem::replace(&mut self.text, Text::new(Vec::new())).finish());
        Step::Finished { text, reason, tokens: self.generated }
    }
}
