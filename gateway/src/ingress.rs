//! The protocols in which callers speak to the gateway.

pub(crate) mod messages;
pub(crate) mod mlflow;
pub(crate) mod openai;
mod sse;
