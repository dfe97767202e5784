//! The `targets` section.

use serde_json::{Map, Value};
use yaml::{Entry, Kind as NodeKind, Node};

use super::super::refuse::unsupported;
use super::Builder;
use crate::Result;
use crate::error::nearest;
use crate::target::{Api, Asked, CompatibleConfig, Kind, Price, Scores, Target};

/// Keys that tell a single target from a map of named ones.
const FORMS: [&str; 6] = ["predictions", "url", "model", "endpoint", "traces", "command"];

impl Builder<'_> {
    pub(super) fn targets(&self) -> Result<Vec<Target>> {
        let node = self.document.get("targets").expect("the schema requires `targets`");
        let is_single = match &node.kind {
            NodeKind::Map(entries) => entries.iter().any(is_form),
            _ => true,
        };
        if is_single {
            let name = match &node.kind {
                NodeKind::Text(text) => {
                    text.split_once(':').map_or(text.as_str(), |it| it.1).trim_matches('/').to_owned()
                }
                _ => "target".to_owned(),
            };
            return Ok(vec![Target { kind: self.target("targets", node)?, name }]);
        }
        let NodeKind::Map(entries) = &node.kind else { return Ok(Vec::new()) };
        let target = |entry: &Entry| {
            if entry.key.contains('/') {
                return Err(
                    self.wrong_at(entry.line, &format!("`targets.{}`: a name cannot have `/` in it", entry.key))
                );
            }
            let kind = self.target(&format!("targets.{}", entry.key), &entry.value)?;
            Ok(Target { name: entry.key.clone(), kind })
        };
        entries.iter().map(target).collect()
    }

    fn target(&self, key: &str, node: &Node) -> Result<Kind> {
        let refuse = |what: &str| Err(unsupported(self.path, node.line, key, what));
        let asked = |model| Kind::Asked { model, api: Api::Chat, params: Map::new(), price: None };
        match &node.kind {
            NodeKind::Text(text) => {
                if let Some(column) = text.strip_prefix("col:") {
                    return Ok(Kind::Predictions { label: Some(column.to_owned()), scores: None });
                }
                if let Some(name) = text.strip_prefix("endpoint:") {
                    return Ok(asked(Asked::Endpoint(name.to_owned())));
                }
                if text.starts_with("http://") || text.starts_with("https://") {
                    return Ok(asked(Asked::Url(self.compatible(key, node, text)?)));
                }
                if text.starts_with("models:/") {
                    return refuse("registered models as targets; serve the model and give its endpoint or URL");
                }
                if text.starts_with("traces:") {
                    return refuse("scoring stored traces");
                }
                if text.starts_with("cmd:") {
                    return refuse("commands as targets");
                }
                refuse("model files as targets; make the file an endpoint of the gateway (provider `local`)")
            }
            _ if node.get("predictions").is_some() => self.predictions(key, node),
            _ if node.get("endpoint").is_some() => {
                let name = self.field(key, node, "endpoint")?.unwrap_or_default();
                let params = object(node.get("params"));
                Ok(Kind::Asked { model: Asked::Endpoint(name), api: Api::Chat, params, price: None })
            }
            _ if node.get("url").is_some() => {
                let url = self.field(key, node, "url")?.unwrap_or_default();
                let api = match self.field(key, node, "api")?.as_deref() {
                    None | Some("chat") => Api::Chat,
                    Some("completions") => Api::Completions,
                    Some(other) => {
                        let what = "this protocol; use `chat` or `completions`";
                        return Err(unsupported(self.path, node.line, &format!("{key}.api: {other}"), what));
                    }
                };
                let model = Asked::Url(self.compatible(key, node, &url)?);
                Ok(Kind::Asked { model, api, params: object(node.get("params")), price: self.price(key, node)? })
            }
            _ if node.get("traces").is_some() => refuse("scoring stored traces"),
            _ if node.get("command").is_some() => refuse("commands as targets"),
            _ => refuse("model files as targets; make the file an endpoint of the gateway (provider `local`)"),
        }
    }

    fn predictions(&self, key: &str, node: &Node) -> Result<Kind> {
        let inner = node.get("predictions").unwrap_or(node);
        if let NodeKind::Text(column) = &inner.kind {
            return Ok(Kind::Predictions { label: Some(column.clone()), scores: None });
        }
        for (part, what) in [("interval", "prediction intervals"), ("ranking", "ranked predictions")] {
            if let Some(node) = inner.get(part) {
                return Err(unsupported(self.path, node.line, &format!("{key}.predictions.{part}"), what));
            }
        }
        let text = |node: &Node| match &node.kind {
            NodeKind::Text(column) => Ok(column.clone()),
            _ => Err(self.wrong_at(node.line, &format!("`{key}.predictions.scores`: a column is named by text"))),
        };
        let scores = match inner.get("scores") {
            None => None,
            Some(Node { kind: NodeKind::Map(entries), .. }) => {
                let columns =
                    entries.iter().map(|it| Ok((it.key.clone(), text(&it.value)?))).collect::<Result<Vec<_>>>()?;
                Some(Scores::PerLabel(columns))
            }
            Some(Node { kind: NodeKind::List(items), .. }) => {
                Some(Scores::InOrder(items.iter().map(text).collect::<Result<Vec<_>>>()?))
            }
            Some(node) => Some(Scores::Positive(text(node)?)),
        };
        let label = self.field(key, inner, "label")?;
        if label.is_none() && scores.is_none() {
            return Err(
                self.wrong_at(inner.line, &format!("`{key}.predictions`: `label`, `scores` or both are needed"))
            );
        }
        Ok(Kind::Predictions { label, scores })
    }

    fn compatible(&self, key: &str, node: &Node, url: &str) -> Result<CompatibleConfig> {
        let model = match &node.kind {
            NodeKind::Map(_) => self.field(key, node, "model")?.unwrap_or_default(),
            _ => String::new(),
        };
        let secret = match self.field(key, node, "key")? {
            None => None,
            Some(text) => Some(self.secret(&format!("{key}.key"), node, &text)?),
        };
        let headers = object(node.get("headers"))
            .into_iter()
            .map(|(name, value)| {
                let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
                let value = self.secret(&format!("{key}.headers.{name}"), node, &text)?;
                Ok((name, value))
            })
            .collect::<Result<Vec<_>>>()?;
        let config = CompatibleConfig { url: url.to_owned(), model, key: secret, headers };
        // Building the client finds everything that is wrong with the address before the first row.
        crate::target::Compatible::new(&config).map_err(|it| self.wrong_at(node.line, &format!("`{key}`: {it}")))?;
        Ok(config)
    }

    /// Fills `${VARIABLE}` in; a missing variable is an error that names it.
    fn secret(&self, key: &str, node: &Node, text: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let Some((variable, after)) = after.split_once('}') else {
                return Err(self.wrong_at(node.line, &format!("`{key}`: `${{` without its `}}`")));
            };
            let value = std::env::var(variable).ok().filter(|it| !it.is_empty()).ok_or_else(|| {
                let message =
                    format!("`{key}`: the environment variable {variable} is not set; export it before the run");
                self.wrong_at(node.line, &message)
            })?;
            filled.push_str(before);
            filled.push_str(value.trim());
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn price(&self, key: &str, node: &Node) -> Result<Option<Price>> {
        let Some(price) = node.get("price") else { return Ok(None) };
        let NodeKind::Map(entries) = &price.kind else { return Ok(None) };
        let known = ["input", "output"];
        if let Some(entry) = entries.iter().find(|it| !known.contains(&it.key.as_str())) {
            let hint = nearest(&entry.key, known);
            return Err(self.wrong_at(entry.line, &format!("`{key}.price`: unknown key `{}`{hint}", entry.key)));
        }
        let part = |name: &str| {
            let value = price.get(name).map(Node::to_value).and_then(|it| it.as_f64()).filter(|it| *it >= 0.0);
            value.ok_or_else(|| {
                self.wrong_at(price.line, &format!("`{key}.price.{name}` must be a number: USD per million tokens"))
            })
        };
        Ok(Some(Price { input: part("input")?, output: part("output")? }))
    }

    fn field(&self, key: &str, node: &Node, name: &str) -> Result<Option<String>> {
        match node.get(name).map(|it| (&it.kind, it.line)) {
            None => Ok(None),
            Some((NodeKind::Text(text), _)) => Ok(Some(text.clone())),
            Some((_, line)) => Err(self.wrong_at(line, &format!("`{key}.{name}` must be text"))),
        }
    }
}

/// Whether a key makes its map a single target: a target may also be named `model`, and then its value is a target.
fn is_form(entry: &Entry) -> bool {
    const PARTS: [&str; 4] = ["label", "scores", "interval", "ranking"];
    FORMS.contains(&entry.key.as_str())
        && match &entry.value.kind {
            NodeKind::Map(inner) => {
                entry.key == "predictions" && inner.iter().any(|it| PARTS.contains(&it.key.as_str()))
            }
            _ => true,
        }
}

fn object(node: Option<&Node>) -> Map<String, Value> {
    match node.map(Node::to_value) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
