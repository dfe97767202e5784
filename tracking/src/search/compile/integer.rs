//! Tests on whole numbers, such as times, with any number.

use super::{super::parser::Operand, Args};

/// A test on a column of whole numbers that may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct IntegerTest {
    comparator: &'static str,
    value: i64,
}

/// No number is met, or every one.
const NEVER: IntegerTest = IntegerTest { comparator: "<", value: i64::MIN };
const ALWAYS: IntegerTest = IntegerTest { comparator: ">=", value: i64::MIN };

impl IntegerTest {
    /// Makes the test out of a number as it stands in a filter; `None` when it is none.
    pub(in super::super) fn new(comparator: &'static str, operand: &Operand<'_>) -> Option<Self> {
        match operand {
            Operand::Integer(text) => match text.parse() {
                Ok(value) => Some(Self { comparator, value }),
                Err(_) => Some(Self::of_float(comparator, text.parse().ok()?)),
            },
            Operand::Float(text) => Some(Self::of_float(comparator, text.parse().ok()?)),
            _ => None,
        }
    }

    /// A whole number is more than 1.5 when it is more than 1: only whole numbers reach the database, which does not
    /// compare columns of them with anything else everywhere.
    pub(in super::super) fn of_float(comparator: &'static str, number: f64) -> Self {
        // 2^63 is the first number that is too large.
        let limit = 9_223_372_036_854_775_808.0;
        let is_in_range = (-limit..limit).contains(&number);
        let is_whole = number.fract() == 0.0;
        let met_by_all = match comparator {
            "<" | "<=" => number >= limit,
            ">" | ">=" => number < -limit,
            "!=" => !is_in_range || !is_whole,
            _ => false,
        };
        if met_by_all {
            return ALWAYS;
        }
        if !is_in_range || (comparator == "=" && !is_whole) {
            return NEVER;
        }
        let bound = if matches!(comparator, "<" | ">=") { number.ceil() } else { number.floor() };
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and in range")]
        let value = bound as i64;
        Self { comparator, value }
    }

    /// The condition on `expression`; its value is added to `args`.
    pub(in super::super) fn sql(self, expression: &str, args: &mut Args) -> String {
        args.push(self.value);
        format!("{expression} {} ?", self.comparator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_stand_for_all_numbers() {
        let check = |comparator: &'static str, operand: Operand<'_>, expect: IntegerTest| {
            assert_eq!(IntegerTest::new(comparator, &operand), Some(expect), "{comparator} {operand:?}");
        };
        let test = |comparator, value| IntegerTest { comparator, value };
        check("=", Operand::Integer("00010"), test("=", 10));
        check(">", Operand::Float("1.5"), test(">", 1));
        check(">=", Operand::Float("1.5"), test(">=", 2));
        check("<", Operand::Float("-1.5"), test("<", -1));
        check("<=", Operand::Float("-1.5"), test("<=", -2));
        check("=", Operand::Float("1.5"), NEVER);
        check("!=", Operand::Float("1.5"), ALWAYS);
        check("=", Operand::Float("1e3"), test("=", 1000));
        check("<", Operand::Integer("99999999999999999999"), ALWAYS);
        check(">", Operand::Integer("99999999999999999999"), NEVER);
        check(">", Operand::Float("-1e300"), ALWAYS);
        check("<=", Operand::Float("-1e300"), NEVER);
        assert_eq!(IntegerTest::new("=", &Operand::Text("'1'")), None);
    }
}
