//! Google's generateContent: what is asked in it as chats, and the answers to chats in its words.
//!
//! Its counts are here already, for the provider that reads them.

mod usage;

pub(crate) use usage::usage_of_google;
