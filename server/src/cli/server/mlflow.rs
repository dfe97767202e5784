//! Flags and variables of `mlflow server` that a start script may carry along: heeded, needless here, or refused.

use anyhow::bail;
use clap::builder::BoolishValueParser;
use tracking::Limits;

use crate::config::ServerConfig;

/// Flags that mean something to `mlflow server` and nothing of its own to this one.
#[derive(Debug, clap::Args)]
#[group(id = "mlflow")]
#[command(next_help_heading = "Accepted for scripts that start `mlflow server`")]
pub(super) struct Args {
    /// Processes; not needed, this one uses all cores.
    #[arg(short, long, value_name = "N", env = "MLFLOW_WORKERS")]
    workers: Option<String>,
    /// Where registered models live; it can only be the backend store.
    #[arg(long, value_name = "URI", env = "MLFLOW_REGISTRY_STORE_URI")]
    registry_store_uri: Option<String>,
    /// Options of a Python server; without effect.
    #[arg(long, value_name = "TEXT", env = "MLFLOW_GUNICORN_OPTS", allow_hyphen_values = true)]
    gunicorn_opts: Option<String>,
    /// Options of a Python server; without effect.
    #[arg(long, value_name = "TEXT", env = "MLFLOW_UVICORN_OPTS", allow_hyphen_values = true)]
    uvicorn_opts: Option<String>,
    /// Options of a Python server; without effect.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    waitress_opts: Option<String>,
    /// Reload of Python code; without effect.
    #[arg(long)]
    dev: bool,
    /// Seconds that secrets are kept in memory; without effect, none are.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(10..=300))]
    secrets_cache_ttl: Option<u16>,
    /// Secrets that are kept in memory; without effect, none are.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    secrets_cache_max_size: Option<u16>,
    /// One workspace for all, as it is.
    #[arg(long)]
    disable_workspaces: bool,
    /// Not offered.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true,
        value_name = "BOOL", value_parser = BoolishValueParser::new(), env = "MLFLOW_ENABLE_WORKSPACES")]
    enable_workspaces: Option<bool>,
    /// Not offered.
    #[arg(long, value_name = "URI", env = "MLFLOW_WORKSPACE_STORE_URI")]
    workspace_store_uri: Option<String>,
    /// Not offered.
    #[arg(long, value_name = "URI", env = "MLFLOW_READ_REPLICA_BACKEND_STORE_URI")]
    read_replica_backend_store_uri: Option<String>,
    /// Not offered.
    #[arg(long, value_name = "NAME")]
    app_name: Option<String>,
    /// Not offered.
    #[arg(long, value_name = "FOLDER", env = "MLFLOW_EXPOSE_PROMETHEUS")]
    expose_prometheus: Option<String>,
    /// Not offered.
    #[arg(long, value_name = "FILE", env = "MLFLOW_TRACE_ARCHIVAL_CONFIG")]
    trace_archival_config: Option<String>,
}

impl Args {
    /// Refuses what would change what the server does and is not offered; tells of what has no effect.
    pub(super) fn check(&self, config: &ServerConfig) -> anyhow::Result<()> {
        // A database's address may hold its password, so messages do not repeat it.
        if self.registry_store_uri.as_ref().is_some_and(|it| *it != config.backend_store_uri) {
            bail!(
                "--registry-store-uri (MLFLOW_REGISTRY_STORE_URI) names another database than --backend-store-uri; \
                 Tidegate keeps registered models with the rest, so leave it out or give both the same value"
            );
        }
        if self.enable_workspaces.unwrap_or_default() && !self.disable_workspaces {
            bail!(
                "--enable-workspaces (MLFLOW_ENABLE_WORKSPACES) is not offered: Tidegate has one workspace; leave it out"
            );
        }
        if let Some(name) = &self.app_name {
            bail!(
                "--app-name {name} is not offered: Tidegate asks nobody for a password; leave it out, and put a proxy \
                 that does in front where strangers can reach the server"
            );
        }
        let refused = [
            (
                &self.read_replica_backend_store_uri,
                "--read-replica-backend-store-uri (MLFLOW_READ_REPLICA_BACKEND_STORE_URI)",
            ),
            (&self.expose_prometheus, "--expose-prometheus (MLFLOW_EXPOSE_PROMETHEUS)"),
            (&self.trace_archival_config, "--trace-archival-config (MLFLOW_TRACE_ARCHIVAL_CONFIG)"),
        ];
        if let Some((_, flag)) = refused.iter().find(|(value, _)| value.is_some()) {
            bail!("{flag} is not offered by this version of Tidegate; leave it out");
        }
        if let Some(workers) = self.workers.as_deref()
            && workers.parse::<u32>().is_err()
        {
            bail!("--workers takes a number, not `{workers}`; or leave it out, one process uses all cores");
        }
        let idle = [
            ("--workers", self.workers.is_some()),
            ("--gunicorn-opts", self.gunicorn_opts.is_some()),
            ("--uvicorn-opts", self.uvicorn_opts.is_some()),
            ("--waitress-opts", self.waitress_opts.is_some()),
            ("--dev", self.dev),
            ("--secrets-cache-ttl", self.secrets_cache_ttl.is_some()),
            ("--secrets-cache-max-size", self.secrets_cache_max_size.is_some()),
            ("--workspace-store-uri", self.workspace_store_uri.is_some()),
        ];
        for (flag, _) in idle.iter().filter(|(_, is_given)| *is_given) {
            tracing::warn!(flag, "has no effect here: it is about MLflow's Python processes");
        }
        Ok(())
    }
}

/// The limits that MLflow's server takes from variables.
pub(super) fn limits(variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Limits> {
    let mut limits = Limits::default();
    for (name, choice) in [
        ("MLFLOW_TRUNCATE_LONG_VALUES", &mut limits.truncate_long_values),
        ("MLFLOW_ENABLE_AI_GATEWAY", &mut limits.has_gateway),
    ] {
        if let Some(text) = variable(name) {
            *choice = match text.to_ascii_lowercase().as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => bail!("{name} must be true or false, not `{text}`"),
            };
        }
    }
    for (name, limit) in [
        ("MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH", &mut limits.artifact_location_chars_max),
        ("MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS", &mut limits.graphql_root_fields_max),
        ("MLFLOW_SERVER_GRAPHQL_MAX_ALIASES", &mut limits.graphql_aliases_max),
    ] {
        if let Some(text) = variable(name) {
            let Ok(number) = text.parse() else { bail!("{name} must be a whole number, not `{text}`") };
            *limit = number;
        }
    }
    if let Some(text) = variable("MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES") {
        limits.host_schemes_allowed = text.split(',').map(|it| it.trim().to_owned()).collect();
    }
    Ok(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_from_variables_and_nonsense_is_named() {
        let check = |name: &'static str, text: &str| {
            let text = text.to_owned();
            limits(move |asked| (asked == name).then(|| text.clone()))
        };
        assert!(!check("MLFLOW_TRUNCATE_LONG_VALUES", "False").unwrap().truncate_long_values);
        assert!(!check("MLFLOW_ENABLE_AI_GATEWAY", "0").unwrap().has_gateway);
        assert_eq!(check("MLFLOW_SERVER_GRAPHQL_MAX_ALIASES", "3").unwrap().graphql_aliases_max, 3);
        assert_eq!(limits(|_| None).unwrap(), Limits::default());
        let words = check("MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH", "long").unwrap_err().to_string();
        assert_eq!(words, "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH must be a whole number, not `long`");
    }
}
