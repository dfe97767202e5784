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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;
    use reqwest::header::LOCATION;
    use tokio::net::TcpListener;

    use crate::provider::http_client;

    const CONNECT: Duration = Duration::from_secs(10);

    fn chain(error: &dyn std::error::Error) -> String {
        std::iter::successors(Some(error), |it| it.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }

    /// What a name resolves to counts when it is connected to, not when it was written: it may have led elsewhere then.
    #[tokio::test]
    async fn names_that_lead_home_are_not_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = format!("http://localhost:{port}/v1").parse().unwrap();
        let client = http_client(&address, CONNECT, true).unwrap();
        let error = client.get(address).send().await.unwrap_err();
        assert!(chain(&error).contains("'localhost' resolves to"), "{}", chain(&error));
        // A client that was made for another name resolves each one anew.
        let other = http_client(&"https://api.example.com".parse().unwrap(), CONNECT, true).unwrap();
        let error = other.get(format!("http://localhost:{port}/")).send().await.unwrap_err();
        assert!(chain(&error).contains("not a public IP address"), "{}", chain(&error));
        assert!(listener.accept().now_or_never().is_none(), "somebody has connected");
        for literal in ["http://127.0.0.1", "http://[::ffff:10.0.0.1]", "http://169.254.169.254", "http://2130706433"] {
            assert!(http_client(&literal.parse().unwrap(), CONNECT, true).is_err(), "{literal}");
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}/latest/meta-data", elsewhere.local_addr().unwrap());
        let app = axum::Router::new().fallback(move || {
            let target = target.clone();
            async move { (axum::http::StatusCode::TEMPORARY_REDIRECT, [(LOCATION, target)]) }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: reqwest::Url = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let answer = http_client(&address, CONNECT, false).unwrap().post(address).send().await.unwrap();
        assert_eq!(answer.status(), 307);
        assert!(elsewhere.accept().now_or_never().is_none(), "the redirect was followed");
    }
}
