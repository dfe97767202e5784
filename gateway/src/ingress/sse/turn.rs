//! Waiting for one turn of the scheduler: until every other task that is ready has run.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

/// Ready after the next turn. A bare `yield_now` does not wait for it: the HTTP server polls a body that is pending once
/// more before it gives its thread back, and that poll would count as the turn.
pub(super) async fn next() {
    let turn = Arc::new(Turn::default());
    let waker = Waker::from(Arc::clone(&turn));
    let mut yielded = pin!(tokio::task::yield_now());
    let mut is_asked_for = false;
    poll_fn(|context| {
        turn.task.register(context.waker());
        if !is_asked_for {
            is_asked_for = true;
            return yielded.as_mut().poll(&mut Context::from_waker(&waker));
        }
        if turn.has_come.load(Ordering::Acquire) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[derive(Default)]
struct Turn {
    has_come: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        self.has_come.store(true, Ordering::Release);
        self.task.wake();
    }
}
