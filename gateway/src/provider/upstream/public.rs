//! Connections that lead to public servers alone, whatever a name resolves to at the moment.

use std::io;
use std::net::SocketAddr;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;

use crate::admin::is_public;

/// Resolves names, and gives no address that is not public: what was checked is what is connected to.
pub(super) struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|it| !is_public(it.ip())) {
                None => Ok(Box::new(found.into_iter()) as Addrs),
                Some(address) => Err(io::Error::other(blocked(name.as_str(), &address.ip().to_string())).into()),
            }
        })
    }
}

/// An address without a name is never resolved, so it is refused here.
pub(super) fn check_literal(base: &Url) -> Result<(), String> {
    let address = match base.host() {
        Some(url::Host::Ipv4(it)) => it.into(),
        Some(url::Host::Ipv6(it)) => it.into(),
        _ => return Ok(()),
    };
    if is_public(address) { Ok(()) } else { Err(blocked(&address.to_string(), &address.to_string())) }
}

fn blocked(host: &str, address: &str) -> String {
    format!(
        "Gateway upstream connection blocked: '{host}' resolves to {address}, which is not a public IP address. Set \
         MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS=true to allow private upstreams."
    )
}
