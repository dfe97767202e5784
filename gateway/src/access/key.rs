//! A virtual key, and the one who calls with it.

use std::sync::Arc;

use super::Hash;
use crate::quota::Rule;

/// The one who calls, as records and limits know them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name of the key.
    pub key: String,
    /// The user whose key it is.
    pub user: Option<String>,
    /// The team that the user belongs to.
    pub team: Option<String>,
}

/// A key of the gateway's own.
#[derive(Clone, Debug)]
pub(crate) struct VirtualKey {
    pub(crate) identity: Arc<Identity>,
    /// The hashes of what opens: while a key is replaced, the old one beside the new one.
    pub(crate) hashes: Vec<Hash>,
    /// A hash that opens until then, in seconds since 1970: that of a key that was replaced.
    pub(crate) replaced: Option<(Hash, i64)>,
    /// The endpoints and routes that it reaches; all where it names none.
    pub(crate) endpoints: Option<Vec<String>>,
    pub(crate) expires_unix_s: Option<i64>,
    pub(crate) is_disabled: bool,
    /// Limits and budgets of its own, beside those of the configuration.
    pub(crate) rules: Vec<Rule>,
}

impl VirtualKey {
    /// Whether it reaches an endpoint or a route.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        self.endpoints.as_ref().is_none_or(|it| it.iter().any(|it| it == name))
    }
}
