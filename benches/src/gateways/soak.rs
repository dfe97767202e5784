//! Memory under a long load and under many slow streams.

use std::time::Duration;

use anyhow::Result;

use super::body::Form;
use super::contestant::Contestant;
use crate::client::{count, hold, send_many};
use crate::mock;
use crate::table::{Table, figure};

/// Calls of the soak, and how often its memory is read.
const CALLS: usize = 200_000;
const BETWEEN: usize = 50_000;
const CONNECTIONS: usize = 32;

/// Streams that are open at once.
const STREAMS: usize = 1_000;
/// When their memory is read: all of them are open, and none has ended.
const SETTLE: Duration = Duration::from_secs(3);

/// Resident memory while [`CALLS`] calls go through.
pub(super) fn soak() -> Result<Table> {
    let upstream = mock::start()?;
    let mut table =
        Table::new("Memory under a long load of 1 KiB chats, 32 connections", &["what", "calls", "RSS MiB"]);
    for contestant in [Contestant::Tidegate, Contestant::TidegateFull] {
        let folder = tempfile::tempdir()?;
        let group = contestant.start(upstream, folder.path())?;
        let call = contestant.call(Form::Chat, upstream)?;
        for done in (BETWEEN..=CALLS).step_by(BETWEEN) {
            send_many(group.address, CONNECTIONS, BETWEEN, &call)?;
            table.row(contestant.name(), [done.to_string(), figure(group.tree.resident_mib()?)]);
        }
        group.stop()?;
    }
    Ok(table)
}

/// Resident memory while [`STREAMS`] callers read answers that come slowly.
pub(super) fn slow_streams() -> Result<Table> {
    let upstream = mock::start_slow()?;
    let mut table =
        Table::new("Memory under many slow streams", &["what", "open streams", "RSS MiB before", "RSS MiB"]);
    for contestant in [Contestant::Nginx, Contestant::Tidegate, Contestant::TidegateFull] {
        if contestant.program()?.is_none() {
            super::skip(contestant);
            continue;
        }
        let folder = tempfile::tempdir()?;
        let group = contestant.start(upstream, folder.path())?;
        let before = group.tree.resident_mib()?;
        let tree = group.tree;
        let (open, during) =
            hold(group.address, STREAMS, &contestant.call(Form::Stream, upstream)?, SETTLE, move || {
                tree.resident_mib()
            })?;
        table.row(contestant.name(), [figure(count(open)), figure(before), figure(during?)]);
        group.stop()?;
    }
    Ok(table)
}
