//! The server's configuration file, and what overrides it.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use tracking::Limits;

use crate::guard::{Frames, Guard};

/// A configuration file larger than this is no configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// More of a wrong line does not help who looks for the mistake in it.
const SHOWN_CHARS_MAX: usize = 100;

/// What `tidegate server` needs to know. Each key of the file has the name of its field.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerConfig {
    /// Address to listen on.
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one.
    pub(crate) port: u16,
    /// The database, as MLflow writes addresses.
    pub(crate) backend_store_uri: String,
    /// Where clients write the artifacts of new experiments; through this server where absent.
    pub(crate) default_artifact_root: Option<String>,
    /// Folder or bucket in which this server keeps artifacts.
    pub(crate) artifacts_destination: String,
    /// The gateway's configuration, relative to this file; no gateway where absent.
    pub(crate) gateway: Option<PathBuf>,
    /// Host names under which the server may be reached beside this machine's own and private addresses.
    pub(crate) allowed_hosts: Vec<String>,
    /// Origins of other sites' pages that may change things here.
    pub(crate) cors_allowed_origins: Vec<String>,
    /// Whether clients read and write artifacts through this server.
    pub(crate) serve_artifacts: bool,
    /// Whether it serves artifacts and nothing else.
    pub(crate) artifacts_only: bool,
    /// What all addresses begin with.
    pub(crate) static_prefix: Option<String>,
    /// Which sites may show this server's pages inside their own.
    pub(crate) x_frame_options: Frames,
    /// Whether every host and every page is listened to.
    pub(crate) disable_security_middleware: bool,
    /// Whether there shall be no gateway, whatever the file says.
    #[serde(skip)]
    pub(crate) no_gateway: bool,
    /// What `MLFLOW_*` variables set for MLflow's server and this one.
    #[serde(skip)]
    pub(crate) limits: Limits,
}

/// What a server keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrackingMode {
    /// Records and artifacts.
    Everything,
    /// Artifacts alone.
    ArtifactsOnly,
}

/// The database of a server that is told of none.
const DEFAULT_BACKEND_STORE: &str = "sqlite:///mlflow.db";

impl Default for ServerConfig {
    fn default() -> Self {
        let Listen { host, port } = Listen::default();
        Self {
            host,
            port,
            backend_store_uri: DEFAULT_BACKEND_STORE.to_owned(),
            default_artifact_root: None,
            artifacts_destination: "./mlartifacts".to_owned(),
            gateway: None,
            no_gateway: false,
            allowed_hosts: Vec::new(),
            cors_allowed_origins: Vec::new(),
            serve_artifacts: true,
            artifacts_only: false,
            static_prefix: None,
            x_frame_options: Frames::default(),
            disable_security_middleware: false,
            limits: Limits::default(),
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Listen {
    /// Address or host name.
    pub(crate) host: String,
    /// Port; 0 takes a free one.
    pub(crate) port: u16,
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 5000 }
    }
}

/// What flags and environment variables said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) backend_store_uri: Option<String>,
    pub(crate) default_artifact_root: Option<String>,
    pub(crate) artifacts_destination: Option<String>,
    pub(crate) gateway: Option<PathBuf>,
    pub(crate) no_gateway: bool,
    pub(crate) allowed_hosts: Option<Vec<String>>,
    pub(crate) cors_allowed_origins: Option<Vec<String>>,
    pub(crate) serve_artifacts: Option<bool>,
    pub(crate) artifacts_only: Option<bool>,
    pub(crate) static_prefix: Option<String>,
    pub(crate) x_frame_options: Option<Frames>,
    pub(crate) disable_security_middleware: Option<bool>,
    pub(crate) limits: Limits,
}

impl ServerConfig {
    /// Reads a file, or gives the defaults where none is named.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text = read(file)?;
        let mut config = Self::parse(&text).map_err(|words| anyhow!("{}{words}", file.display()))?;
        config.gateway = config.gateway.map(|it| file.parent().unwrap_or(Path::new("")).join(it));
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let Some(at) = error.location() else { return format!(": {}", error.without_snippet()) };
            let (line, column) = (at.line(), at.column());
            let shown =
                usize::try_from(line).ok().and_then(|it| text.lines().nth(it.checked_sub(1)?)).unwrap_or_default();
            let shown: String = shown.trim_start_matches('\u{feff}').trim().chars().take(SHOWN_CHARS_MAX).collect();
            let words = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
            // The place is told first, in the form that editors open.
            let words = words.rsplit_once(" at line ").map_or(words.as_str(), |(words, _)| words);
            let hint = nearest_key(words).map(|it| format!("; did you mean `{it}`?")).unwrap_or_default();
            format!(":{line}:{column}: `{shown}`: {}{hint}", plain(words))
        })
    }

    /// A flag or variable beats the file.
    pub(crate) fn with(self, over: Overrides) -> Self {
        Self {
            host: over.host.unwrap_or(self.host),
            port: over.port.unwrap_or(self.port),
            backend_store_uri: over.backend_store_uri.unwrap_or(self.backend_store_uri),
            default_artifact_root: over.default_artifact_root.or(self.default_artifact_root),
            artifacts_destination: over.artifacts_destination.unwrap_or(self.artifacts_destination),
            gateway: if over.no_gateway { None } else { over.gateway.or(self.gateway) },
            no_gateway: over.no_gateway,
            allowed_hosts: over.allowed_hosts.unwrap_or(self.allowed_hosts),
            cors_allowed_origins: over.cors_allowed_origins.unwrap_or(self.cors_allowed_origins),
            serve_artifacts: over.serve_artifacts.unwrap_or(self.serve_artifacts),
            artifacts_only: over.artifacts_only.unwrap_or(self.artifacts_only),
            static_prefix: over.static_prefix.or(self.static_prefix),
            x_frame_options: over.x_frame_options.unwrap_or(self.x_frame_options),
            disable_security_middleware: over.disable_security_middleware.unwrap_or(self.disable_security_middleware),
            limits: over.limits,
        }
    }

    /// Refuses what cannot be meant, in MLflow's words where it has some.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if let Some(prefix) = self.static_prefix.as_deref() {
            check_prefix(prefix)?;
        }
        if self.artifacts_only && self.backend_store_uri != DEFAULT_BACKEND_STORE {
            bail!(
                "You are starting a tracking server in `--artifacts-only` mode and have provided a value for \
                 `--backend-store-uri`. A tracking server in `--artifacts-only` mode cannot have a value set for \
                 `--backend-store-uri` to properly proxy access to the artifact storage location."
            );
        }
        if self.artifacts_only && !self.serve_artifacts {
            bail!("--artifacts-only with --no-serve-artifacts leaves nothing to serve; leave one of them out");
        }
        Ok(())
    }

    /// What the server keeps.
    pub(crate) fn mode(&self) -> TrackingMode {
        if self.artifacts_only { TrackingMode::ArtifactsOnly } else { TrackingMode::Everything }
    }

    /// Whether endpoints are administered in the database.
    pub(crate) fn has_administration(&self) -> bool {
        !self.no_gateway && !self.artifacts_only
    }

    /// What all addresses begin with; empty for nothing.
    pub(crate) fn static_prefix(&self) -> &str {
        self.static_prefix.as_deref().unwrap_or_default()
    }

    /// Whom to listen to.
    pub(crate) fn guard(&self) -> Guard {
        Guard {
            is_on: !self.disable_security_middleware,
            allowed_hosts: self.allowed_hosts.clone(),
            allowed_origins: self.cors_allowed_origins.clone(),
            frames: self.x_frame_options,
        }
    }

    /// Which sites may show the pages; all where nobody is refused anything.
    pub(crate) fn frames(&self) -> Frames {
        if self.disable_security_middleware { Frames::None } else { self.x_frame_options }
    }

    /// Where to listen.
    pub(crate) fn listen(&self) -> Listen {
        Listen { host: self.host.clone(), port: self.port }
    }
}

/// A prefix is one path, and MLflow says what is wrong with it in these words.
fn check_prefix(prefix: &str) -> anyhow::Result<()> {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "/-._~".contains(it);
    if !prefix.starts_with('/') {
        bail!("--static-prefix must begin with a '/'. Got `{prefix}`.");
    }
    if prefix.ends_with('/') {
        bail!("--static-prefix should not end with a '/'. Got `{prefix}`.");
    }
    if !prefix.chars().all(is_plain) || prefix.contains("//") || prefix.split('/').any(|it| it == "." || it == "..") {
        bail!("--static-prefix takes a plain path such as /mlflow. Got `{prefix}`.");
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<String> {
    let shown = file.display();
    let mut text = String::new();
    // The length that a device or a pipe claims says nothing, so what is read is counted.
    File::open(file)
        .and_then(|it| it.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .with_context(|| format!("cannot read the configuration {shown}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        bail!("the configuration {shown} has more than {FILE_BYTES_MAX} bytes. Is it the right file?");
    }
    Ok(text)
}

/// What serde says of a wrong value, in the words of the file's author.
fn plain(words: &str) -> &str {
    match words {
        "invalid u16" => "this must be a whole number from 0 to 65535",
        "expected mapping start" => "this must be keys with values, such as `port: 5000`",
        "expected sequence start" => "this must be a list, such as `[a, b]`",
        "null is not allowed here" => "the value is missing; write one, or leave the key out for its default",
        _ => words,
    }
}

/// The known key nearest to the unknown one, from serde's words: "unknown field `prot`, expected one of host, port".
fn nearest_key(words: &str) -> Option<&str> {
    let (unknown, known) = words.strip_prefix("unknown field `")?.split_once("`, expected one of ")?;
    known
        .split(", ")
        .map(|it| (strsim::damerau_levenshtein(unknown, it), it))
        .min()
        .filter(|(edits, _)| *edits <= 3)
        .map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let check = |config: ServerConfig, expect: &str| {
            let words = config.check().unwrap_err().to_string();
            assert!(words.contains(expect), "{words}");
        };
        let with_prefix =
            |prefix: &str| ServerConfig { static_prefix: Some(prefix.to_owned()), ..ServerConfig::default() };
        check(with_prefix("mlflow"), "must begin with a '/'");
        check(with_prefix("/mlflow/"), "should not end with a '/'");
        check(with_prefix("/"), "should not end with a '/'");
        check(with_prefix("/{x}"), "plain path");
        check(with_prefix("/a/../b"), "plain path");
        with_prefix("/team-a/ml_flow").check().unwrap();
        let artifacts_only = ServerConfig { artifacts_only: true, ..ServerConfig::default() };
        artifacts_only.check().unwrap();
        check(
            ServerConfig { backend_store_uri: "sqlite:///x.db".to_owned(), ..artifacts_only.clone() },
            "artifacts-only",
        );
        check(ServerConfig { serve_artifacts: false, ..artifacts_only }, "nothing to serve");
    }

    #[test]
    fn a_flag_beats_the_file() {
        let file = ServerConfig::parse("port: 5001\nhost: 0.0.0.0\ngateway: g.yaml").unwrap();
        let over = Overrides { port: Some(0), no_gateway: true, ..Overrides::default() };
        let expect = ServerConfig { host: "0.0.0.0".to_owned(), port: 0, no_gateway: true, ..ServerConfig::default() };
        assert_eq!(file.with(over), expect);
    }

    #[test]
    fn mistakes_name_line_key_and_value() {
        let check = |text: &str, expect: &[&str]| {
            let words = ServerConfig::parse(text).unwrap_err();
            for it in expect {
                assert!(words.contains(it), "{text:?}: {words}");
            }
        };
        check("host: x\nprot: 5000", &[":2:1", "`prot`", "did you mean `port`?"]);
        check("port: many", &[":1:7", "many"]);
        check("port: 70000", &[":1:7", "70000", "from 0 to 65535"]);
        check("host:", &[":1:5", "value is missing"]);
        check("allowed_hosts: x", &["allowed_hosts", "list"]);
        check("host: a\nhost: b", &[":2:1", "duplicate", "`host`"]);
        check("- a", &["`port: 5000`"]);
        check("port: [", &[":1:"]);
        assert_eq!(ServerConfig::parse("# nothing\n").unwrap(), ServerConfig::default());
    }
}
