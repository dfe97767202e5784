//! An amount of US dollars, exact to a picodollar.

use std::fmt;
use std::iter::Sum;

/// Digits behind the point: the cheapest token costs ten thousand times the smallest amount.
const DIGITS: u32 = 12;
const PICOS: u64 = 10_u64.pow(DIGITS);

/// An amount of US dollars that is not negative, in whole picodollars. At most 18 million dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many picodollars.
    pub const fn from_picos(picos: u64) -> Self {
        Self(picos)
    }

    /// The amount in picodollars.
    pub const fn picos(self) -> u64 {
        self.0
    }

    /// The amount in nanodollars, rounded up: budgets count in these, since all that count them can hold such numbers.
    pub const fn nanos(self) -> u64 {
        self.0.div_ceil(1000)
    }

    /// So many nanodollars; the largest amount there is where they are more.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos.saturating_mul(1000))
    }

    /// Reads `12.5`, `0.000001` or `1.5e-6`. What is finer than a picodollar is rounded to the nearest.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|it| it.is_ascii_digit()) {
            return None;
        }
        // The digits stand for themselves times ten to this power, in picodollars.
        let places = i32::try_from(fraction.len()).ok()?;
        let power = exponent.checked_sub(places)?.checked_add(DIGITS.cast_signed())?;
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(Self::ZERO);
        }
        if power >= 0 {
            let factor = 10_u64.checked_pow(power.unsigned_abs())?;
            return digits.parse::<u64>().ok()?.checked_mul(factor).map(Self);
        }
        let cut = power.unsigned_abs() as usize;
        if cut > digits.len() {
            return Some(Self::ZERO);
        }
        let (kept, lost) = digits.split_at(digits.len() - cut);
        let kept = if kept.is_empty() { 0 } else { kept.parse::<u64>().ok()? };
        kept.checked_add(u64::from(lost.as_bytes()[0] >= b'5')).map(Self)
    }

    /// The sum, where it is an amount that can be told.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// So many times this amount, where it is an amount that can be told.
    pub fn checked_mul(self, count: u64) -> Option<Self> {
        self.0.checked_mul(count).map(Self)
    }
}

/// The sum, or the largest amount there is.
impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        Self(amounts.fold(0, |sum, it| sum.saturating_add(it.0)))
    }
}

/// All digits that say something: `0`, `3`, `0.0000125`.
impl fmt::Display for Usd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:012}", self.0 % PICOS);
        let text = format!("{}.{}", self.0 / PICOS, fraction);
        formatter.pad(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        let check = |text: &str, shown: Option<&str>| {
            assert_eq!(Usd::parse(text).map(|it| it.to_string()).as_deref(), shown, "{text}");
        };
        check("3", Some("3"));
        check("0", Some("0"));
        check("0.0", Some("0"));
        check("12.50", Some("12.5"));
        check("100", Some("100"));
        check(".5", Some("0.5"));
        check("0.000000000001", Some("0.000000000001"));
        check("0.0000000000004", Some("0"));
        check("0.0000000000005", Some("0.000000000001"));
        check("0.00000000000049", Some("0"));
        check("1e-30", Some("0"));
        check("1.5e-6", Some("0.0000015"));
        check("2.5E3", Some("2500"));
        check("18446744", Some("18446744"));
        check("18446745", None);
        check("1e99", None);
        check("1e99999999999", None);
        check("-1", None);
        check("+1", None);
        check("1_000", None);
        check("", None);
        check(".", None);
        check("NaN", None);
        check("1.2.3", None);
    }

    #[test]
    fn nanodollars_round_up() {
        assert_eq!(Usd::from_picos(1).nanos(), 1);
        assert_eq!(Usd::from_picos(2000).nanos(), 2);
        assert_eq!(Usd::from_nanos(u64::MAX).picos(), u64::MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(picos: u64) {
            prop_assert_eq!(Usd::parse(&Usd(picos).to_string()), Some(Usd(picos)));
        }

        #[test]
        fn strange_amounts_do_no_harm(text in "[0-9.eE+-]{0,24}") {
            let _ = Usd::parse(&text);
        }
    }
}
