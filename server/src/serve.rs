//! From a configuration to a server that listens, and back down again without losing anything.

use std::{future::Future, path::Path, path::PathBuf, pin::pin, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use axum::Router;
use gateway::{Gateway, Parts};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracking::{ArtifactOptions, Artifacts, Tracking};

use crate::{
    admin, app,
    config::{Listen, ServerConfig, TrackingMode},
    connections::{self, Limits},
    guard::Guard,
    recorder::{self, Recorder},
    reload::{self, Unread},
};

/// How a server ends once it is told to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stop {
    /// How long it still accepts while `/ready` says that it is stopping, so that load balancers turn away first.
    pub(crate) drain_delay: Duration,
    /// How long running requests may then take to finish.
    pub(crate) finish_timeout: Duration,
}

/// How long a collector may keep a server that is to stop from stopping.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the log tells of calls that were not recorded.
const DROPPED_CALLS_PERIOD: Duration = Duration::from_secs(10);

/// Runs a server to its end on a runtime of its own.
pub(crate) fn blocking(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start threads")?;
    runtime.block_on(server)?;
    // Work that outlived its request (a generation nobody reads) must not keep the process alive.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Tracking, gateway and UI on one port.
pub(crate) async fn everything(config: ServerConfig, stop: Stop) -> anyhow::Result<()> {
    // The cheap checks come first, so that a mistake leaves no file behind.
    config.check()?;
    let unread = config.gateway.as_deref().map(Unread::of).unwrap_or_default();
    let gateway_config = match config.gateway.as_deref() {
        Some(file) => Some(load_gateway_config(file)?),
        // Without a file there may still be endpoints in the database.
        None => config.has_administration().then(gateway::Config::of_environment).transpose()?,
    };
    let admin_options = config.has_administration().then(admin::options).transpose()?;
    let listener = bind(&config.listen()).await?;
    let artifacts = artifact_options(&config);
    // The configuration is wrong, not a request to the store, so the store's own error stops here.
    Artifacts::open(&artifacts)
        .map_err(|error| anyhow!("--artifacts-destination (artifacts_destination in the file): {error}"))?;
    // So do the models, which may be missing or broken.
    let (calls, recorded) = recorder::channel();
    let gateway = match gateway_config {
        Some(it) => Some(start_gateway(it, Parts { open_local: open_local(), calls: Some(calls) }).await?),
        None => None,
    };
    let database = Database::of(&config)?;
    let db = db::Db::open(&database.uri).await?;
    if let Some(gateway) = &gateway {
        gateway.use_database(db.clone()).await?;
        gateway.use_keys(db.clone()).await?;
        gateway.use_budgets(db.clone()).await?;
    }
    let tracking = Tracking::open(db.clone(), artifacts).await?.with_limits(config.limits.clone());
    let admin = admin_options.map(|it| admin::open(db, &tracking, it));
    if let (Some(admin), Some(gateway)) = (&admin, &gateway) {
        admin.serve(gateway).await;
    }
    let recorder =
        Recorder::start(&tracking, recorded, gateway.clone()).context("cannot start the recorder of calls")?;
    let dropped = gateway.clone().map(|it| AbortOnDropHandle::new(tokio::spawn(tell_dropped_calls(it))));
    let reloading = gateway.clone().map(|it| reload::watch(it, unread)).transpose()?;
    let draining = CancellationToken::new();
    let app = app::everything(tracking, gateway.clone(), admin, &config, draining.clone());
    serve(listener, app, config.static_prefix(), stop, draining).await?;
    drop((dropped, reloading));
    if let Some(gateway) = &gateway {
        export_the_rest(gateway).await;
    }
    recorder.finish().await;
    Ok(())
}

/// The database to open; a server of artifacts alone has one of its own that ends with it.
struct Database {
    uri: String,
    _folder: Option<TempDir>,
}

impl Database {
    fn of(config: &ServerConfig) -> anyhow::Result<Self> {
        match config.mode() {
            TrackingMode::Everything => Ok(Self { uri: config.backend_store_uri.clone(), _folder: None }),
            TrackingMode::ArtifactsOnly => {
                let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
                let uri = format!("sqlite:///{}", folder.path().join("nothing.db").display());
                Ok(Self { uri, _folder: Some(folder) })
            }
        }
    }
}

/// The gateway without records, with the endpoints of a file, of a database, or of both.
pub(crate) async fn gateway_alone(
    config: Option<PathBuf>,
    database: Option<String>,
    listen: Listen,
    guard: Guard,
    stop: Stop,
) -> anyhow::Result<()> {
    let unread = config.as_deref().map(Unread::of).unwrap_or_default();
    let config = config.as_deref().map(load_gateway_config).transpose()?;
    let config = config.map_or_else(gateway::Config::of_environment, Ok)?;
    let options = admin::options()?;
    let listener = bind(&listen).await?;
    let gateway = start_gateway(config, Parts { open_local: open_local(), calls: None }).await?;
    let db = match database {
        Some(uri) => Some(db::Db::open(&uri).await?),
        None => None,
    };
    if gateway.needs_database() {
        let db = db.clone().ok_or_else(|| {
            anyhow!(
                "the configuration says `store: database` of a cache, but there is no database; add `--db URI`, run \
                 `tidegate server` instead, or write `store: memory`"
            )
        })?;
        gateway.use_database(db).await?;
    }
    if let Some(db) = &db {
        gateway.use_keys(db.clone()).await?;
        gateway.use_budgets(db.clone()).await?;
    }
    let followed = db.map(|it| admin::endpoints_of(it, options));
    if let Some(admin) = &followed {
        admin.serve(&gateway).await;
    }
    let _reloading = reload::watch(gateway.clone(), unread)?;
    let draining = CancellationToken::new();
    serve(listener, app::gateway_alone(gateway.clone(), guard, draining.clone()), "", stop, draining).await?;
    export_the_rest(&gateway).await;
    Ok(())
}

fn load_gateway_config(file: &Path) -> anyhow::Result<gateway::Config> {
    Ok(gateway::Config::load(file)?)
}

/// Exports the spans that still wait, if that does not take too long.
async fn export_the_rest(gateway: &Gateway) {
    if tokio::time::timeout(EXPORT_TIMEOUT, gateway.flush()).await.is_err() {
        tracing::warn!("stopping without the spans that the collector did not take in time");
    }
}

/// Says in the log when calls found no room to be recorded.
async fn tell_dropped_calls(gateway: Gateway) {
    let mut told = 0;
    loop {
        tokio::time::sleep(DROPPED_CALLS_PERIOD).await;
        let dropped = gateway.dropped_calls();
        if dropped > told {
            tracing::warn!(dropped, "the database is slower than the calls: some were not recorded");
            told = dropped;
        }
    }
}

/// Loading a local model computes for a while, so it leaves the runtime's threads alone.
pub(crate) async fn start_gateway(config: gateway::Config, parts: Parts) -> anyhow::Result<Gateway> {
    let started = tokio::task::spawn_blocking(|| Gateway::start(config, parts)).await;
    Ok(started.map_err(|error| anyhow!("starting the gateway failed: {error}"))??)
}

/// What opens local models, in a binary that was built with them.
pub(crate) fn open_local() -> Option<gateway::OpenLocal> {
    #[cfg(feature = "local")]
    let opener = Some(crate::local::opener());
    #[cfg(not(feature = "local"))]
    let opener = None;
    opener
}

fn artifact_options(config: &ServerConfig) -> ArtifactOptions {
    ArtifactOptions::resolve(
        config.default_artifact_root.clone(),
        Some(config.artifacts_destination.clone()),
        config.serve_artifacts,
    )
}

async fn bind(listen: &Listen) -> anyhow::Result<TcpListener> {
    let Listen { host, port } = listen;
    TcpListener::bind((host.as_str(), *port)).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow!("port {port} on {host} is in use by another program; stop it, or choose another with --port (0 takes a free one)")
        }
        _ => anyhow!("cannot listen on `{host}`, port {port}: {error}; --host takes an address of this machine, such as 127.0.0.1"),
    })
}

/// Serves until the process is told to stop, then lets running requests finish.
async fn serve(
    listener: TcpListener,
    app: Router,
    prefix: &str,
    how: Stop,
    draining: CancellationToken,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("the listener has no address")?;
    // Before anyone is told that there is something to stop.
    let mut stop = StopSignals::listen().context("cannot listen for SIGINT and SIGTERM")?;
    // The one line that tells people and scripts that the server is ready; not a log line, so no filter hides it.
    eprintln!("tidegate listening on http://{address}{prefix}");
    let stopping = CancellationToken::new();
    let mut server = pin!(connections::serve(listener, app, Limits::default(), stopping.clone()));
    tokio::select! {
        () = server.as_mut() => return Ok(()),
        () = stop.next() => {}
    }
    draining.cancel();
    if !how.drain_delay.is_zero() {
        tracing::info!("stopping soon: /ready says so, requests are still taken");
        tokio::select! {
            () = server.as_mut() => return Ok(()),
            () = tokio::time::sleep(how.drain_delay) => {}
            () = stop.next() => {}
        }
    }
    tracing::info!("stopping: letting running requests finish");
    stopping.cancel();
    tokio::select! {
        () = server => return Ok(()),
        () = tokio::time::sleep(how.finish_timeout) => {}
        () = stop.next() => {}
    }
    tracing::warn!("stopping without waiting any longer");
    Ok(())
}

/// The signals that ask a server to stop; from `listen` on, none of them ends the process by itself.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves at the next of them.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
