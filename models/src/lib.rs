//! Local models: GGUF files that candle loads, their tokenizers, chat templates and generation.
//!
//! [`LocalModel::open`] reads everything from one GGUF file. One thread of the operating system then owns the weights;
//! requests reach it through a bounded queue and their answers come back token by token. This crate knows nothing of
//! HTTP and of other providers.

mod error;
mod gguf;

mod architecture;
mod decoder;
mod prefixes;

mod template;
mod tokenizer;

mod generation;
mod reply;
mod request;
mod sampler;
mod scheduler;
mod text;

mod model;

pub use error::Error;
pub use model::{LocalModel, Options};
