//! The gateway's addresses, each handed to the ingress of its protocol.

mod body;
mod docs;
mod error;
mod named;
mod state;

use axum::{Router, middleware};

use crate::{Gateway, access, ingress, observe};

pub(crate) use body::{Refused, read};
pub(crate) use error::{details_of, status_of};
pub(crate) use named::Named;

/// Everything that the gateway serves; its health is the server's to tell.
pub fn router(gateway: Gateway) -> Router {
    Router::new()
        .merge(ingress::openai::router())
        .merge(ingress::gemini::router())
        .merge(ingress::messages::router())
        .merge(ingress::responses::router())
        .merge(ingress::mlflow::router())
        .merge(ingress::passthrough::router())
        .merge(ingress::realtime::router())
        // Each ingress stands above, so that its requests are measured.
        // One layer of two: a router's layers are boxes, each of which every call clones with all that is in it.
        .route_layer((
            middleware::from_fn_with_state(gateway.clone(), observe::http::measured),
            middleware::from_fn_with_state(gateway.clone(), access::guard),
        ))
        .merge(observe::http::router())
        .merge(state::router())
        .merge(access::router())
        .merge(docs::router())
        .with_state(gateway)
}
