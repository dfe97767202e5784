//! Requests, parsed: what a local model can do with each field, and a clear refusal for the rest.

use llm::{Chat, Completion, Error, Prompt, Rest, Result, Stop};
use serde_json::Value;

use crate::sampler::Sampling;

/// Answers to one request: more only make others wait.
const ANSWERS_MAX: usize = 16;

/// Stop texts of one request, and the bytes of each: every new character is held against all of them.
const STOPS_MAX: usize = 16;
const STOP_BYTES_MAX: usize = 1000;

/// One request, ready for the queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    /// What is to be continued.
    pub(crate) prompts: Vec<Source>,
    /// Answers to each prompt.
    pub(crate) answers: usize,
    /// Tokens of each answer at most; `None` for as many as the context has room for.
    pub(crate) tokens_max: Option<usize>,
    pub(crate) stops: Vec<String>,
    pub(crate) sampling: Sampling,
    /// Whether a stream shall end with the usage.
    pub(crate) include_usage: bool,
}

/// A prompt as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Text(String),
    Tokens(Vec<u32>),
}

/// Fields that change nothing in what a model answers.
const WITHOUT_EFFECT: [&str; 8] = [
    "user",
    "metadata",
    "store",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "parallel_tool_calls",
    "stream_options",
];

impl Request {
    /// A chat whose messages a template has turned into `prompt`.
    pub(crate) fn of_chat(chat: &Chat, prompt: String) -> Result<Self> {
        if !chat.tools.is_empty() && chat.tool_choice.as_ref().is_none_or(|it| it != "none") {
            return Err(refusal("tools", "local models call no tools yet"));
        }
        if let Some(choice) = chat.tool_choice.as_ref().filter(|it| !matches!(it.as_str(), Some("none" | "auto"))) {
            return Err(refusal("tool_choice", &format!("local models call no tools yet, so not {choice}")));
        }
        Self::new(
            vec![Source::Text(prompt)],
            &Common {
                temperature: chat.temperature,
                top_p: chat.top_p,
                top_k: chat.top_k,
                tokens_max: chat.output_tokens_max(),
                answers: chat.n,
                stop: chat.stop.as_ref(),
                seed: chat.seed,
                rest: &chat.rest,
            },
        )
    }

    /// A completion of one prompt or several.
    pub(crate) fn of_completion(completion: Completion) -> Result<Self> {
        let prompts = match completion.prompt {
            Prompt::One(text) => vec![Source::Text(text)],
            Prompt::Many(texts) => texts.into_iter().map(Source::Text).collect(),
            Prompt::Tokens(tokens) => vec![Source::Tokens(tokens)],
            Prompt::TokenLists(lists) => lists.into_iter().map(Source::Tokens).collect(),
        };
        Self::new(
            prompts,
            &Common {
                temperature: completion.temperature,
                top_p: completion.top_p,
                top_k: completion.top_k,
                tokens_max: completion.max_tokens,
                answers: completion.n,
                stop: completion.stop.as_ref(),
                seed: completion.seed,
                rest: &completion.rest,
            },
        )
    }

    fn new(prompts: Vec<Source>, common: &Common<'_>) -> Result<Self> {
        let answers = common.answers.unwrap_or(1) as usize;
        if prompts.is_empty() {
            return Err(Error::invalid("prompt", "`prompt` is an empty list; give at least one prompt"));
        }
        if answers == 0 || prompts.len().saturating_mul(answers) > ANSWERS_MAX {
            let asked = prompts.len().saturating_mul(answers);
            let words = format!("`n` asks for {asked} answers; one request may ask for 1 to {ANSWERS_MAX}");
            return Err(Error::invalid("n", words));
        }
        if common.tokens_max == Some(0) {
            return Err(Error::invalid("max_tokens", "`max_tokens` is 0; give 1 or more, or leave it out"));
        }
        let rest = Rest_(common.rest);
        rest.refuse_unknown()?;
        let range = |field: &str, value: Option<f64>, low: f64, high: f64, default: f32| match value {
            None => Ok(default),
            #[expect(clippy::cast_possible_truncation, reason = "the range is tiny")]
            Some(value) if (low..=high).contains(&value) => Ok(value as f32),
            Some(value) => Err(Error::invalid(field, format!("`{field}` is {value}; give {low} to {high}"))),
        };
        Ok(Self {
            prompts,
            answers,
            tokens_max: common.tokens_max.map(|it| it as usize),
            stops: stops(common.stop)?,
            sampling: Sampling {
                temperature: range("temperature", common.temperature, 0.0, 2.0, 1.0)?,
                top_k: common.top_k.unwrap_or(0) as usize,
                top_p: range("top_p", common.top_p, 0.0, 1.0, 1.0)?,
                min_p: range("min_p", rest.number("min_p")?, 0.0, 1.0, 0.0)?,
                frequency_penalty: range("frequency_penalty", rest.number("frequency_penalty")?, -2.0, 2.0, 0.0)?,
                presence_penalty: range("presence_penalty", rest.number("presence_penalty")?, -2.0, 2.0, 0.0)?,
                repetition_penalty: range("repetition_penalty", rest.number("repetition_penalty")?, 0.1, 10.0, 1.0)?,
                seed: common.seed.map(i64::cast_unsigned),
            },
            include_usage: common.rest.get("stream_options").is_some_and(|it| it["include_usage"] == true),
        })
    }
}

/// What chats and completions have in common.
struct Common<'a> {
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<u32>,
    tokens_max: Option<u32>,
    answers: Option<u32>,
    stop: Option<&'a Stop>,
    seed: Option<i64>,
    rest: &'a Rest,
}

/// The fields that the vocabulary does not name.
struct Rest_<'a>(&'a Rest);

impl Rest_<'_> {
    fn number(&self, field: &str) -> Result<Option<f64>> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) => Ok(Some(number)),
                None => Err(Error::invalid(field, format!("`{field}` is {value}; give a number"))),
            },
        }
    }

    /// A field that would change the answer is refused by name: ignoring it would be a wrong answer.
    fn refuse_unknown(&self) -> Result<()> {
        for (field, value) in self.0 {
            let is_neutral = match field.as_str() {
                "min_p" | "frequency_penalty" | "presence_penalty" | "repetition_penalty" => true,
                known if WITHOUT_EFFECT.contains(&known) => true,
                "response_format" => value["type"] == "text",
                "modalities" => *value == serde_json::json!(["text"]),
                "logprobs" | "echo" => *value == false,
                "top_logprobs" => *value == 0,
                "best_of" => *value == 1,
                "suffix" => *value == "",
                "logit_bias" => value.as_object().is_some_and(serde_json::Map::is_empty),
                _ => false,
            };
            if !is_neutral && !value.is_null() {
                let shown = value.to_string();
                let shown = if shown.len() > SHOWN_BYTES_MAX { "the value given" } else { &shown };
                return Err(refusal(field, &format!("local models do not take {shown} here")));
            }
        }
        Ok(())
    }
}

/// Longer values would drown the message.
const SHOWN_BYTES_MAX: usize = 80;

fn refusal(field: &str, reason: &str) -> Error {
    Error::invalid(field, format!("`{field}`: {reason}; leave it out or ask a remote endpoint"))
}

fn stops(stop: Option<&Stop>) -> Result<Vec<String>> {
    let texts = stop.map(Stop::texts).unwrap_or_default();
    if texts.len() > STOPS_MAX {
        let words = format!("`stop` has {} texts; give at most {STOPS_MAX}", texts.len());
        return Err(Error::invalid("stop", words));
    }
    if let Some(text) = texts.iter().find(|it| it.is_empty() || it.len() > STOP_BYTES_MAX) {
        let words = format!("`stop` has a text of {} bytes; give 1 to {STOP_BYTES_MAX}", text.len());
        return Err(Error::invalid("stop", words));
    }
    Ok(texts.to_vec())
}
