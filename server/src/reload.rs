//! Another gateway configuration for a server that runs: when the file changes, and at SIGHUP.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use gateway::Gateway;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

/// How often the file is looked at. One look costs a few microseconds; people wait a second gladly.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// A configuration file as it was before it was read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unread(Option<Stamp>);

impl Unread {
    /// To be taken before the file is read: what is written to it from then on is seen.
    pub(crate) fn of(file: &Path) -> Self {
        Self(std::fs::metadata(file).ok().map(|it| stamp(&it)))
    }
}

/// Watches until the handle is dropped. A gateway without a file has nothing to watch.
pub(crate) fn watch(gateway: Gateway, unread: Unread) -> anyhow::Result<AbortOnDropHandle<()>> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    Ok(AbortOnDropHandle::new(tokio::spawn(async move {
        let file = gateway.file();
        let mut seen = Seen::default();
        seen.took_over(unread.0);
        loop {
            let is_asked = tokio::select! {
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK_PERIOD) => false,
            };
            let stamp = look(file.as_deref()).await;
            if seen.is_new(stamp) || is_asked {
                seen.took_over(stamp);
                reload(gateway.clone()).await;
            }
        }
    })))
}

/// Reads the file again, and says in the log what came of it.
async fn reload(gateway: Gateway) {
    // Opening local models computes for a while.
    match tokio::task::spawn_blocking(move || gateway.reload_file()).await {
        Ok(Ok(reloads)) => {
            tracing::info!(generation = reloads.generation, "another gateway configuration has taken over");
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "the gateway's new configuration is refused; the one before goes on");
        }
        Err(error) => tracing::error!(%error, "reading the gateway's configuration again failed"),
    }
}

/// What tells one version of a file from another without reading it: when it was written, its length, and which file
/// it is, since editors and Kubernetes put another one in its place.
type Stamp = (i64, i64, u64, u64);

/// `None` where there is no file just now.
async fn look(file: Option<&Path>) -> Option<Stamp> {
    tokio::fs::metadata(file?).await.ok().map(|it| stamp(&it))
}

fn stamp(it: &std::fs::Metadata) -> Stamp {
    (it.mtime(), it.mtime_nsec(), it.size(), it.ino())
}

/// The versions of the file that were looked at.
#[derive(Default)]
struct Seen {
    served: Option<Stamp>,
    last: Option<Stamp>,
}

impl Seen {
    /// Whether a version is another one than that which is served, and looked the same a moment ago: one that is still
    /// being written is left alone.
    fn is_new(&mut self, stamp: Option<Stamp>) -> bool {
        let is_settled = stamp.is_some() && stamp == self.last;
        self.last = stamp;
        is_settled && stamp != self.served
    }

    fn took_over(&mut self, stamp: Option<Stamp>) {
        self.served = stamp;
        self.last = stamp;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_counts_once_it_is_settled_and_only_once() {
        let stamp = |written| Some((written, 0, 10, 1));
        let mut seen = Seen::default();
        seen.took_over(stamp(1));
        assert!(!seen.is_new(stamp(1)));
        assert!(!seen.is_new(stamp(2)), "still being written");
        assert!(!seen.is_new(stamp(3)), "still being written");
        assert!(seen.is_new(stamp(3)));
        seen.took_over(stamp(3));
        assert!(!seen.is_new(stamp(3)));
        assert!(!seen.is_new(None), "between two versions there may be none");
        assert!(!seen.is_new(stamp(4)));
        assert!(seen.is_new(stamp(4)));
    }
}
