//! Where PostgreSQL is and how to connect to it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio_postgres::{CancelToken, Client, Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    error::words,
    insert::ColumnTypes,
    tls::{self, Trust},
};
use crate::{
    Error, Result,
    server::{CONNECT_TIMEOUT, KEEPALIVE, LOCK_TIMEOUT_S},
    uri::ServerUri,
};

/// Where a server listens when the address names no host, as its own clients look for it.
const SOCKET_FOLDER: &str = "/var/run/postgresql";

/// What is needed to connect, and what is known of the tables.
pub(crate) struct Options {
    config: Config,
    tls: MakeRustlsConnect,
    types: Mutex<HashMap<String, ColumnTypes>>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("postgres::Options").field("hosts", &self.config.get_hosts()).finish_non_exhaustive()
    }
}

impl Options {
    /// Reads an address.
    pub(super) fn of(uri: &ServerUri) -> Result<Self> {
        let mut config = Config::new();
        config.application_name("tidegate").connect_timeout(CONNECT_TIMEOUT).keepalives_idle(KEEPALIVE);
        let mut host = uri.host.clone();
        let mut port = uri.port;
        let mut ssl_mode = "prefer";
        let mut roots = None;
        if let Some(user) = &uri.user {
            config.user(user);
        }
        if let Some(password) = &uri.password {
            config.password(password);
        }
        if let Some(database) = &uri.database {
            config.dbname(database);
        }
        let mut settings = String::new();
        for (name, value) in &uri.options {
            match name.as_str() {
                "host" => host = Some(value.clone()),
                "port" => port = Some(uri.number(name, value)?),
                "user" => drop(config.user(value)),
                "password" => drop(config.password(value)),
                "dbname" => drop(config.dbname(value)),
                "application_name" => drop(config.application_name(value)),
                "options" => settings.clone_from(value),
                "connect_timeout" => {
                    let seconds: u64 = uri.number(name, value)?;
                    // As in the server's own clients 0 means no limit; ours then keeps its own.
                    if seconds > 0 {
                        config.connect_timeout(Duration::from_secs(seconds));
                    }
                }
                "keepalives" => drop(config.keepalives(value != "0")),
                "keepalives_idle" => drop(config.keepalives_idle(Duration::from_secs(uri.number(name, value)?))),
                "sslmode" => ssl_mode = value,
                "sslrootcert" => roots = Some(value.as_str()).filter(|it| *it != "system"),
                "client_encoding" if ["utf8", "utf-8"].contains(&value.to_lowercase().as_str()) => {}
                _ => return Err(uri.unknown_option(name)),
            }
        }
        let (mode, trust) = match ssl_mode {
            "disable" => (SslMode::Disable, Trust::Any),
            "allow" | "prefer" => (SslMode::Prefer, Trust::Any),
            // With authorities of one's own `require` checks them, as in the server's own clients.
            "require" if roots.is_some() => (SslMode::Require, Trust::Authority),
            "require" => (SslMode::Require, Trust::Any),
            "verify-ca" => (SslMode::Require, Trust::Authority),
            "verify-full" => (SslMode::Require, Trust::Name),
            other => {
                return Err(Error::Uri(format!(
                    "`sslmode={other}` in the database address {} is none of disable, allow, prefer, require, verify-ca, \
                     verify-full",
                    uri.shown
                )));
            }
        };
        config.ssl_mode(mode);
        // A statement that waits for a lock answers in the end, whoever holds it.
        config.options(format!("{settings} -c lock_timeout={LOCK_TIMEOUT_S}s").trim_start());
        let socket = || std::path::Path::new(SOCKET_FOLDER).is_dir().then(|| SOCKET_FOLDER.to_owned());
        config.host(host.or_else(socket).unwrap_or_else(|| "localhost".to_owned()));
        config.port(port.unwrap_or(5432));
        let tls = MakeRustlsConnect::new(tls::config(trust, roots)?);
        Ok(Self { config, tls, types: Mutex::default() })
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> Result<Client> {
        let connected = self.config.connect(self.tls.clone()).await;
        let (client, connection) = connected.map_err(|error| match error.code().map(|it| &it.code()[..2]) {
            // A wrong user, password or database name stays wrong.
            Some("28" | "3D" | "42") => Error::driver(words(&error)),
            _ => Error::Unavailable(words(&error)),
        })?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = words(&error), "a connection to the database ended");
            }
        });
        Ok(client)
    }

    /// Asks the server to stop a statement.
    pub(super) async fn cancel(&self, statement: CancelToken) {
        if let Err(error) = statement.cancel_query(self.tls.clone()).await {
            tracing::debug!(error = words(&error), "a statement could not be cancelled");
        }
    }

    pub(super) fn has_types(&self, table: &str) -> bool {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).contains_key(table)
    }

    pub(super) fn set_types(&self, table: &str, types: ColumnTypes) {
        self.types.lock().unwrap_or_else(PoisonError::into_inner).insert(table.to_owned(), types);
    }

    pub(super) fn with_types<T>(&self, table: &str, read: impl FnOnce(&ColumnTypes) -> T) -> T {
        read(self.types.lock().unwrap_or_else(PoisonError::into_inner).entry(table.to_owned()).or_default())
    }
}
