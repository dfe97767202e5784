//! What a model's tokens cost: rates for the usual call, for long prompts, and for service tiers.

use super::{Cost, Tokens, Usd};

/// What a rate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Input,
    Output,
    CacheRead,
    CacheWrite,
    CacheWrite1h,
    Reasoning,
    AudioInput,
    AudioOutput,
    ImageInput,
    ImageOutput,
}

impl Rate {
    pub(crate) const ALL: [Self; 10] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheWrite,
        Self::CacheWrite1h,
        Self::Reasoning,
        Self::AudioInput,
        Self::AudioOutput,
        Self::ImageInput,
        Self::ImageOutput,
    ];

    /// Its key in the price table and in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite => "cache_write",
            Self::CacheWrite1h => "cache_write_1h",
            Self::Reasoning => "reasoning",
            Self::AudioInput => "audio_input",
            Self::AudioOutput => "audio_output",
            Self::ImageInput => "image_input",
            Self::ImageOutput => "image_output",
        }
    }

    /// What is paid where a model has no such rate: a cached token costs no less than the provider says.
    fn instead(self) -> Option<Self> {
        match self {
            Self::Input | Self::Output => None,
            Self::CacheWrite1h => Some(Self::CacheWrite),
            Self::CacheRead | Self::CacheWrite | Self::AudioInput | Self::ImageInput => Some(Self::Input),
            Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Some(Self::Output),
        }
    }

    /// The plain rate of the same side.
    fn side(self) -> Self {
        match self {
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite
            | Self::CacheWrite1h
            | Self::AudioInput
            | Self::ImageInput => Self::Input,
            Self::Output | Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Self::Output,
        }
    }
}

/// How fast, or how cheap, a provider was asked to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tier {
    #[default]
    Standard,
    Batch,
    Flex,
    Priority,
}

impl Tier {
    pub(crate) fn named(text: &str) -> Self {
        match text {
            "batch" => Self::Batch,
            "flex" => Self::Flex,
            "priority" => Self::Priority,
            _ => Self::Standard,
        }
    }
}

/// Amounts for one token each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates([Option<Usd>; Rate::ALL.len()]);

impl Rates {
    pub(crate) fn get(&self, rate: Rate) -> Option<Usd> {
        self.0[rate as usize]
    }

    pub(crate) fn set(&mut self, rate: Rate, amount: Usd) {
        self.0[rate as usize] = Some(amount);
    }
}

/// The rates of calls of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) tier: Tier,
    /// Tokens that a prompt must exceed.
    pub(crate) above: u64,
    pub(crate) rates: Rates,
}

/// What a model costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) groups: Vec<Group>,
    /// For one search of the provider's own.
    pub(crate) search: Option<Usd>,
    /// For one call.
    pub(crate) call: Option<Usd>,
    /// Whether the configuration said it.
    pub(crate) is_own: bool,
}

impl Price {
    /// What a call cost; `None` where a token has no price that anybody knows.
    pub(crate) fn cost(&self, tokens: &Tokens) -> Option<Cost> {
        let prompt = tokens.prompt();
        let part = |rate: Rate, count: u64| match count {
            0 => Some(Usd::ZERO),
            _ => self.rate(rate, tokens.tier, prompt)?.checked_mul(count),
        };
        let sum = |parts: &[(Rate, u64)]| {
            parts.iter().try_fold(Usd::ZERO, |sum, (rate, count)| sum.checked_add(part(*rate, *count)?))
        };
        let searches = match tokens.searches {
            0 => Usd::ZERO,
            // A search whose price nobody knows is one that the provider includes.
            count => self.search.unwrap_or_default().checked_mul(count)?,
        };
        let mut cost = Cost {
            input: sum(&[
                (Rate::Input, tokens.input),
                (Rate::AudioInput, tokens.audio_input),
                (Rate::ImageInput, tokens.image_input),
            ])?,
            cache_read: part(Rate::CacheRead, tokens.cache_read)?,
            cache_write: sum(&[(Rate::CacheWrite, tokens.cache_write), (Rate::CacheWrite1h, tokens.cache_write_1h)])?,
            output: sum(&[
                (Rate::Output, tokens.output),
                (Rate::Reasoning, tokens.reasoning),
                (Rate::AudioOutput, tokens.audio_output),
                (Rate::ImageOutput, tokens.image_output),
            ])?,
            other: searches.checked_add(self.call.unwrap_or_default())?,
            total: Usd::ZERO,
        };
        cost.total = [cost.input, cost.cache_read, cost.cache_write, cost.output, cost.other]
            .into_iter()
            .try_fold(Usd::ZERO, Usd::checked_add)?;
        Some(cost)
    }

    /// What a call of so many tokens would cost at the usual rates; `None` where nobody knows.
    pub(crate) fn estimate(&self, input: u64, output: u64) -> Option<Usd> {
        self.cost(&Tokens { input, output, ..Tokens::default() }).map(|it| it.total)
    }

    /// The rate for a token of a call.
    ///
    /// Where a tier or a long prompt has no rate of its own for this kind of token, the usual one is changed as much as
    /// the plain rate of the same side is.
    fn rate(&self, rate: Rate, tier: Tier, prompt: u64) -> Option<Usd> {
        if self.own(Tier::Standard, 0, rate).is_none() {
            return self.rate(rate.instead()?, tier, prompt);
        }
        let above = self.groups.iter().filter(|it| it.above < prompt).map(|it| it.above).max().unwrap_or(0);
        self.own(tier, above, rate).or_else(|| {
            let tiered = self.changed(rate, tier, 0)?;
            let (long, usual) = (self.changed(rate, Tier::Standard, above)?, self.own(Tier::Standard, 0, rate)?);
            scaled(tiered, long, usual)
        })
    }

    /// A rate of one group, or the usual one changed as the group changes the plain rate.
    fn changed(&self, rate: Rate, tier: Tier, above: u64) -> Option<Usd> {
        self.own(tier, above, rate).or_else(|| {
            let usual = self.own(Tier::Standard, 0, rate)?;
            let side = rate.side();
            match (self.own(tier, above, side), self.own(Tier::Standard, 0, side)) {
                (Some(of), Some(plain)) => scaled(usual, of, plain),
                _ => Some(usual),
            }
        })
    }

    fn own(&self, tier: Tier, above: u64, rate: Rate) -> Option<Usd> {
        self.groups.iter().find(|it| it.tier == tier && it.above == above)?.rates.get(rate)
    }
}

/// `amount` times `of` divided by `by`, rounded to the nearest.
fn scaled(amount: Usd, of: Usd, by: Usd) -> Option<Usd> {
    if of == by || by == Usd::ZERO {
        return Some(amount);
    }
    let by = u128::from(by.picos());
    let product = u128::from(amount.picos()) * u128::from(of.picos());
    u64::try_from((product + by / 2) / by).ok().map(Usd::from_picos)
}
