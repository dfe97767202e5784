//! The shapes of MLflow's REST API, for every crate that serves a part of it.
//!
//! A handler takes its parameters out of [`Fields`] and gives what it found, or an [`Error`], which is answered with
//! MLflow's `error_code` and words. [`page`] reads and writes the tokens of lists, [`python`] writes texts as Python does.

pub mod page;
pub mod python;

mod answer;
mod body;
mod error;
mod fields;

pub use body::{Body, body_limit, is_timeout, read_json, too_slow};
pub use error::{Error, Result, SEE_DOCS};
pub use fields::Fields;
