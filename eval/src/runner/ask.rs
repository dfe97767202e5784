//! One call: the request, its key, and the tries until it is answered.

use std::time::{Duration, Instant};

use llm::{Chat, Completion, Error, LanguageModel};
use rand::Rng as _;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::budget::Spent;
use crate::suite::{Retries, Run, Suite};
use crate::target::{Api, Asked, Kind};
use crate::variant::Variant;

/// Why a cell has no answer.
pub(crate) enum Fault {
    /// This cell failed.
    Failed(String),
    /// This cell failed for a reason that every cell of the target shares: a wrong key, an unknown model.
    Hopeless(String),
    /// The budget is used up.
    Stopped(String),
}

/// What is asked, in wire form, with what decides the answer beside it.
pub(crate) struct Request {
    api: Api,
    /// The target: an endpoint's name, or a URL and model.
    place: Value,
    body: Value,
}

impl Request {
    /// The request of one row to one variant.
    pub(crate) fn build(suite: &Suite, variant: &Variant, row: &Map<String, Value>) -> Result<Self, String> {
        let Kind::Asked { model, api, params, .. } = &suite.targets[variant.target].kind else {
            return Err("predictions are not asked".to_owned());
        };
        let prompt = variant.prompt.map(|it| &suite.prompts[it]).ok_or("no prompt")?;
        let messages = prompt.render(row)?;
        let mut body = match api {
            Api::Chat => Map::from_iter([("messages".to_owned(), Value::Array(messages))]),
            Api::Completions => {
                let texts: Vec<&str> = messages.iter().filter_map(|it| it["content"].as_str()).collect();
                Map::from_iter([("prompt".to_owned(), Value::from(texts.join("\n")))])
            }
        };
        body.extend(params.clone());
        body.extend(variant.params.clone());
        let place = match model {
            Asked::Endpoint(name) => json!({"endpoint": name}),
            Asked::Url(config) => json!({"url": config.url, "model": config.model}),
        };
        Ok(Self { api: *api, place, body: Value::Object(body) })
    }

    /// Finds parameters of a wrong type before anything is asked.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self.api {
            Api::Chat => self.parse::<Chat>().map(drop),
            Api::Completions => self.parse::<Completion>().map(drop),
        }
    }

    /// The sha256 of everything that decides the answer.
    pub(crate) fn key(&self) -> String {
        crate::digest::of_json(&json!({"target": self.place, "request": self.body}))
    }

    /// Asks until there is an answer, the tries are used up, or another try cannot help.
    pub(crate) async fn ask(&self, model: &dyn LanguageModel, run: &Run, spent: &Spent<'_>) -> Result<Answer, Fault> {
        let mut tries = 0;
        loop {
            spent.check().map_err(Fault::Stopped)?;
            let error = match tokio::time::timeout(run.timeout, self.call(model)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => Error::Unavailable(format!("no answer within {} s", run.timeout.as_secs_f64())),
            };
            let wait = match retry(&error, tries, run.retries) {
                Some(wait) if tries < run.retries.max => wait,
                _ => return Err(fault(&error, tries)),
            };
            tries += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn call(&self, model: &dyn LanguageModel) -> Result<Answer, Error> {
        let start = Instant::now();
        let answer = match self.api {
            Api::Chat => {
                let reply = model.chat(self.parse().map_err(Error::Internal)?).await?;
                Answer::of_chat(reply, start.elapsed().as_secs_f64())
            }
            Api::Completions => {
                let reply = model.complete(self.parse().map_err(Error::Internal)?).await?;
                Answer::of_completion(reply, start.elapsed().as_secs_f64())
            }
        };
        answer.ok_or_else(|| Error::Upstream {
            status: 200,
            message: "the reply has no choices".to_owned(),
            body: None,
        })
    }

    fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_value(self.body.clone()).map_err(|it| it.to_string())
    }
}

/// How long to wait before another try; `None` where another try cannot help.
fn retry(error: &Error, tries: u32, retries: Retries) -> Option<Duration> {
    /// Waiting longer than this for one cell holds up a run more than the cell is worth.
    const WAIT_MAX: Duration = Duration::from_mins(1);
    /// Doubling further overflows nothing, but would be above the bound anyway.
    const DOUBLINGS_MAX: u32 = 10;
    let wished = match error {
        Error::Limited { retry_after, .. } => *retry_after,
        Error::Unavailable(_) => None,
        Error::Upstream { status, .. } if *status >= 500 || *status == 408 || *status == 409 => None,
        _ => return None,
    };
    let wait = match wished {
        Some(wait) if wait > WAIT_MAX => return None,
        Some(wait) => wait,
        None => retries.wait.saturating_mul(1 << tries.min(DOUBLINGS_MAX)).min(WAIT_MAX),
    };
    // Up to half as much again, so that cells that failed together do not come back together.
    Some(wait + wait.mul_f64(rand::rng().random_range(0.0..0.5)))
}

fn fault(error: &Error, tries: u32) -> Fault {
    let message = if tries == 0 { error.to_string() } else { format!("{error} (after {} tries)", tries + 1) };
    match error {
        Error::Denied(_) | Error::NotFound(_) | Error::Unsupported(_) => Fault::Hopeless(message),
        _ => Fault::Failed(message),
    }
}
