//! Where an address that came over the API may lead: to public servers, unless the operator says otherwise.
//!
//! Whoever may make endpoints could else let the gateway read what only this machine reaches: services on its loopback
//! and private networks, and the cloud's metadata. MLflow's variables relax the rule. Addresses in the operator's own
//! file are trusted.

mod public;

use std::net::IpAddr;
use std::time::Duration;

use rest::{Error, Result};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

pub(crate) use public::is_public;

const PRIVATE_VARIABLE: &str = "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS";
const SCHEMES_VARIABLE: &str = "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES";

/// A name that takes longer to resolve belongs to no server that could answer calls.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which addresses are taken.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    schemes: Vec<String>,
    allows_private: bool,
}

impl Policy {
    pub(super) fn read(env: &dyn Fn(&str) -> Option<String>) -> std::result::Result<Self, String> {
        let allows_private = match env(PRIVATE_VARIABLE).map(|it| it.to_ascii_lowercase()).as_deref() {
            None | Some("" | "false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => {
                return Err(format!("{PRIVATE_VARIABLE} is `{other}`; it must be `true` or `false`"));
            }
        };
        let schemes = env(SCHEMES_VARIABLE).filter(|it| !it.trim().is_empty()).unwrap_or_else(|| "https".to_owned());
        let schemes: Vec<String> = schemes.split(',').map(|it| it.trim().to_ascii_lowercase()).collect();
        if let Some(other) = schemes.iter().find(|it| !matches!(it.as_str(), "http" | "https")) {
            return Err(format!("{SCHEMES_VARIABLE} names `{other}`; the gateway speaks `https` and `http`"));
        }
        Ok(Self { schemes, allows_private })
    }

    /// Whether private addresses are taken too.
    pub(super) fn allows_private(&self) -> bool {
        self.allows_private
    }

    /// Refuses an `api_base` that does not lead to a public server, in MLflow's words.
    pub(super) async fn check(&self, text: &str) -> Result<()> {
        let (host, port) = self.host_of(text)?;
        if self.allows_private {
            return Ok(());
        }
        let shown = quoted(&host.to_string());
        let addresses = match host {
            Host::Ipv4(it) => vec![IpAddr::V4(it)],
            Host::Ipv6(it) => vec![IpAddr::V6(it)],
            Host::Domain(name) => match timeout(RESOLVE_TIMEOUT, lookup_host((name.as_str(), port))).await {
                Ok(Ok(found)) => found.map(|it| it.ip()).collect(),
                Ok(Err(error)) => {
                    return Err(Error::invalid(format!("Cannot resolve {FIELD} hostname {shown}: {error}")));
                }
                Err(_) => {
                    let seconds = RESOLVE_TIMEOUT.as_secs();
                    return Err(Error::invalid(format!(
                        "Timed out resolving {FIELD} hostname {shown} after {seconds} seconds"
                    )));
                }
            },
        };
        match addresses.into_iter().find(|it| !is_public(*it)) {
            None => Ok(()),
            Some(address) => Err(Error::invalid(format!(
                "{FIELD} must not resolve to a non-public IP address. {shown} resolves to {address}."
            ))),
        }
    }

    fn host_of(&self, text: &str) -> Result<(Host, u16)> {
        let url =
            Url::parse(text).map_err(|error| Error::invalid(format!("Invalid {FIELD} {}: {error}", quoted(text))))?;
        if !self.schemes.iter().any(|it| it == url.scheme()) {
            let mut allowed: Vec<String> = self.schemes.iter().map(|it| quoted(it)).collect();
            allowed.sort_unstable();
            return Err(Error::invalid(format!(
                "Invalid {FIELD} scheme: {}. Allowed schemes are: {}.",
                quoted(url.scheme()),
                allowed.join(", ")
            )));
        }
        if !url.username().is_empty() || url.password().is_some() {
            // The address itself is not shown: it holds a password.
            return Err(Error::invalid(format!("{FIELD} must not include embedded credentials")));
        }
        let host =
            url.host().ok_or_else(|| Error::invalid(format!("{FIELD} must include a hostname: {}", quoted(text))))?;
        if let Host::Ipv4(address) = host
            && !text.contains(&address.to_string())
        {
            // `127.1` and `0177.0.0.1` mean different machines to different readers.
            let written =
                text.split("://").nth(1).unwrap_or(text).split(['/', ':', '?', '#']).next().unwrap_or_default();
            return Err(Error::invalid(format!(
                "{FIELD} host {} is not a canonical IP address literal.",
                quoted(written)
            )));
        }
        Ok((host.to_owned(), url.port_or_known_default().unwrap_or(443)))
    }
}

const FIELD: &str = "Gateway secret api_base";

/// As Python shows a text.
fn quoted(text: &str) -> String {
    format!("'{text}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(private: &'static str, schemes: &'static str) -> Policy {
        Policy::read(&move |name| Some(if name == PRIVATE_VARIABLE { private } else { schemes }.to_owned())).unwrap()
    }

    #[tokio::test]
    async fn private_places_are_refused() {
        let strict = policy("", "");
        for (address, says) in [
            (
                "http://api.example.com/v1",
                "Invalid Gateway secret api_base scheme: 'http'. Allowed schemes are: 'https'.",
            ),
            ("https://user:pw@8.8.8.8/v1", "must not include embedded credentials"),
            ("https://127.0.0.1/v1", "'127.0.0.1' resolves to 127.0.0.1."),
            ("https://localhost/v1", "'localhost' resolves to "),
            ("https://169.254.169.254/latest", "non-public IP address"),
            ("https://10.1.2.3", "non-public IP address"),
            ("https://[::1]:8443/v1", "non-public IP address"),
            ("https://[::ffff:192.168.0.1]/", "non-public IP address"),
            ("https://127.1/v1", "host '127.1' is not a canonical IP address literal."),
            ("https://2130706433/v1", "host '2130706433' is not a canonical IP address literal."),
            ("no address", "Invalid Gateway secret api_base 'no address'"),
        ] {
            let words = strict.check(address).await.unwrap_err().to_string();
            assert!(words.contains(says), "{address}: {words}");
        }
        strict.check("https://8.8.8.8/v1").await.unwrap();
        policy("true", "https,http").check("http://127.0.0.1:8000/v1").await.unwrap();
    }

    #[test]
    fn variables_that_mean_nothing_are_refused() {
        assert!(Policy::read(&|name| (name == PRIVATE_VARIABLE).then(|| "maybe".to_owned())).is_err());
        assert!(Policy::read(&|name| (name == SCHEMES_VARIABLE).then(|| "ftp".to_owned())).is_err());
    }
}
