//! Endpoints, routing, providers, limits and the protocols in front of language models.
//!
//! A [`Config`] is MLflow's deployments-server YAML; [`Gateway::start`] builds its endpoints; [`router`] serves them in
//! the dialects of OpenAI and of MLflow, and [`Gateway::model`] hands one to callers in the same process. Each finished
//! call becomes a [`Call`] in a bounded channel: the gateway knows no database and never waits for one.

mod access;
mod admin;
mod admission;
mod answer;
mod cache;
mod caller;
mod calls;
mod config;
mod cost;
mod dialect;
mod dispatch;
mod endpoint;
mod error;
mod explain;
mod gateway;
mod guardrails;
mod handles;
mod health;
mod http;
mod ingress;
mod json;
mod limits;
mod losses;
mod metering;
mod model;
mod observe;
mod otlp;
mod provider;
mod quota;
mod recording;
mod redis;
mod request;
mod routing;
mod screen;
mod secrets;
mod served;
mod tables;

pub use access::{Identity, hashed};
pub use admin::{Admin, AdminOptions, AdminParts, BoxedError, Experiments, admin_router};
pub use cache::CacheUse;
pub use calls::{CallReceiver, CallSender, calls};
pub use config::{Config, Timeouts};
pub use cost::{Cost, Usd};
pub use endpoint::{EndpointInfo, Kind, RouteInfo};
pub use error::ConfigError;
pub use gateway::{Gateway, Parts, Reloads};
pub use guardrails::{Decision, Stage, Verdict};
pub use health::{BreakerState, EndpointHealth};
pub use http::router;
pub use limits::Limit;
pub use losses::Loss;
pub use metering::{Attempt, CacheTokens, Call, Outcome};
pub use observe::TraceParent;
pub use provider::{LocalConfig, OpenLocal};
pub use recording::{Experiment, Recording, Registered};
