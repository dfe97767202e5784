//! Anthropic's Messages: what is asked in them as chats, and the answers to chats in their words.
//!
//! What OpenAI's chat has no field for rides along under Anthropic's own name, for providers that know it:
//!
//! - in a chat's `rest`: `thinking`, `output_config` (without what became `reasoning_effort` and `response_format`),
//!   `container`, `mcp_servers`, `context_management`, and whatever is newer than this file;
//! - in a message's: `thinking_blocks` (signed or redacted thoughts), `content_blocks` (a whole turn that holds blocks
//!   no chat can say), `is_error` of a tool's result, `cache_control`;
//! - in a part's, a tool's and a call's: `cache_control`, `citations`, and the fields of blocks that are only Anthropic's.

mod content;
mod error;
mod head;
mod options;
mod reply;
mod request;
mod usage;
mod writer;

pub(crate) use error::{error_event, error_json, type_of};
pub(crate) use head::head;
pub(super) use reply::message;
pub(super) use request::chat;
pub(crate) use usage::{usage_of_chat, usage_of_message};
pub(super) use writer::Writer;
