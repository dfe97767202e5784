//! Ids of what a provider keeps (responses, conversations), told to callers in a form that finds its way back.
//!
//! A handle holds the name that was called, the endpoint that answered and the provider's own id, so that every replica
//! knows after every restart where to ask, without a memory of its own. It is signed for whoever made the call: another
//! team's key is told that there is nothing of that id. The signing key is derived from the endpoint's provider key,
//! which all replicas have; where that is replaced, earlier handles end.
//!
//! Form: the id's own prefix (`resp_`, `conv_`), `tg1`, and in base64 without padding for addresses: 16 bytes of
//! HMAC-SHA256, then each with its length in two bytes the name and the endpoint (empty where it is the name itself),
//! then the id.

mod seal;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use llm::Error;
use ring::hmac;

use crate::Gateway;
use crate::caller::Caller;
use crate::served::{Endpoint, Served};

pub(crate) use seal::Seal;

/// What tells a handle from an id, and its form from later ones.
const MARK: &str = "tg1";
/// Bytes of a signature that are kept: 128 bits are beyond guessing.
const MAC_BYTES: usize = 16;
/// Characters of a handle at most: names have up to 255, ids some 100.
const HANDLE_CHARS_MAX: usize = 2048;

/// What a handle says, unchecked.
#[derive(Debug, PartialEq, Eq)]
struct Handle {
    mac: [u8; MAC_BYTES],
    called: String,
    endpoint: String,
    id: String,
}

/// Where something is kept, for a caller who may ask for it.
pub(crate) struct Kept {
    pub(crate) served: Served,
    pub(crate) endpoint: Arc<Endpoint>,
    /// The provider's own id.
    pub(crate) id: String,
}

/// Writes the handle of a provider's id.
fn write(id: &str, called: &str, endpoint: &Endpoint, owner: &str) -> String {
    let own = &endpoint.info.name;
    let mac = mac(id, called, endpoint, owner);
    let mut bytes = mac[..MAC_BYTES].to_vec();
    for name in [called, if own == called { "" } else { own }] {
        // Names are bounded far below this; one that were not would make a handle that nobody finds.
        bytes.extend_from_slice(&u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes.extend_from_slice(id.as_bytes());
    let prefix = id.split_once('_').map_or("id", |(prefix, _)| prefix);
    format!("{prefix}_{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// Reads a handle; `None` for every other text.
fn read(text: &str) -> Option<Handle> {
    let (_, rest) = text.split_once('_').filter(|_| text.len() <= HANDLE_CHARS_MAX)?;
    let bytes = URL_SAFE_NO_PAD.decode(rest.strip_prefix(MARK)?).ok()?;
    let (mac, mut rest) = bytes.split_first_chunk::<MAC_BYTES>()?;
    let mut name = || {
        let (length, after) = rest.split_first_chunk::<2>()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = after;
        String::from_utf8(name.to_vec()).ok()
    };
    let called = name()?;
    let endpoint = name()?;
    let endpoint = if endpoint.is_empty() { called.clone() } else { endpoint };
    Some(Handle { mac: *mac, called, endpoint, id: String::from_utf8(rest.to_vec()).ok()? })
}

/// What binds an id to its endpoint and its owner.
fn mac(id: &str, called: &str, endpoint: &Endpoint, owner: &str) -> [u8; 32] {
    let secret = endpoint.secret.as_ref().map_or("", |it| it.reveal());
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let key = hmac::sign(&key, b"tidegate: handles of kept responses, 1");
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
    let mut context = hmac::Context::with_key(&key);
    for part in [called, &endpoint.info.name, owner, id] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    mac
}

/// Whose things are kept together: a team's, else a user's, else a key's. Without keys everything is everybody's.
fn owner(caller: &Caller) -> String {
    let Some(key) = &caller.known else { return String::new() };
    let identity = &key.identity;
    match (&identity.team, &identity.user) {
        (Some(team), _) => format!("team:{team}"),
        (None, Some(user)) => format!("user:{user}"),
        (None, None) => format!("key:{}", identity.key),
    }
}

/// Whether a text is a handle rather than a provider's own id.
pub(crate) fn is_handle(text: &str) -> bool {
    read(text).is_some()
}

/// Finds what a handle stands for. Who may not know of it is told what they would be told if there were no such thing.
pub(crate) fn find(gateway: &Gateway, text: &str, caller: &Caller) -> Result<Kept, Error> {
    let handle = read(text).ok_or_else(|| nothing(text))?;
    let served = gateway.served(&handle.called).ok_or_else(|| nothing(text))?;
    let endpoint = gateway.endpoint(&handle.endpoint).ok_or_else(|| nothing(text))?;
    let expected = mac(&handle.id, &handle.called, &endpoint, &owner(caller));
    // Compared whole, so that the time taken tells nothing of where they differ.
    let difference = handle.mac.iter().zip(&expected).fold(0, |sum, (one, other)| sum | (one ^ other));
    if difference != 0 {
        return Err(nothing(text));
    }
    Ok(Kept { served, endpoint, id: handle.id })
}

/// There is no such thing, as far as this caller is concerned.
pub(crate) fn nothing(text: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    let message = format!(
        "nothing is kept here under the id `{shown}` for this key; use an id that this gateway gave to a key of the same \
         team, while its endpoint and that endpoint's provider key are the same"
    );
    Error::Upstream { status: 404, message, body: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_handle_is_known_as_that() {
        let ids =
            ["", "resp_1", "resp_tg1", "resp_tg1AAAA", "tg1AAAA", "resp_tg1!!!!", "conv_689667905b048191b4740501625"];
        for id in ids {
            assert_eq!(read(id), None, "{id}");
        }
        let cut = format!("resp_{MARK}{}", URL_SAFE_NO_PAD.encode([&[0; MAC_BYTES][..], &[255, 255], b"x"].concat()));
        assert_eq!(read(&cut), None);
        let whole = [&[7; MAC_BYTES][..], &[0, 1], b"a", &[0, 0], b"resp_9"].concat();
        let handle = read(&format!("resp_{MARK}{}", URL_SAFE_NO_PAD.encode(whole))).unwrap();
        assert_eq!((handle.called.as_str(), handle.endpoint.as_str(), handle.id.as_str()), ("a", "a", "resp_9"));
    }
}
