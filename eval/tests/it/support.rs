//! Suites run in a folder of their own, with a model that answers as it is told.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eval::{Destination, Error, Outcome, Overrides, Progress, Setup, Suite};
use llm::{Chat, ChatReply, LanguageModel, Usage};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a suite and its data.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) overrides: Overrides,
    pub(crate) model: Arc<Scripted>,
    pub(crate) destination: Destination,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            overrides: Overrides::default(),
            model: Arc::new(Scripted::default()),
            destination: Destination::Nowhere,
        }
    }

    /// Writes a file beside the suite.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    /// What the endpoint `scripted` answers to a prompt that contains a text.
    pub(crate) fn answers(mut self, answers: &[(&str, Result<&str, llm::Error>)]) -> Self {
        let answers =
            answers.iter().map(|(asked, answer)| ((*asked).to_owned(), answer.clone().map(ToOwned::to_owned)));
        self.model = Arc::new(Scripted { answers: answers.collect(), ..Scripted::default() });
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn suite(&self, text: &str) -> Result<Suite, Error> {
        let path = self.folder.path().join("suite.yaml");
        std::fs::write(&path, text).unwrap();
        Suite::load(&path, &self.overrides)
    }

    pub(crate) async fn run(&self, text: &str) -> Result<Outcome, Error> {
        self.run_until(text, std::future::pending()).await
    }

    pub(crate) async fn run_until(&self, text: &str, stop: impl Future<Output = ()>) -> Result<Outcome, Error> {
        let suite = self.suite(text)?;
        let model: Arc<dyn LanguageModel> = self.model.clone();
        let setup = Setup {
            resolver: Arc::new(move |name: &str| match name {
                "scripted" => Ok(Arc::clone(&model)),
                other => Err(format!("no endpoint `{other}`; there is scripted")),
            }),
            destination: std::future::ready(Ok(self.destination.clone())),
            progress: Progress::hidden(),
            stop,
            cache_folder: Some(self.folder.path().join("cache")),
        };
        eval::run(&suite, setup).await
    }

    /// The error of a suite, with the folder's own name taken out.
    pub(crate) async fn error(&self, text: &str) -> (u8, String) {
        let error = self.run(text).await.unwrap_err();
        let folder = format!("{}/", self.folder.path().display());
        (error.exit_code(), error.to_string().replace(&folder, ""))
    }
}

/// A model that answers what it was told, by a text in the last message, and counts its calls.
#[derive(Default)]
pub(crate) struct Scripted {
    answers: HashMap<String, Result<String, llm::Error>>,
    pub(crate) calls: AtomicUsize,
}

#[async_trait::async_trait]
impl LanguageModel for Scripted {
    async fn chat(&self, request: Chat) -> llm::Result<ChatReply> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let asked = request.messages.last().map(llm::Message::text).unwrap_or_default();
        let answer = self.answers.iter().find(|it| asked.contains(it.0.as_str()));
        let text = answer.map_or_else(|| Ok(format!("you said: {asked}")), |it| it.1.clone())?;
        let usage = Usage::of(asked.split_whitespace().count() as u64, text.split_whitespace().count() as u64);
        let reply = json!({"model": "scripted-1", "usage": usage, "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]});
        Ok(serde_json::from_value(reply).unwrap())
    }
}

/// The value of a metric of a variant; null where it is undefined.
pub(crate) fn value<'a>(outcome: &'a Outcome, variant: &str, metric: &str) -> &'a Value {
    &metric_of(outcome, variant, metric)["value"]
}

/// Everything that is reported of a metric.
pub(crate) fn metric_of<'a>(outcome: &'a Outcome, variant: &str, metric: &str) -> &'a Value {
    let variants = outcome.json()["variants"].as_array().unwrap();
    let found = variants.iter().find(|it| it["name"] == variant);
    &found.unwrap_or_else(|| panic!("no variant {variant} in {variants:?}"))["metrics"][metric]
}
