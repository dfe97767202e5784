//! The evaluation engine: suites, datasets, targets, metrics, gates and reports.
//!
//! A [`Suite`] is read from YAML and checked against the format ([`SCHEMA`]); [`run`] asks its targets, scores the
//! answers, decides the gates and records everything as MLflow runs. The engine prints nothing: [`Outcome`] has the
//! table, the JSON and the exit code, [`Progress`] draws the bar.
//!
//! ```no_run
//! # async fn example() -> Result<(), eval::Error> {
//! use std::sync::Arc;
//!
//! let overrides = eval::Overrides { limit: Some(10), ..eval::Overrides::default() };
//! let suite = eval::Suite::load("configs/eval/qa.yaml".as_ref(), &overrides)?;
//! let outcome = eval::run(
//!     &suite,
//!     eval::Setup {
//!         resolver: Arc::new(|name: &str| Err(format!("no endpoint `{name}`"))),
//!         destination: async {
//!             suite.tracking_uri().map_or(Ok(eval::Destination::Nowhere), eval::Destination::server)
//!         },
//!         progress: eval::Progress::bar(),
//!         stop: std::future::pending(),
//!         cache_folder: None,
//!     },
//! )
//! .await?;
//! std::process::exit(outcome.exit_code().into());
//! # }
//! ```

mod dataset;
mod digest;
mod error;
mod evaluation;
mod gate;
mod metric;
mod prompt;
mod record;
mod report;
mod runner;
mod score;
mod stats;
mod suite;
mod target;
mod variant;

pub use error::{Error, Result};
pub use evaluation::{Plan, Setup, plan, run};
pub use record::{Destination, Server};
pub use report::{Outcome, Progress, Recorded};
pub use suite::{Overrides, SCHEMA, Suite, Task};
pub use target::{Compatible, CompatibleConfig, Resolver};
