//! The prices that ship with Tidegate, and those of the configuration that stand above them.

use std::collections::HashMap;
use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::{Group, Price, Rate, Rates, Tier, Usd};

/// The table of `gateway/prices`, a JSON object a line.
static SHIPPED: &[u8] = include_bytes!("../../prices/prices.jsonl.gz");

/// A provider and a model.
type Key = (Box<str>, Box<str>);

/// Each line by provider and model. It stays text: of thousands of models a gateway asks for a few.
static LINES: LazyLock<HashMap<Key, Box<str>>> = LazyLock::new(|| {
    let mut text = String::new();
    GzDecoder::new(SHIPPED).read_to_string(&mut text).expect("the table was packed by scripts/prices.py");
    text.lines()
        .map(|line| {
            let Line { provider, model, .. } = read(line);
            ((provider.into(), model.into()), line.into())
        })
        .collect()
});

/// Tokens for which the table and the configuration name a rate.
const RATE_TOKENS: u64 = 1_000_000;

/// A price of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The provider that it is for; all where there is none.
    pub(crate) provider: Option<String>,
    pub(crate) model: String,
    pub(crate) price: Arc<Price>,
}

/// Prices by provider and model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prices {
    overrides: Vec<Override>,
}

impl Prices {
    pub(crate) fn new(overrides: Vec<Override>) -> Self {
        Self { overrides }
    }

    /// What a provider's model costs: what the configuration says, or else the table; `None` where nobody knows.
    pub(crate) fn of(&self, provider: &str, model: &str) -> Option<Arc<Price>> {
        let own = |exact: bool| {
            self.overrides.iter().find(|it| {
                it.model == model
                    && if exact { it.provider.as_deref() == Some(provider) } else { it.provider.is_none() }
            })
        };
        match own(true).or_else(|| own(false)) {
            Some(found) => Some(Arc::clone(&found.price)),
            None => shipped(provider, model).map(Arc::new),
        }
    }
}

/// A price of the table.
pub(crate) fn shipped(provider: &str, model: &str) -> Option<Price> {
    let provider = match provider {
        "togetherai" => "together",
        "amazon-bedrock" => "bedrock",
        "databricks-model-serving" => "databricks",
        other => other,
    };
    let find = |model: &str| LINES.get(&(Box::from(provider), Box::from(model))).map(|it| read(it).price());
    find(model).or_else(|| find(model.strip_prefix("models/")?))
}

/// The rate for one token of an amount for a million; `None` where a million of it would not make the amount.
pub(crate) fn rate_of(amount: Usd) -> Option<Usd> {
    amount.picos().is_multiple_of(RATE_TOKENS).then(|| Usd::from_picos(amount.picos() / RATE_TOKENS))
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    provider: &'a str,
    #[serde(borrow)]
    model: &'a str,
    #[serde(borrow, default)]
    rates: HashMap<&'a str, HashMap<&'a str, &'a str>>,
    #[serde(borrow, default)]
    search: Option<&'a str>,
    #[serde(borrow, default)]
    call: Option<&'a str>,
}

fn read(line: &str) -> Line<'_> {
    serde_json::from_str(line).expect("the table was written by scripts/prices.py")
}

impl Line<'_> {
    fn price(&self) -> Price {
        let groups = self.rates.iter().map(|(name, amounts)| {
            let (tier, above) = name.split_once('>').unwrap_or((name, "0"));
            let mut rates = Rates::default();
            for rate in Rate::ALL {
                if let Some(amount) = amounts.get(rate.name()) {
                    rates.set(rate, rate_of(usd(amount)).expect("the table has at most six digits"));
                }
            }
            Group { tier: Tier::named(tier), above: above.parse().expect("the table has whole thresholds"), rates }
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by_key(|it| (it.above, it.tier as u8));
        Price { groups, search: self.search.map(usd), call: self.call.map(usd), is_own: false }
    }
}

fn usd(text: &str) -> Usd {
    Usd::parse(text).expect("the table has plain amounts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_price() {
        let mut models = 0;
        for ((provider, model), line) in LINES.iter() {
            let price = read(line).price();
            models += 1;
            assert!(!price.groups.is_empty() || price.call.is_some() || price.search.is_some(), "{provider} {model}");
            assert_eq!(shipped(provider, model), Some(price));
        }
        assert!(models > 2000, "{models}");
    }

    #[test]
    fn the_configuration_stands_above_the_table() {
        let price = |call: u64| Arc::new(Price { call: Some(Usd::from_picos(call)), is_own: true, ..Price::default() });
        let own = |provider: Option<&str>, model: &str, call| Override {
            provider: provider.map(str::to_owned),
            model: model.to_owned(),
            price: price(call),
        };
        let prices = Prices::new(vec![own(None, "gpt-5", 1), own(Some("azure"), "gpt-5", 2), own(None, "mine", 3)]);
        let check = |provider: &str, model: &str, call: Option<u64>| {
            let found = prices.of(provider, model);
            assert_eq!(found.and_then(|it| it.call.map(Usd::picos)), call, "{provider} {model}");
        };
        check("openai", "gpt-5", Some(1));
        check("azure", "gpt-5", Some(2));
        check("vllm", "mine", Some(3));
        check("vllm", "yours", None);
        assert!(prices.of("openai", "gpt-5-mini").is_some_and(|it| !it.is_own));
        assert!(prices.of("openai", "gpt-nobody-knows").is_none());
        assert!(prices.of("local", "gpt-5-mini").is_none());
    }
}
