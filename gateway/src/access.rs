//! Who may call: virtual keys, known by their hashes, and the check that stands before every address of the gateway.
//!
//! A gateway without keys lets everybody in. With keys, a call needs one that is known, not disabled and not expired,
//! and reaches only the endpoints that the key names.

mod guard;
mod key;

use std::collections::HashMap;
use std::sync::Arc;

use llm::Error;
use ring::digest::{SHA256, digest};

pub(crate) use guard::guard;
pub use key::Identity;
pub(crate) use key::{Hash, VirtualKey};

/// The keys that are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// By the hash of the key, which tells whoever measures times nothing about the key itself.
    by_hash: HashMap<Hash, Arc<VirtualKey>>,
}

impl Keys {
    pub(crate) fn new(keys: impl IntoIterator<Item = Arc<VirtualKey>>) -> Self {
        let by_hash = keys.into_iter().flat_map(|key| {
            let hashes = key.hashes.clone();
            hashes.into_iter().map(move |hash| (hash, Arc::clone(&key)))
        });
        Self { by_hash: by_hash.collect() }
    }

    /// Whether callers need a key.
    pub(crate) fn are_needed(&self) -> bool {
        !self.by_hash.is_empty()
    }

    /// Whose key this is, at a time in seconds since 1970.
    pub(crate) fn identify(&self, key: Option<&str>, now_unix_s: i64) -> Result<Arc<VirtualKey>, Error> {
        let Some(key) = key else {
            return Err(Error::Denied(
                "this gateway asks for a key; send one of its virtual keys as `Authorization: Bearer …`".to_owned(),
            ));
        };
        let Some(known) = self.by_hash.get(&hash_of(key)) else {
            return Err(Error::Denied(
                "the key is not one of this gateway's; ask whoever runs it for a virtual key".to_owned(),
            ));
        };
        if known.is_disabled {
            return Err(Error::Denied(format!("the key `{}` is disabled; ask for another one", known.identity.key)));
        }
        if known.expires_unix_s.is_some_and(|it| it <= now_unix_s) {
            return Err(Error::Denied(format!("the key `{}` has expired; ask for another one", known.identity.key)));
        }
        Ok(Arc::clone(known))
    }
}

/// The hash under which a key is kept: SHA-256. A key is 256 bits of chance, so that guessing is hopeless without a
/// slow hash, and each call pays for one.
pub(crate) fn hash_of(key: &str) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key.as_bytes()).as_ref());
    Hash(hash)
}

/// The hash of a key as the configuration has it, `sha256:…`.
pub fn hashed(key: &str) -> String {
    hash_of(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_until_it_is_disabled_or_expires() {
        let key = |name: &str, secrets: &[&str], is_disabled, expires_unix_s| {
            Arc::new(VirtualKey {
                identity: Arc::new(Identity { key: name.to_owned(), user: None, team: None }),
                hashes: secrets.iter().map(|it| hash_of(it)).collect(),
                endpoints: None,
                expires_unix_s,
                is_disabled,
            })
        };
        let keys = Keys::new([
            key("ann", &["tg-old", "tg-new"], false, None),
            key("bob", &["tg-b"], true, None),
            key("cy", &["tg-c"], false, Some(100)),
        ]);
        let check = |secret: Option<&str>, now, expected: Result<&str, &str>| {
            let found = keys.identify(secret, now);
            match (found, expected) {
                (Ok(found), Ok(name)) => assert_eq!(found.identity.key, name),
                (Err(Error::Denied(words)), Err(part)) => assert!(words.contains(part), "{words}"),
                (found, _) => panic!("{secret:?}: {found:?}"),
            }
        };
        check(Some("tg-old"), 0, Ok("ann"));
        check(Some("tg-new"), 0, Ok("ann"));
        check(Some("tg-b"), 0, Err("`bob` is disabled"));
        check(Some("tg-c"), 99, Ok("cy"));
        check(Some("tg-c"), 100, Err("`cy` has expired"));
        check(Some("tg-x"), 0, Err("not one of this gateway's"));
        check(None, 0, Err("asks for a key"));
        assert!(!Keys::default().are_needed());
    }
}
