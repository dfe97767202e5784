//! The way of finished calls to whoever records them: a channel that is bounded in calls and in the bytes of their bodies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::metering::Call;

/// A channel for at most so many calls, whose requests and answers have at most so many bytes together. What finds no
/// room is counted by the gateway, not waited for.
pub fn calls(calls_max: usize, bytes_max: usize) -> (CallSender, CallReceiver) {
    let (sender, receiver) = mpsc::channel(calls_max);
    let waiting = Arc::new(AtomicUsize::new(0));
    (CallSender { sender, waiting: Arc::clone(&waiting), bytes_max }, CallReceiver { receiver, waiting })
}

/// The gateway's end.
#[derive(Clone, Debug)]
pub struct CallSender {
    sender: mpsc::Sender<Call>,
    /// Bytes of the bodies that wait.
    waiting: Arc<AtomicUsize>,
    bytes_max: usize,
}

impl CallSender {
    /// Whether there was room, or nobody to keep it for: a recorder that has ended has nobody left to tell.
    pub fn try_send(&self, call: Call) -> bool {
        let bytes = call.body_bytes();
        let room = |waiting: usize| waiting.checked_add(bytes).filter(|it| *it <= self.bytes_max);
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return self.sender.is_closed();
        }
        match self.sender.try_send(call) {
            Ok(()) => true,
            Err(error) => {
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
                matches!(error, mpsc::error::TrySendError::Closed(_))
            }
        }
    }
}

/// The recorder's end.
#[derive(Debug)]
pub struct CallReceiver {
    receiver: mpsc::Receiver<Call>,
    waiting: Arc<AtomicUsize>,
}

impl CallReceiver {
    /// The next call; `None` once the gateway is gone, or the channel closed, and nothing waits.
    pub async fn recv(&mut self) -> Option<Call> {
        let call = self.receiver.recv().await?;
        Some(self.taken(call))
    }

    /// The next call, if one waits.
    pub fn try_recv(&mut self) -> Option<Call> {
        let call = self.receiver.try_recv().ok()?;
        Some(self.taken(call))
    }

    /// Lets no more calls in; those that wait can still be received.
    pub fn close(&mut self) {
        self.receiver.close();
    }

    fn taken(&self, call: Call) -> Call {
        self.waiting.fetch_sub(call.body_bytes(), Ordering::Relaxed);
        call
    }
}
