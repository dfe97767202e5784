//! A key that is to be made, and what a configuration keeps of it.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// Bytes of chance in a key: nobody guesses them, so that one fast hash is enough to keep them by.
const KEY_BYTES: usize = 32;

/// What may be said of a new key.
#[derive(Debug, clap::Args)]
pub(in crate::cli::gateway) struct NewKey {
    /// The name that records and limits know the key by.
    pub(super) name: String,
    /// The user whose key it is.
    #[arg(long)]
    user: Option<String>,
    /// The team that the user belongs to.
    #[arg(long)]
    team: Option<String>,
    /// An endpoint or route that the key reaches; may be repeated. All of them without it.
    #[arg(long = "endpoint", value_name = "NAME")]
    endpoints: Vec<String>,
    /// When it ends: a day, `2027-01-31`, or a moment, `2027-01-31T18:00:00Z`.
    #[arg(long)]
    expires: Option<String>,
    /// Requests that it may make in a window; may be repeated.
    #[arg(long, value_name = "N/WINDOW", value_parser = in_window)]
    requests: Vec<InWindow>,
    /// Tokens that it may use in a window, input and output together; may be repeated.
    #[arg(long, value_name = "N/WINDOW", value_parser = in_window)]
    tokens: Vec<InWindow>,
    /// US dollars that it may spend in a window; may be repeated.
    #[arg(long, value_name = "USD/WINDOW", value_parser = in_window)]
    usd: Vec<InWindow>,
}

/// `60/minute`.
#[derive(Clone, Debug)]
struct InWindow {
    amount: Value,
    window: String,
}

fn in_window(text: &str) -> Result<InWindow, String> {
    let parts = text.split_once('/').filter(|(_, window)| !window.is_empty());
    let number =
        parts.and_then(|(amount, window)| Some((serde_json::from_str::<serde_json::Number>(amount).ok()?, window)));
    match number {
        Some((amount, window)) => Ok(InWindow { amount: amount.into(), window: window.to_owned() }),
        None => Err(format!("`{text}` is no amount and window; write them as in `60/minute` or `50/month`")),
    }
}

impl NewKey {
    /// What is said of the key besides its name, by the names of the configuration and of the REST API.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let texts = [("user", &self.user), ("team", &self.team), ("expires", &self.expires)];
        fields.extend(texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))));
        if !self.endpoints.is_empty() {
            fields.insert("endpoints".to_owned(), json!(self.endpoints));
        }
        let rules = |what: &str, its: &[InWindow]| -> Vec<Value> {
            its.iter().map(|it| json!({what: it.amount, "window": it.window})).collect()
        };
        let limits = [rules("requests", &self.requests), rules("tokens", &self.tokens)].concat();
        for (name, rules) in [("limits", limits), ("budgets", rules("usd", &self.usd))] {
            if !rules.is_empty() {
                fields.insert(name.to_owned(), rules.into());
            }
        }
        fields
    }
}

/// Makes a key, and prints it once together with its entry in a configuration.
#[expect(clippy::print_stdout, reason = "the key is what the command is for")]
pub(super) fn print(new: &NewKey, as_json: bool) {
    let key = format!("tg-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>()));
    let mut entry = Map::new();
    entry.insert("name".to_owned(), json!(new.name));
    entry.insert("hash".to_owned(), json!(gateway::hashed(&key)));
    entry.extend(new.fields());
    if as_json {
        println!("{}", json!({"key": key, "entry": entry}));
        return;
    }
    println!("{key}\n");
    println!("This is the only time that the key is shown. Put this under `keys:` in the gateway's configuration:\n");
    // JSON's texts and lists are YAML's, too.
    for (place, (name, value)) in entry.iter().enumerate() {
        println!("{} {name}: {value}", if place == 0 { "  -" } else { "   " });
    }
}
