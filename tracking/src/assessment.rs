//! Assessments: what people, judges and code say about a trace.

use serde_json::{Map, Value};

use crate::{Error, Result};

/// Characters at most in an assessment's name.
const NAME_CHARS_MAX: usize = 250;

/// Who says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Nobody said who.
    Unspecified,
    /// A person.
    Human,
    /// A language model.
    LlmJudge,
    /// A program.
    Code,
}

impl SourceKind {
    /// The name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "SOURCE_TYPE_UNSPECIFIED",
            Self::Human => "HUMAN",
            Self::LlmJudge => "LLM_JUDGE",
            Self::Code => "CODE",
        }
    }

    /// Reads a name; `AI_JUDGE` is what judges were called before.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "HUMAN" => Ok(Self::Human),
            "LLM_JUDGE" | "AI_JUDGE" => Ok(Self::LlmJudge),
            "CODE" => Ok(Self::Code),
            "" | "SOURCE_TYPE_UNSPECIFIED" | "DEFAULT" => Ok(Self::Unspecified),
            _ => Err(Error::invalid(format!(
                "Invalid assessment source type: {name}. Valid source types: HUMAN, LLM_JUDGE, CODE"
            ))),
        }
    }
}

/// Why a judge gave no answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssessmentError {
    /// A word to sort by.
    pub error_code: Option<String>,
    /// What happened.
    pub error_message: Option<String>,
    /// Where it happened.
    pub stack_trace: Option<String>,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// How good it was.
    Feedback {
        /// The score, the word, or the object.
        value: Value,
        /// Why there is no value.
        error: Option<AssessmentError>,
    },
    /// What the right answer would have been.
    Expectation(Value),
    /// The trace shows a known problem; the assessment's name is the problem's id.
    Issue {
        /// The problem's name.
        issue_name: Option<String>,
    },
}

impl Verdict {
    /// The kind's name in the database and in filters.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Feedback { .. } => "feedback",
            Self::Expectation(_) => "expectation",
            Self::Issue { .. } => "issue",
        }
    }
}

/// One assessment of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessment {
    /// Its id: `a-` and 32 hexadecimal digits.
    pub assessment_id: String,
    /// What it is about, e.g. `correctness`.
    pub name: String,
    /// The trace that it is about.
    pub trace_id: String,
    /// The span that it is about, where it is not the whole trace.
    pub span_id: Option<String>,
    /// Who says it.
    pub source_kind: SourceKind,
    /// Which of them.
    pub source_id: Option<String>,
    /// When it was made (ms since 1970).
    pub create_time_ms: i64,
    /// When it was changed last (ms since 1970).
    pub last_update_time_ms: i64,
    /// What is said.
    pub verdict: Verdict,
    /// Why.
    pub rationale: Option<String>,
    /// More about it.
    pub metadata: Map<String, Value>,
    /// The assessment that this one replaces.
    pub overrides: Option<String>,
    /// Whether no other one replaces it.
    pub valid: bool,
    /// The run that made it.
    pub run_id: Option<String>,
}

impl Assessment {
    /// A new id.
    pub(crate) fn new_id() -> String {
        format!("a-{}", uuid::Uuid::new_v4().simple())
    }

    /// Checks what the database could not hold.
    pub(crate) fn check(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(Error::missing("assessment.assessment_name"));
        }
        crate::validate::check_length("assessment_name", NAME_CHARS_MAX, &self.name)
    }
}

/// What changes of an assessment; what is absent stays.
#[derive(Clone, Debug, Default)]
pub struct AssessmentUpdate {
    /// What it is about.
    pub name: Option<String>,
    /// What is said; of the same kind as before.
    pub verdict: Option<Verdict>,
    /// Why.
    pub rationale: Option<String>,
    /// More about it; keys that are not named stay.
    pub metadata: Option<Map<String, Value>>,
    /// Whether it counts.
    pub valid: Option<bool>,
}

/// The number that averages and filters use for a value, and whether it was a number from the start.
#[must_use]
pub(crate) fn aggregate_value(value: &Value) -> (Option<f64>, bool) {
    match value {
        Value::Bool(truth) => (Some(f64::from(u8::from(*truth))), false),
        Value::Number(number) => {
            number.as_f64().filter(|it| it.is_finite()).map_or((None, false), |it| (Some(it), true))
        }
        Value::String(text) => match text.trim().to_lowercase().as_str() {
            "yes" => (Some(1.0), false),
            "no" => (Some(0.0), false),
            _ => (None, false),
        },
        _ => (None, false),
    }
}
