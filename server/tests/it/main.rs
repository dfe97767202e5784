//! The binary, started as a person starts it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod records;
mod running;
