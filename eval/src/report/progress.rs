//! The progress bar.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how far a run is: on a terminal's standard error, or not at all.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar on standard error; nothing is drawn where that is no terminal.
    pub fn bar() -> Self {
        Self { bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()) }
    }

    /// No bar.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    pub(crate) fn start(&self, total: usize) {
        if total == 0 {
            return;
        }
        let style =
            ProgressStyle::with_template("{spinner} [{bar:32}] {pos}/{len} cells, {elapsed} elapsed, {eta} left{msg}")
                .expect("the template is fixed");
        self.bar.set_style(style.progress_chars("=> "));
        self.bar.set_length(total as u64);
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    /// Names what is done after the last cell, which takes no countable steps.
    pub(crate) fn phase(&self, words: &'static str) {
        self.bar.reset();
        self.bar.set_style(ProgressStyle::with_template("{spinner} {msg}, {elapsed}").expect("the template is fixed"));
        self.bar.set_message(words);
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    pub(crate) fn step(&self, failed: usize) {
        if failed > 0 {
            self.bar.set_message(format!(", {failed} failed"));
        }
        self.bar.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
