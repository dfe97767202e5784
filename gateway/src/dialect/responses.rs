//! OpenAI's Responses: what is asked in them as chats, and the answers to chats in their words.
//!
//! Nothing is kept here between calls: what needs an earlier answer to be stored is refused, unless the provider speaks
//! this format itself. Thoughts that a vendor has signed travel in a reasoning item's `encrypted_content`, marked as
//! ours, and come back as `thinking_blocks` of the assistant's message.

mod echo;
mod error;
mod head;
mod input;
mod options;
mod output;
mod request;
mod sealed;
mod usage;
mod writer;

pub(crate) use error::{failed_whole, failure};
pub(crate) use head::{Head, head};
pub(super) use output::response;
pub(super) use request::chat;
pub(crate) use usage::usage_of_response;
pub(super) use writer::Writer;
