//! What the command line changes in a suite.

use yaml::{Kind, Node};

use crate::{Error, Result};

/// The command line's part of a suite: `--set`, `--only`, `--limit`, `--tracking`, `--no-cache`.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--set a.b=value`, each as typed.
    pub set: Vec<String>,
    /// `--only target=name` or `--only prompt=name`, each as typed.
    pub only: Vec<String>,
    /// `--limit n`: the first n rows.
    pub limit: Option<usize>,
    /// `--tracking URI`: where results are recorded.
    pub tracking: Option<String>,
    /// `--no-cache`: neither read nor write kept answers.
    pub no_cache: bool,
}

impl Overrides {
    pub(super) fn apply(&self, document: &mut Node) -> Result<()> {
        if !matches!(document.kind, Kind::Map(_)) {
            return Ok(()); // The schema check says what is expected instead.
        }
        for assignment in &self.set {
            let (path, value) = assignment.split_once('=').filter(|it| !it.0.is_empty()).ok_or_else(|| {
                Error::Config(format!(
                    "--set {assignment}: expected `key=value`, for example `--set run.concurrency=8`"
                ))
            })?;
            let value = Node::parse(value)
                .map_err(|error| Error::Config(format!("--set {path}: not valid YAML: {}", error.without_snippet())))?;
            Self::put(document, path, value)?;
        }
        if let Some(limit) = self.limit {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            Self::put(document, "data.limit", Node { line: 0, kind: Kind::Int(limit) })?;
        }
        if let Some(tracking) = &self.tracking {
            Self::put(document, "output.tracking", Node { line: 0, kind: Kind::Text(tracking.clone()) })?;
        }
        if self.no_cache {
            Self::put(document, "run.cache", Node { line: 0, kind: Kind::Bool(false) })?;
            Self::put(document, "run.resume", Node { line: 0, kind: Kind::Bool(false) })?;
        }
        Ok(())
    }

    fn put(document: &mut Node, path: &str, value: Node) -> Result<()> {
        // `data: file.csv` is the short form of `data: {source: file.csv}`; setting a key of it needs the long one.
        if path.starts_with("data.")
            && let Some(source) = document.get("data").cloned()
            && matches!(source.kind, Kind::Text(_) | Kind::List(_))
        {
            let long = Node { line: source.line, kind: Kind::Map(Vec::new()) };
            document
                .set(&["data"], long)
                .and_then(|()| document.set(&["data", "source"], source))
                .map_err(Error::Config)?;
        }
        let keys: Vec<&str> = path.split('.').collect();
        document.set(&keys, value.without_lines()).map_err(|it| Error::Config(format!("--set {path}: {it}")))
    }

    /// `--only` as pairs of axis and name.
    pub(super) fn filters(&self) -> Result<Vec<(String, String)>> {
        let pair = |it: &String| match it.split_once('=') {
            Some((axis @ ("target" | "prompt"), name)) => Ok((axis.to_owned(), name.to_owned())),
            _ => Err(Error::Config(format!("--only {it}: expected `target=NAME` or `prompt=NAME`"))),
        };
        self.only.iter().map(pair).collect()
    }
}
