//! How long after a caller has left a stream its provider is left, too.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::body::Form;
use super::contestant::Contestant;
use crate::client::Call;
use crate::mock;
use crate::table::{Table, figure};

/// Callers who leave, one after the other.
const CALLERS: usize = 200;
/// Longer than anybody should be waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// From a caller's leaving, when the first event has come and no other one is on its way, to the end of the provider's
/// stream.
pub(super) fn leaving() -> Result<Table> {
    let (tell, told) = mpsc::channel();
    let upstream = mock::start_silent(tell)?;
    let mut table = Table::new(
        "From a caller's leaving to its provider's being left",
        &["what", "callers", "p50 ms", "p99 ms", "most ms"],
    );
    for contestant in [Contestant::Nginx, Contestant::Tidegate, Contestant::TidegateFull] {
        if contestant.program()?.is_none() {
            super::skip(contestant);
            continue;
        }
        let folder = tempfile::tempdir()?;
        let group = contestant.start(upstream, folder.path())?;
        let call = contestant.call(Form::Stream, upstream)?;
        let mut took = Vec::with_capacity(CALLERS);
        for _ in 0..CALLERS {
            let left = begin_and_leave(group.address, &call)?;
            let ended = told.recv_timeout(PATIENCE).with_context(|| format!("{} asks on", contestant.name()))?;
            took.push(ended.saturating_duration_since(left).as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        let quantiles = [CALLERS / 2, CALLERS * 99 / 100, CALLERS - 1].map(|it| figure(took[it]));
        table.row(contestant.name(), std::iter::once(CALLERS.to_string()).chain(quantiles));
        group.stop()?;
    }
    Ok(table)
}

/// Asks, reads the first event, and leaves; tells when.
fn begin_and_leave(address: SocketAddr, call: &Call) -> Result<Instant> {
    let body = call.body.clone().unwrap_or_default();
    let mut head = Vec::new();
    write!(head, "POST {} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n", call.path)?;
    for (name, value) in call.headers.iter() {
        write!(head, "{name}: {}\r\n", value.to_str()?)?;
    }
    write!(head, "content-length: {}\r\n\r\n", body.len())?;
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.write_all(&head)?;
    connection.write_all(&body)?;
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    while !answer.windows(6).any(|it| it == b"data: ") {
        let length = connection.read(&mut piece)?;
        ensure!(length > 0, "no stream came: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..length]);
    }
    drop(connection);
    Ok(Instant::now())
}
