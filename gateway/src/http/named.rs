//! The name of an endpoint or route in an address.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

/// A name in an address. One that is no text is nobody's name: the whole address stands for it, so that the protocol's
/// own answer to an unknown name shows what was asked for.
pub(crate) struct Named(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(name.map_or_else(|_| parts.uri.path().to_owned(), |Path(name)| name)))
    }
}
