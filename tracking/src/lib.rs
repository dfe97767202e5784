//! Experiments, runs, metrics, artifacts and traces behind MLflow's REST API.
//!
//! [`Tracking`] is the whole of it: [`Tracking::store`] has the domain's methods, [`router`] serves them as MLflow's
//! server does, on MLflow's own tables.

pub mod assessment;
pub mod dataset;
pub mod experiment;
pub mod file_store;
pub mod gc;
pub mod metric;
pub mod model;
pub mod run;
pub mod trace;
pub mod version;

#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;

mod otlp;
mod page;
mod search;
mod store;
mod tracking;
mod validate;

mod artifacts;

mod http;

pub use artifacts::{
    ArtifactMeta, ArtifactOptions, ArtifactPath, ArtifactStore, Artifacts, ByteStream, DirectOffers, DirectTransfer,
    Entry as ArtifactEntry, SignedDownload, SignedUpload, StartedUpload, Upload as ArtifactUpload, UploadedPart,
};
pub use http::{artifacts_only_router, router};
pub use page::Page;
pub use rest::{Error, Result};
pub use store::{Imported, Store};
pub use tracking::{Limits, Tracking};
