//! Where MySQL is and how to connect to it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use mysql_async::{ClientIdentity, Conn, Error as DriverError, Opts, OptsBuilder, SslOpts, prelude::Queryable};

use super::error;
use crate::{
    Error, Result,
    server::{CONNECT_TIMEOUT, KEEPALIVE, LOCK_TIMEOUT_S, STATEMENTS_KEPT},
    uri::ServerUri,
};

/// What is needed to connect.
pub(crate) struct Options {
    /// Holds the password, which the driver would show.
    driver: Opts,
    connect_timeout: Duration,
    /// Whether the server is a MariaDB, which takes many rows for one statement at once.
    has_bulk: AtomicBool,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("mysql::Options").field("host", &self.driver.ip_or_hostname()).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads an address.
    pub(super) fn of(uri: &ServerUri) -> Result<Self> {
        let mut host = uri.host.clone();
        let mut port = uri.port;
        let mut socket = None;
        let mut connect_timeout = CONNECT_TIMEOUT;
        let mut tls = Tls::from_environment();
        for (name, value) in &uri.options {
            match name.as_str() {
                "host" => host = Some(value.clone()),
                "port" => port = Some(uri.number(name, value)?),
                "unix_socket" => socket = Some(value.clone()),
                "connect_timeout" => connect_timeout = Duration::from_secs(uri.number::<u64>(name, value)?.max(1)),
                "charset" if value.to_lowercase().starts_with("utf8") => {}
                // Bytes in, text out: what the driver does anyway.
                "binary_prefix" | "use_unicode" | "local_infile" | "autocommit" => {}
                _ if tls.set(name, value, uri)? => {}
                _ => return Err(uri.unknown_option(name)),
            }
        }
        let driver = OptsBuilder::default()
            .ip_or_hostname(host.unwrap_or_else(|| "localhost".to_owned()))
            .tcp_port(port.unwrap_or(3306))
            .socket(socket)
            .prefer_socket(false)
            .user(uri.user.clone())
            .pass(uri.password.clone())
            .db_name(uri.database.clone())
            .tcp_keepalive(Some(KEEPALIVE))
            .stmt_cache_size(STATEMENTS_KEPT)
            .ssl_opts(tls.options())
            .setup(vec![session_settings()]);
        Ok(Self { driver: driver.into(), connect_timeout, has_bulk: AtomicBool::new(false) })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Conn> {
        let connected = tokio::time::timeout(self.connect_timeout, Conn::new(self.driver.clone())).await;
        let mut connection = connected
            .map_err(|_| {
                let waited = self.connect_timeout.as_secs();
                Error::Unavailable(format!("the server did not answer within {waited} s"))
            })?
            .map_err(|error| match &error {
                // A wrong user, password or database name stays wrong.
                DriverError::Server(said) if [1044, 1045, 1049, 1698].contains(&said.code) => Error::driver(error),
                _ => Error::Unavailable(error.to_string()),
            })?;
        let version: Option<String> = connection.query_first("SELECT VERSION()").await.map_err(error::translate)?;
        self.has_bulk.store(version.is_some_and(|it| it.contains("MariaDB")), Ordering::Relaxed);
        Ok(connection)
    }

    /// Asks the server to stop what a connection does.
    pub(super) async fn cancel(&self, connection_id: u32) {
        let Ok(mut connection) = self.connect().await else { return };
        if let Err(error) = connection.query_drop(format!("KILL {connection_id}")).await {
            tracing::debug!(%error, "a statement could not be cancelled");
        }
        // The server notices a connection that is only dropped, too.
        let _ = connection.disconnect().await;
    }

    pub(super) fn has_bulk(&self) -> bool {
        self.has_bulk.load(Ordering::Relaxed)
    }
}

/// Names in double quotes, `||` joins texts, 0 is a number like others (the experiment `Default` has it), nothing is cut
/// silently; each statement sees what was committed before it; messages that are read are in English.
fn session_settings() -> String {
    format!(
        "SET NAMES utf8mb4, \
         SESSION sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,\
         ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', \
         SESSION lc_messages = 'en_US', \
         SESSION innodb_lock_wait_timeout = {LOCK_TIMEOUT_S}; \
         SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
    )
}

/// What the address says of TLS.
#[derive(Default)]
struct Tls {
    is_wanted: bool,
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    skips_names: bool,
    skips_all: bool,
    is_disabled: bool,
}

impl Tls {
    /// The variables that MLflow reads, too.
    fn from_environment() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        Self {
            authorities: path("MLFLOW_MYSQL_SSL_CA"),
            certificate: path("MLFLOW_MYSQL_SSL_CERT"),
            key: path("MLFLOW_MYSQL_SSL_KEY"),
            ..Self::default()
        }
    }

    /// Takes an option; false if it is none of TLS.
    fn set(&mut self, name: &str, value: &str, uri: &ServerUri) -> Result<bool> {
        let is_true = ["true", "1", "yes", "on"].contains(&value.to_lowercase().as_str());
        match name {
            "ssl_ca" => self.authorities = Some(value.into()),
            "ssl_cert" => self.certificate = Some(value.into()),
            "ssl_key" => self.key = Some(value.into()),
            "ssl" => (self.is_wanted, self.skips_all) = (is_true, true),
            "ssl_disabled" => self.is_disabled = is_true,
            "ssl_check_hostname" | "ssl_verify_identity" => (self.is_wanted, self.skips_names) = (true, !is_true),
            "ssl_verify_cert" => (self.is_wanted, self.skips_all) = (true, !is_true),
            "ssl_mode" => match value.to_uppercase().as_str() {
                "DISABLED" => self.is_disabled = true,
                "PREFERRED" | "REQUIRED" => (self.is_wanted, self.skips_all) = (true, true),
                "VERIFY_CA" => (self.is_wanted, self.skips_names) = (true, true),
                "VERIFY_IDENTITY" => self.is_wanted = true,
                _ => {
                    return Err(Error::Uri(format!(
                        "`ssl_mode={value}` in the database address {} is none of DISABLED, PREFERRED, REQUIRED, \
                         VERIFY_CA, VERIFY_IDENTITY",
                        uri.shown
                    )));
                }
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn options(self) -> Option<SslOpts> {
        let is_wanted = self.is_wanted || self.authorities.is_some() || self.certificate.is_some();
        if self.is_disabled || !is_wanted {
            return None;
        }
        let mut options = SslOpts::default()
            .with_danger_skip_domain_validation(self.skips_names || self.skips_all)
            .with_danger_accept_invalid_certs(self.skips_all);
        if let Some(file) = self.authorities {
            options = options.with_root_certs(vec![file.into()]).with_disable_built_in_roots(true);
        }
        if let (Some(certificate), Some(key)) = (self.certificate, self.key) {
            options = options.with_client_identity(Some(ClientIdentity::new(certificate.into(), key.into())));
        }
        Some(options)
    }
}
