//! What a person or a program gets to see of an evaluation.

mod json;
mod progress;
mod table;

use serde_json::Value;

pub(crate) use json::{gates_json, json};
pub use progress::Progress;
pub(crate) use table::{number, table};

/// A finished evaluation: its report, its exit code, and where it was recorded.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(crate) exit_code: u8,
    pub(crate) table: String,
    pub(crate) json: Value,
    pub(crate) recorded: Option<Recorded>,
    pub(crate) record_error: Option<String>,
}

/// Where an evaluation was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The experiment.
    pub experiment_id: String,
    /// The run of the whole suite.
    pub run_id: String,
    /// Each variant's name and run.
    pub variants: Vec<(String, String)>,
    /// The page of the run, where a server shows one.
    pub url: Option<String>,
}

impl Outcome {
    /// The exit code: 0 all gates pass, 1 one fails, 2 inconclusive, 4 stopped early or not recorded.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// The table for a terminal, with gates and where the results are.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Everything for a program.
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Where it was recorded.
    pub fn recorded(&self) -> Option<&Recorded> {
        self.recorded.as_ref()
    }

    /// Why it could not be recorded; the answers are kept, so the same command goes on from there.
    pub fn record_error(&self) -> Option<&str> {
        self.record_error.as_deref()
    }
}
