//! The `data` section.

use std::path::Path;

use serde_json::{Map, Value};
use yaml::{Kind, Node};

use super::super::refuse::unsupported;
use super::Builder;
use crate::Result;
use crate::dataset::{Data, Format, Missing, Roles, Sample, Source};

impl Builder<'_> {
    pub(super) fn data(&self) -> Result<Data> {
        let node = self.document.get("data").expect("the schema requires `data`");
        let source = if matches!(node.kind, Kind::Map(_)) { node.get("source").unwrap_or(node) } else { node };
        Ok(Data {
            source: self.source(source)?,
            limit: self.count("data.limit"),
            shuffle: match self.document.at("data.shuffle").map(|it| &it.kind) {
                Some(Kind::Bool(true)) => Some(self.seed("run.seed").unwrap_or(0)),
                Some(Kind::Int(seed)) => Some(seed.cast_unsigned()),
                _ => None,
            },
            sample: match self.document.at("data.sample").map(|it| &it.kind) {
                Some(Kind::Int(_)) => Some(Sample { n: self.count("data.sample").unwrap_or(0), seed: 0 }),
                Some(Kind::Map(_)) => Some(Sample {
                    n: self.count("data.sample.n").unwrap_or(0),
                    seed: self.seed("data.sample.seed").unwrap_or(0),
                }),
                _ => None,
            },
            roles: self.roles()?,
            positive: self.document.at("data.positive").map(Node::to_value),
            labels: match self.document.at("data.labels").map(Node::to_value) {
                Some(Value::Array(labels)) => Some(labels),
                _ => None,
            },
            missing: match self.text("data.missing") {
                Some("drop") => Missing::Drop,
                Some("keep") => Missing::Keep,
                _ => Missing::Error,
            },
        })
    }

    fn source(&self, node: &Node) -> Result<Source> {
        match &node.kind {
            Kind::Text(text) => self.file(text, node.line),
            Kind::List(items) => {
                if items.iter().any(|it| !matches!(it.kind, Kind::Map(_))) {
                    let what = "several files; join them into one";
                    return Err(unsupported(self.path, node.line, "data.source: [list]", what));
                }
                let row = |it: &Node| match it.to_value() {
                    Value::Object(row) => row,
                    _ => Map::new(),
                };
                Ok(Source::Inline(items.iter().map(row).collect()))
            }
            _ => Err(self.wrong_at(node.line, "`data.source` must be a path or a list of rows")),
        }
    }

    fn file(&self, text: &str, line: u64) -> Result<Source> {
        const LATER: [(&str, &str); 4] = [
            ("s3://", "reading from S3; download the file first"),
            ("mlflow:", "MLflow evaluation datasets as rows"),
            ("hf:", "Hugging Face folders as rows"),
            ("traces:", "stored traces as rows"),
        ];
        for (prefix, what) in LATER {
            if text.starts_with(prefix) {
                return Err(unsupported(self.path, line, &format!("data.source: {prefix}…"), what));
            }
        }
        if text.contains(['*', '?']) {
            return Err(unsupported(self.path, line, "data.source: glob", "several files by a pattern; name one file"));
        }
        let path = self.relative(text);
        let format = match self.text("data.format") {
            Some("csv") => Some(Format::Csv),
            Some("tsv") => Some(Format::Tsv),
            Some("json") => Some(Format::Json),
            Some("jsonl") => Some(Format::Jsonl),
            _ => Format::of(&path),
        };
        if format.is_none() && Path::new(text).extension().is_some_and(|it| it == "parquet" || it == "arrow") {
            let what = "reading this format; use csv, tsv, json or jsonl";
            return Err(unsupported(self.path, line, &format!("data.source: {text}"), what));
        }
        let format = format.ok_or_else(|| {
            let message = format!(
                "`data.source`: the ending of `{text}` tells no format; set data.format to csv, tsv, json or jsonl"
            );
            self.wrong_at(line, &message)
        })?;
        Ok(Source::File { path, format })
    }

    fn roles(&self) -> Result<Roles> {
        let role = |name: &str| self.text(&format!("data.roles.{name}")).map(ToOwned::to_owned);
        let mut expected = role("expected");
        if let Some(Node { line, kind: Kind::List(items) }) = self.document.at("data.roles.expected") {
            match items.as_slice() {
                [Node { kind: Kind::Text(one), .. }] => expected = Some(one.clone()),
                _ => {
                    return Err(unsupported(
                        self.path,
                        *line,
                        "data.roles.expected: [list]",
                        "several references a row",
                    ));
                }
            }
        }
        Ok(Roles { id: role("id"), expected, weight: role("weight") })
    }
}
