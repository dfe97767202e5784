//! Writes down what is spent of budgets, as long as the gateway lives.

use std::sync::Weak;
use std::time::Duration;

use super::Inner;

/// What a process that dies may lose of what was spent.
const PERIOD: Duration = Duration::from_secs(1);

pub(super) async fn write_down(gateway: Weak<Inner>) {
    let mut is_lost = false;
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(gateway) = gateway.upgrade() else { return };
        match gateway.kept_budgets.write().await {
            Ok(()) => is_lost = false,
            Err(error) => {
                // It is told once, and tried again.
                if !std::mem::replace(&mut is_lost, true) {
                    tracing::warn!(%error, "what is spent of budgets cannot be written down just now");
                }
            }
        }
    }
}
