//! Who may call: virtual keys, known by their hashes, and the check that stands before every address of the gateway.
//!
//! A gateway without keys lets everybody in, unless it is told to ask for one. With keys, a call needs one that is
//! known, not disabled and not expired, and reaches only the endpoints that the key names.

mod database;
mod guard;
mod hash;
mod key;
mod sign_in;

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use llm::Error;

use crate::secrets::Secret;

pub(crate) use database::{DatabaseKeys, router};
pub(crate) use guard::guard;
pub(crate) use hash::{Hash, Hasher};
pub use key::Identity;
pub(crate) use key::VirtualKey;
pub(crate) use sign_in::{Administrator, KeyHolder, SignIn, SignInConfig, Watcher, administrators};

/// The keys of one place, the configuration or the database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    /// By the hash of the key, which tells whoever measures times nothing about the key itself; with the second at which
    /// the hash opens no more.
    by_hash: HashMap<Hash, (Arc<VirtualKey>, Option<i64>)>,
}

impl Keys {
    pub(crate) fn new(keys: impl IntoIterator<Item = Arc<VirtualKey>>) -> Self {
        let mut by_hash = HashMap::new();
        for key in keys {
            if let Some((hash, until)) = key.replaced {
                by_hash.insert(hash, (Arc::clone(&key), Some(until)));
            }
            for hash in &key.hashes {
                by_hash.insert(*hash, (Arc::clone(&key), None));
            }
        }
        Self { by_hash }
    }

    fn has(&self, name: &str) -> bool {
        self.by_hash.values().any(|(key, _)| key.identity.key == name)
    }
}

/// What a configuration says of who may call, and who may administer.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessConfig {
    pub(crate) keys: Vec<Arc<VirtualKey>>,
    /// Whether callers need a key even where there is none yet.
    pub(crate) is_closed: bool,
    /// What hashes of keys are made with beside the key.
    pub(crate) pepper: Option<Secret>,
    pub(crate) sign_in: SignInConfig,
}

/// Everybody who may call.
#[derive(Debug, Default)]
pub(crate) struct Access {
    pub(crate) hasher: Hasher,
    /// Whether callers need a key even where there is none yet.
    pub(crate) is_closed: bool,
    /// The keys of the configuration.
    pub(crate) file: Keys,
    /// Those of the database, which change while the configuration stays.
    pub(crate) database: Arc<ArcSwap<Keys>>,
}

impl Access {
    /// Whether callers need a key.
    pub(crate) fn needs_key(&self) -> bool {
        self.is_closed || !self.file.by_hash.is_empty() || !self.database.load().by_hash.is_empty()
    }

    /// Whether the configuration has a key of this name.
    pub(crate) fn is_of_file(&self, name: &str) -> bool {
        self.file.has(name)
    }

    /// Whose key this is, at a time in seconds since 1970. Nobody's, where nobody needs one.
    pub(crate) fn identify(&self, key: Option<&str>, now_unix_s: i64) -> Result<Option<Arc<VirtualKey>>, Error> {
        if !self.needs_key() {
            return Ok(None);
        }
        let Some(key) = key else {
            return Err(Error::Denied(
                "this gateway asks for a key; send one of its virtual keys as `Authorization: Bearer …`".to_owned(),
            ));
        };
        let database = self.database.load();
        let find = |hash| self.file.by_hash.get(&hash).or_else(|| database.by_hash.get(&hash));
        let Some((known, until)) = self.hasher.hashes(key).find_map(find) else {
            return Err(Error::Denied(
                "the key is not one of this gateway's; ask whoever runs it for a virtual key".to_owned(),
            ));
        };
        let name = &known.identity.key;
        if known.is_disabled {
            return Err(Error::Denied(format!("the key `{name}` is disabled; ask for another one")));
        }
        if known.expires_unix_s.is_some_and(|it| it <= now_unix_s) {
            return Err(Error::Denied(format!("the key `{name}` has expired; ask for another one")));
        }
        if until.is_some_and(|it| it <= now_unix_s) {
            return Err(Error::Denied(format!("the key `{name}` was replaced; use the new one")));
        }
        Ok(Some(Arc::clone(known)))
    }
}

/// The hash of a key as the configuration has it, `sha256:…`.
pub fn hashed(key: &str) -> String {
    Hasher::default().hash(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> VirtualKey {
        VirtualKey {
            identity: Arc::new(Identity { key: name.to_owned(), user: None, team: None }),
            hashes: Vec::new(),
            replaced: None,
            endpoints: None,
            expires_unix_s: None,
            is_disabled: false,
            rules: Vec::new(),
        }
    }

    #[test]
    fn a_key_opens_until_it_is_disabled_replaced_or_expires() {
        let hasher = Hasher::new(Some(&Secret::new("pepper")));
        let plain = Hasher::default();
        let file = Keys::new([
            Arc::new(VirtualKey { hashes: vec![plain.hash("tg-old"), plain.hash("tg-new")], ..key("ann") }),
            Arc::new(VirtualKey { hashes: vec![plain.hash("tg-b")], is_disabled: true, ..key("bob") }),
        ]);
        let database = Keys::new([
            Arc::new(VirtualKey { hashes: vec![hasher.hash("tg-c")], expires_unix_s: Some(100), ..key("cy") }),
            Arc::new(VirtualKey {
                hashes: vec![hasher.hash("tg-d2")],
                replaced: Some((plain.hash("tg-d1"), 50)),
                ..key("dee")
            }),
        ]);
        let database = Arc::new(ArcSwap::from_pointee(database));
        let access = Access { hasher, is_closed: false, file, database };
        let check = |secret: Option<&str>, now, expected: Result<&str, &str>| {
            let found = access.identify(secret, now);
            match (found, expected) {
                (Ok(Some(found)), Ok(name)) => assert_eq!(found.identity.key, name),
                (Err(Error::Denied(words)), Err(part)) => assert!(words.contains(part), "{words}"),
                (found, _) => panic!("{secret:?}: {found:?}"),
            }
        };
        check(Some("tg-old"), 0, Ok("ann"));
        check(Some("tg-new"), 0, Ok("ann"));
        check(Some("tg-b"), 0, Err("`bob` is disabled"));
        check(Some("tg-c"), 99, Ok("cy"));
        check(Some("tg-c"), 100, Err("`cy` has expired"));
        check(Some("tg-d1"), 49, Ok("dee"));
        check(Some("tg-d1"), 50, Err("`dee` was replaced"));
        check(Some("tg-d2"), 50, Ok("dee"));
        check(Some("tg-x"), 0, Err("not one of this gateway's"));
        check(None, 0, Err("asks for a key"));
    }

    #[test]
    fn who_needs_a_key() {
        assert_eq!(Access::default().identify(None, 0).unwrap().map(|it| it.identity.key.clone()), None);
        let closed = Access { is_closed: true, ..Access::default() };
        assert!(closed.needs_key() && closed.identify(None, 0).is_err());
    }
}
