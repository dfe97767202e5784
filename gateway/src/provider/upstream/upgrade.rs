//! Connections that go on as `WebSocket`s: the same server, key, proxies and timeouts, over HTTP/1.1.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use llm::Error;
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use reqwest::{StatusCode, Upgraded, Url, header};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Upstream, bad_gateway, client_builder};

impl Upstream {
    /// Asks for a WebSocket at a path below the base address and waits until the server has agreed to it.
    pub(in crate::provider) async fn upgraded(&self, path: &str, headers: HeaderMap) -> Result<Upgraded, Error> {
        let first_byte = self.timeouts.first_byte.min(self.timeouts.total);
        timeout(first_byte, self.upgrade(path, headers))
            .await
            .map_err(|_| Error::Timeout(format!("{} did not answer within {first_byte:?}", self.who)))?
    }

    async fn upgrade(&self, path: &str, mut headers: HeaderMap) -> Result<Upgraded, Error> {
        let address = format!("{}/{path}", self.base);
        let base = Url::parse(&address).map_err(|error| bad_gateway(format!("`{address}` is no address: {error}")))?;
        // Upgrades are HTTP/1.1's alone, and a session keeps its connection: there is no pool to share.
        let client = client_builder(&base, self.timeouts.connect, self.must_be_public)
            .and_then(|it| it.http1_only().build().map_err(|error| error.to_string()))
            .map_err(Error::Unavailable)?;
        for (name, value) in self.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE) {
            headers.insert(name.clone(), value.clone());
        }
        let key = STANDARD.encode(rand::random::<[u8; 16]>());
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(header::SEC_WEBSOCKET_KEY, HeaderValue::from_str(&key).expect("base64 fits a header"));
        let mut request = client.get(base).headers(headers).build().map_err(|error| self.unreached(&error))?;
        if let Some(sign) = &self.sign {
            sign.sign(&mut request).await?;
        }
        let response = client.execute(request).await.map_err(|error| self.unreached(&error))?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            self.judged(response).await?;
            return Err(bad_gateway(format!("{} answered a WebSocket's beginning without one", self.who)));
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        if accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(bad_gateway(format!("{} agreed to another WebSocket than was asked for", self.who)));
        }
        response.upgrade().await.map_err(|error| self.unreached(&error))
    }
}
