//! From a document that fits the schema to a [`Suite`]: names resolved, files located, defaults filled in.

mod data;
mod run;
mod targets;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use yaml::{Kind, Node};

use super::{Compare, Output, Overrides, Param, Suite, Task, located, refuse};
use crate::gate::Gate;
use crate::metric::{Fault, Metric};
use crate::prompt::{Prompt, Turn};
use crate::{Error, Result};

/// Resamples unless the suite says otherwise.
const RESAMPLES: usize = 10_000;

/// Builds a suite from its document.
pub(super) struct Builder<'a> {
    pub(super) path: &'a Path,
    pub(super) document: &'a Node,
}

impl Builder<'_> {
    pub(super) fn suite(&self, source: &str, overrides: &Overrides) -> Result<Suite> {
        refuse::check(self.path, self.document)?;
        let data = self.data()?;
        let targets = self.targets()?;
        let prompts = self.prompts()?;
        let params = self.params()?;
        let asked = targets.iter().find(|it| it.is_asked());
        let asks = asked.is_some();
        if let Some(asked) = asked.filter(|_| prompts.is_empty()) {
            let message = format!(
                "`prompts` is missing: the target `{}` is asked and needs a template, for example \
                 `prompts: \"{{{{question}}}}\"`",
                asked.name
            );
            return Err(self.wrong("targets", &message));
        }
        let is_unused = !(prompts.is_empty() && params.is_empty());
        if !asks && is_unused {
            let key = if prompts.is_empty() { "params" } else { "prompts" };
            return Err(self.wrong(key, &format!("`{key}`: no target is asked, so nothing would use it; remove it")));
        }
        let metrics = self.metrics()?;
        let compare = self.compare()?;
        let gates = self.gates()?;
        let run = self.run()?;
        let name = self.name(&data)?;
        let output = self.output(&name);
        let mut suite = Suite {
            file: self.path.to_owned(),
            task: self.task(),
            only: overrides.filters()?,
            resolved: Value::Null,
            source: source.to_owned(),
            name,
            data,
            targets,
            prompts,
            params,
            metrics,
            compare,
            gates,
            run,
            output,
        };
        suite.resolved = self.resolved(&suite);
        Ok(suite)
    }

    fn task(&self) -> Task {
        match self.text("task") {
            Some("regression") => Task::Regression,
            Some("classification") => Task::Classification,
            Some("generate") => Task::Generate,
            _ => Task::Auto,
        }
    }

    fn prompts(&self) -> Result<Vec<Prompt>> {
        let Some(node) = self.document.get("prompts") else { return Ok(Vec::new()) };
        match &node.kind {
            Kind::Map(entries) if node.get("file").is_none() => {
                entries.iter().map(|it| self.prompt(&it.key, &format!("prompts.{}", it.key), &it.value)).collect()
            }
            _ => Ok(vec![self.prompt("prompt", "prompts", node)?]),
        }
    }

    fn prompt(&self, name: &str, key: &str, node: &Node) -> Result<Prompt> {
        match &node.kind {
            Kind::Text(text) if text.starts_with("prompts:/") => {
                Err(refuse::unsupported(self.path, node.line, key, "prompts of the registry; write the text here"))
            }
            Kind::Text(text) => Ok(Prompt::text(name, text)),
            Kind::List(turns) => {
                let text = |turn: &Node, part: &str| match turn.get(part).map(|it| &it.kind) {
                    Some(Kind::Text(text)) => Ok(text.clone()),
                    _ => Err(self.wrong_at(turn.line, &format!("`{key}`: `{part}` of a message must be text"))),
                };
                let turn = |it: &Node| Ok(Turn { role: text(it, "role")?, template: text(it, "content")? });
                let messages = turns.iter().map(turn).collect::<Result<Vec<_>>>()?;
                if messages.is_empty() {
                    return Err(self.wrong_at(node.line, &format!("`{key}`: the list of messages is empty")));
                }
                Ok(Prompt { name: name.to_owned(), messages })
            }
            _ => {
                let Kind::Map(entries) = &node.kind else {
                    return Err(self.wrong_at(node.line, &format!("`{key}`: a prompt is text, messages, or {{file}}")));
                };
                if let Some(other) = entries.iter().find(|it| it.key != "file") {
                    let hint = crate::error::nearest(&other.key, ["file"]);
                    return Err(self.wrong_at(other.line, &format!("`{key}`: unknown key `{}`{hint}", other.key)));
                }
                let Some(Kind::Text(file)) = node.get("file").map(|it| &it.kind) else {
                    return Err(self.wrong_at(node.line, &format!("`{key}.file` must be text")));
                };
                let path = self.relative(file);
                let text = std::fs::read_to_string(&path).map_err(|it| {
                    self.wrong_at(node.line, &format!("`{key}.file`: cannot read {}: {it}", path.display()))
                })?;
                Ok(Prompt::text(name, text.strip_suffix('\n').unwrap_or(&text)))
            }
        }
    }

    fn params(&self) -> Result<Vec<Param>> {
        let Some(Node { kind: Kind::Map(entries), .. }) = self.document.get("params") else { return Ok(Vec::new()) };
        let param = |entry: &yaml::Entry| {
            if ["stream", "n", "messages", "prompt", "model"].contains(&entry.key.as_str()) {
                let message = format!("`params.{0}`: `{0}` is set by the runner and cannot be a parameter", entry.key);
                return Err(self.wrong_at(entry.line, &message));
            }
            let values = match &entry.value.kind {
                Kind::List(items) if items.is_empty() => {
                    return Err(self.wrong_at(entry.line, &format!("`params.{}`: the list is empty", entry.key)));
                }
                Kind::List(items) => items.iter().map(Node::to_value).collect(),
                _ => vec![entry.value.to_value()],
            };
            Ok(Param { name: entry.key.clone(), values })
        };
        entries.iter().map(param).collect()
    }

    fn metrics(&self) -> Result<Vec<Metric>> {
        let Some(Node { kind: Kind::List(items), .. }) = self.document.get("metrics") else { return Ok(Vec::new()) };
        let mut metrics: Vec<Metric> = Vec::new();
        for item in items {
            let metric = Metric::parse(&item.to_value()).map_err(|fault| match fault {
                Fault::Wrong(message) => self.wrong_at(item.line, &format!("`metrics`: {message}")),
                Fault::Unsupported(key, what) => {
                    refuse::unsupported(self.path, item.line, &format!("metrics.{key}"), &what)
                }
            })?;
            if metrics.iter().any(|it| it.name == metric.name) {
                let message =
                    format!("`metrics`: two metrics are named `{0}`; give one another name with `as`", metric.name);
                return Err(self.wrong_at(item.line, &message));
            }
            metrics.push(metric);
        }
        Ok(metrics)
    }

    fn compare(&self) -> Result<Compare> {
        let node = self.document.at("compare.baseline");
        if let Some(Node { line, kind: Kind::Text(text) }) = node
            && ["run:", "model:", "models:"].iter().any(|it| text.starts_with(it))
        {
            let what = "comparing with an earlier run or a model; name a variant of this suite";
            return Err(refuse::unsupported(self.path, *line, "compare.baseline", what));
        }
        Ok(Compare {
            baseline: self.text("compare.baseline").map(ToOwned::to_owned),
            confidence: self.number("compare.confidence").unwrap_or(0.95),
            resamples: self.count("compare.bootstrap").unwrap_or(RESAMPLES),
            seed: self.seed("compare.seed").or(self.seed("run.seed")).unwrap_or(0),
        })
    }

    fn gates(&self) -> Result<Vec<Gate>> {
        let Some(Node { kind: Kind::List(items), .. }) = self.document.get("gates") else { return Ok(Vec::new()) };
        let gate = |item: &Node| {
            Gate::parse(&item.to_value()).map_err(|fault| match fault {
                Fault::Wrong(message) => self.wrong_at(item.line, &format!("`gates`: {message}")),
                Fault::Unsupported(key, what) => {
                    refuse::unsupported(self.path, item.line, &format!("gates: {key}"), &what)
                }
            })
        };
        items.iter().map(gate).collect()
    }

    fn output(&self, name: &str) -> Output {
        let tags = match self.document.at("output.tags").map(Node::to_value) {
            Some(Value::Object(tags)) => tags
                .into_iter()
                .map(|(key, value)| (key, value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)))
                .collect(),
            _ => Vec::new(),
        };
        Output {
            tracking: self.text("output.tracking").map(ToOwned::to_owned),
            experiment: self.text("output.experiment").unwrap_or(name).to_owned(),
            tags,
            jsonl: self.text("output.jsonl").map(|it| self.relative(it)),
        }
    }

    fn name(&self, data: &crate::dataset::Data) -> Result<String> {
        let stem = self.path.file_stem().map_or("eval".to_owned(), |it| it.to_string_lossy().into_owned());
        let mut name = self.text("name").map_or(stem, ToOwned::to_owned);
        if name.contains("{git}") {
            let commit = run::git_commit(self.path.parent().unwrap_or(Path::new(".")))
                .map_err(|it| self.wrong("name", &format!("`name`: {{git}} cannot be filled in: {it}")))?;
            name = name.replace("{git}", &commit);
        }
        if name.contains("{date}") {
            name = name.replace("{date}", &run::date());
        }
        if name.contains("{data}") {
            let data = match &data.source {
                crate::dataset::Source::File { path, .. } => {
                    path.file_stem().map(|it| it.to_string_lossy().into_owned())
                }
                crate::dataset::Source::Inline(_) => None,
            };
            name = name.replace("{data}", data.as_deref().unwrap_or("inline"));
        }
        Ok(name)
    }

    /// The document with defaults: what the user wrote first, then every default that applies.
    fn resolved(&self, suite: &Suite) -> Value {
        let Value::Object(mut resolved) = self.document.to_value() else { return Value::Null };
        if !resolved.get("data").is_some_and(Value::is_object) {
            let source = resolved.get("data").cloned().unwrap_or_default();
            resolved.insert("data".to_owned(), json!({"source": source}));
        }
        let mut defaults = |path: &str, values: Value| {
            let section = resolved.entry(path).or_insert_with(|| Value::Object(Map::new()));
            if let (Value::Object(section), Value::Object(values)) = (section, values) {
                for (key, value) in values {
                    section.entry(key).or_insert(value);
                }
            }
        };
        defaults("data", json!({"format": "auto", "missing": "error", "roles": {}}));
        let Compare { confidence, resamples, seed, .. } = &suite.compare;
        defaults("compare", json!({"confidence": confidence, "bootstrap": resamples, "seed": seed, "adjust": "none"}));
        defaults("run", Self::run_defaults(suite));
        defaults("output", json!({"experiment": suite.output.experiment, "traces": "none"}));
        resolved.insert("name".to_owned(), Value::from(suite.name.as_str()));
        resolved.entry("task").or_insert(json!("auto"));
        resolved.entry("gates").or_insert(json!([]));
        Value::Object(resolved)
    }

    pub(super) fn relative(&self, file: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.document.at(key)?.kind {
            Kind::Text(it) => Some(it),
            _ => None,
        }
    }

    pub(super) fn number(&self, key: &str) -> Option<f64> {
        self.document.at(key)?.to_value().as_f64()
    }

    pub(super) fn count(&self, key: &str) -> Option<usize> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the schema allows whole numbers only"
        )]
        self.number(key).map(|it| it.max(0.0) as usize)
    }

    fn seed(&self, key: &str) -> Option<u64> {
        self.document.at(key)?.to_value().as_i64().map(i64::cast_unsigned)
    }

    /// An error at a key of the document.
    pub(super) fn wrong(&self, key: &str, message: &str) -> Error {
        self.wrong_at(self.document.at(key).map_or(0, |it| it.line), message)
    }

    pub(super) fn wrong_at(&self, line: u64, message: &str) -> Error {
        Error::Config(located(self.path, line, message))
    }
}
