//! A socket that gives up on a client who says nothing at the start, or takes nothing of its answer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::Limits;

/// What an HTTP/2 connection begins with. While it may yet be one, nobody knows which protocol's limits hold.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream under watch.
pub(super) struct Watched<S> {
    stream: S,
    opening: Option<Opening>,
    write_timeout: Duration,
    /// Runs while the client does not take what is there for it.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// A connection of which it is not known yet what it speaks.
struct Opening {
    matched: usize,
    end: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            opening: Some(Opening { matched: 0, end: Box::pin(tokio::time::sleep(limits.head)) }),
            write_timeout: limits.write,
            stalled: None,
        }
    }

    /// Passes on how a write went, unless the client took nothing for too long.
    fn written<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let write_timeout = self.write_timeout;
        let stalled =
            self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + write_timeout)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing of its answer")))
    }
}

impl Opening {
    /// Whether what has come is still a beginning of the preface, and not all of it.
    fn is_open_after(&mut self, bytes: &[u8]) -> bool {
        let expected = &HTTP2_PREFACE[self.matched..];
        self.matched += bytes.len();
        !bytes.is_empty() && bytes.len() < expected.len() && expected.starts_with(bytes)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        let Some(opening) = &mut this.opening else { return outcome };
        if outcome.is_ready() {
            if !opening.is_open_after(&buffer.filled()[before..]) {
                this.opening = None;
            }
            return outcome;
        }
        ready!(opening.end.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client sent no request")))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.written(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_flush(context);
        this.written(context, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_opening_ends_when_the_protocol_is_known() {
        let check = |reads: &[&str], is_open: bool| {
            let mut opening = Opening { matched: 0, end: Box::pin(tokio::time::sleep(Duration::ZERO)) };
            let last = reads.iter().map(|it| opening.is_open_after(it.as_bytes())).last();
            assert_eq!(last, Some(is_open), "{reads:?}");
        };
        check(&["P"], true);
        check(&["P", "RI *"], true);
        check(&["P", "OST"], false);
        check(&["G"], false);
        check(&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], false);
        check(&["PRI * HTTP/2.0\r\n\r\n", "SM\r\n\r\n\0\0"], false);
        check(&[""], false);
    }
}
