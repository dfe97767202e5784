//! The gateway over real sockets: a caller in front of it, a scripted provider behind it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anthropic;
mod bedrock;
mod bodies;
mod cache;
mod cancel;
mod config;
mod cost;
mod errors;
mod explain;
mod gemini;
mod google;
mod guardrails;
mod in_process;
mod judges;
mod kept;
mod key_store;
mod keys;
mod limits;
mod messages;
mod mlflow;
mod observe;
mod openai;
mod openapi;
mod passthrough;
mod realtime;
mod record;
mod recordings;
mod reload;
mod resilience;
mod responses;
mod secrets;
mod sign_in;
mod support;
mod vendors;
mod vertex;
