//! What a call cost: prices by provider and model, and the exact sum for the tokens that a provider counted.
//!
//! Amounts are whole picodollars, never floats. A price that nobody knows gives no cost at all, which is not the same
//! as a cost of zero.

mod catalog;
mod price;
mod tokens;
mod usd;

pub(crate) use catalog::{Override, Prices, rate_of, shipped};
pub(crate) use price::{Group, Price, Rate, Rates, Tier};
pub(crate) use tokens::Tokens;
pub use usd::Usd;

use llm::Usage;

/// The name of the header that tells what a call cost.
pub(crate) const COST: &str = "x-tidegate-cost-usd";

/// What a call cost, and what for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens of the input that came from no cache, whether text, audio or images.
    pub input: Usd,
    /// Tokens of the input that were read from a cache.
    pub cache_read: Usd,
    /// Tokens of the input that were written to a cache.
    pub cache_write: Usd,
    /// Tokens of the output, reasoning included.
    pub output: Usd,
    /// What is paid by the call or by the search, or a sum that the provider did not split.
    pub other: Usd,
    /// All of it.
    pub total: Usd,
}

/// What a call cost for which the provider counted this usage.
///
/// `tier` is what the answer says outside of its counts. A provider that tells the cost itself (OpenRouter, Perplexity) is believed, unless the configuration has a price for
/// the model.
pub(crate) fn of(price: Option<&Price>, provider: &str, usage: &Usage, tier: Option<Tier>) -> Option<Cost> {
    let is_own = price.is_some_and(|it| it.is_own);
    if !is_own && let Some(total) = told(provider, usage) {
        return Some(Cost { other: total, total, ..Cost::default() });
    }
    let mut tokens = Tokens::of(usage);
    tokens.tier = tier.unwrap_or(tokens.tier);
    price?.cost(&tokens)
}

/// The cost that the provider tells along with its counts.
fn told(provider: &str, usage: &Usage) -> Option<Usd> {
    let cost = usage.rest.get("cost")?;
    let number = match provider {
        "openrouter" => cost,
        "perplexity" => cost.get("total_cost")?,
        _ => return None,
    };
    Usd::parse(&number.as_number()?.to_string())
}

#[cfg(test)]
mod tests;
