//! The `prices` of the configuration: what models cost that the shipped table does not know, or knows otherwise.

use std::sync::Arc;

use super::tree::{Place, Table};
use crate::ConfigError;
use crate::cost::{Group, Override, Price, Rate, Rates, Tier, Usd, rate_of, shipped};
use crate::provider;

const TIERS: [(&str, Tier); 3] = [("batch", Tier::Batch), ("flex", Tier::Flex), ("priority", Tier::Priority)];
const OTHER_KEYS: [&str; 9] = ["provider", "model", "as", "search", "call", "long", "batch", "flex", "priority"];

/// Reads the list of prices.
pub(super) fn read(place: &Place<'_>) -> Result<Vec<Override>, ConfigError> {
    place.list()?.iter().map(price).collect()
}

fn price(place: &Place<'_>) -> Result<Override, ConfigError> {
    let mut table = place.table()?;
    let model = table.need("model", "model: the provider's name of the model")?.text()?.to_owned();
    let provider = table.take("provider").map(|it| named_provider(&it)).transpose()?;
    let mut price = Price { is_own: true, ..Price::default() };
    if let Some(other) = table.take("as") {
        price = Price { is_own: true, ..same_as(&other)? };
    }
    if let Some(search) = table.take("search") {
        price.search = Some(search.amount()?);
    }
    if let Some(call) = table.take("call") {
        price.call = Some(call.amount()?);
    }
    add(&mut price, Tier::Standard, 0, &mut table)?;
    for (key, tier) in TIERS {
        if let Some(place) = table.take(key) {
            let mut table = place.table()?;
            add(&mut price, tier, 0, &mut table)?;
            finish(table)?;
        }
    }
    if let Some(long) = table.take("long") {
        for place in long.list()? {
            let mut table = place.table()?;
            let above = table.need("above", "above: 200000")?.count(1)?;
            add(&mut price, Tier::Standard, above.into(), &mut table)?;
            finish(table)?;
        }
    }
    finish(table)?;
    if price.groups.is_empty() && price.call.is_none() {
        return Err(place.error(format!(
            "the price of `{model}` says nothing; write `input: 0.25` and `output: 2`, in USD for a million tokens, or \
             `as: openai/gpt-5-mini`"
        )));
    }
    Ok(Override { provider, model, price: Arc::new(price) })
}

/// Takes the rates that a table has for one group of calls.
fn add(price: &mut Price, tier: Tier, above: u64, table: &mut Table<'_>) -> Result<(), ConfigError> {
    let mut rates = Rates::default();
    for rate in Rate::ALL {
        let Some(place) = table.take(rate.name()) else { continue };
        let amount = place.amount()?;
        let amount = rate_of(amount).ok_or_else(|| {
            place.error(format!(
                "`{amount}` has more than six digits behind the point; USD for a million tokens need no more"
            ))
        })?;
        rates.set(rate, amount);
    }
    if rates == Rates::default() {
        return Ok(());
    }
    match price.groups.iter_mut().find(|it| it.tier == tier && it.above == above) {
        Some(group) => {
            for rate in Rate::ALL {
                if let Some(amount) = rates.get(rate) {
                    group.rates.set(rate, amount);
                }
            }
        }
        None => price.groups.push(Group { tier, above, rates }),
    }
    Ok(())
}

fn finish(table: Table<'_>) -> Result<(), ConfigError> {
    let known: Vec<&str> = Rate::ALL.into_iter().map(Rate::name).chain(OTHER_KEYS).collect();
    table.finish(&known)
}

fn same_as(place: &Place<'_>) -> Result<Price, ConfigError> {
    let text = place.text()?;
    text.split_once('/').and_then(|(provider, model)| shipped(provider, model)).ok_or_else(|| {
        place.error(format!(
            "the price table has no `{text}`; write provider and model as in `openai/gpt-5-mini`, or the amounts themselves"
        ))
    })
}

fn named_provider(place: &Place<'_>) -> Result<String, ConfigError> {
    let text = place.text()?;
    provider::find(text).map(|it| it.name.to_owned()).ok_or_else(|| {
        place.error(format!(
            "unknown provider `{text}`; offered are {}",
            provider::names().collect::<Vec<_>>().join(", ")
        ))
    })
}

impl Place<'_> {
    /// An amount of US dollars.
    pub(super) fn amount(&self) -> Result<Usd, ConfigError> {
        self.digits().and_then(|it| Usd::parse(&it)).ok_or_else(|| self.wrong("an amount of US dollars, such as 0.25"))
    }
}
