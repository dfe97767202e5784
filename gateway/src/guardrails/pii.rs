//! What tells who somebody is, or opens what is theirs: addresses, numbers with checksums, keys.

use std::net::{Ipv4Addr, Ipv6Addr};

use regex::Regex;

use super::find::Rule;

/// One kind of such texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pii {
    Email,
    Phone,
    CreditCard,
    Iban,
    Ssn,
    Ip,
    ApiKey,
}

impl Pii {
    pub(crate) const ALL: [Self; 7] =
        [Self::Email, Self::Phone, Self::CreditCard, Self::Iban, Self::Ssn, Self::Ip, Self::ApiKey];

    /// The name that configurations write.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::CreditCard => "credit_card",
            Self::Iban => "iban",
            Self::Ssn => "ssn",
            Self::Ip => "ip",
            Self::ApiKey => "api_key",
        }
    }

    /// What it looks like.
    pub(crate) fn rule(self) -> Rule {
        type Refine = Option<fn(&str) -> Option<usize>>;
        let (pattern, refine): (&str, Refine) = match self {
            Self::Email => (
                r"(?i)\b[a-z0-9][a-z0-9._%+-]{0,63}@(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}\b",
                None,
            ),
            Self::Phone => {
                (r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}|(?:\(\d{3}\) ?|\b\d{3}[ .-])\d{3}[ .-]\d{4}\b", Some(phone))
            }
            Self::CreditCard => (r"\b\d(?:[ -]?\d){12,18}\b", Some(credit_card)),
            Self::Iban => (r"(?i)\b[a-z]{2}\d{2}(?: ?[a-z0-9]){11,30}\b", Some(iban)),
            Self::Ssn => (r"\b\d{3}-\d{2}-\d{4}\b", Some(ssn)),
            Self::Ip => {
                (r"(?i)\b(?:\d{1,3}\.){3}\d{1,3}\b|\b[0-9a-f]{1,4}:(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{0,4}\b", Some(ip))
            }
            Self::ApiKey => (KEYS, None),
        };
        Rule {
            label: self.name().to_owned(),
            placeholder: format!("[{}]", self.name().to_uppercase()),
            regex: Regex::new(pattern).expect("the pattern is ours"),
            refine,
        }
    }
}

/// Keys by how their makers begin them, tokens of three parts (RFC 7519), and private keys (RFC 7468).
const KEYS: &str = r"(?x)
    \b(?: sk-[A-Za-z0-9_-]{20,} | tg-[A-Za-z0-9_-]{20,} | sk_live_[A-Za-z0-9]{16,} | rk_live_[A-Za-z0-9]{16,}
      | (?:AKIA|ASIA)[0-9A-Z]{16} | AIza[A-Za-z0-9_-]{35} | gh[pousr]_[A-Za-z0-9]{36,} | github_pat_[A-Za-z0-9_]{22,}
      | glpat-[A-Za-z0-9_-]{20,} | xox[abeoprs]-[A-Za-z0-9-]{10,} | hf_[A-Za-z0-9]{30,} | npm_[A-Za-z0-9]{36}
      | gsk_[A-Za-z0-9]{40,} | xai-[A-Za-z0-9]{40,} | pplx-[A-Za-z0-9]{40,}
      | eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,} )
    | -----BEGIN\ [A-Z\ ]{0,20}PRIVATE\ KEY-----[A-Za-z0-9+/=\s]*";

/// E.164 has up to fifteen digits; what has fewer than eight is rather something else.
fn phone(text: &str) -> Option<usize> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (8..=15).contains(&digits).then_some(text.len())
}

/// ISO/IEC 7812: as many digits as the issuer's cards have, the last of which is Luhn's. What follows them may be
/// digits of something else.
fn credit_card(text: &str) -> Option<usize> {
    let digits: Vec<(usize, u32)> = text.char_indices().filter_map(|(at, it)| Some((at, it.to_digit(10)?))).collect();
    (13..=digits.len()).rev().find_map(|count| {
        let end = digits[count - 1].0 + 1;
        let is_apart = digits.get(count).is_none_or(|(at, _)| *at > end);
        let number: Vec<u32> = digits[..count].iter().map(|(_, it)| *it).collect();
        (is_apart && is_card_length(&number) && is_luhn(&number)).then_some(end)
    })
}

fn is_card_length(digits: &[u32]) -> bool {
    let head = |count: usize| digits[..count].iter().fold(0, |sum, it| sum * 10 + it);
    let count = digits.len();
    match (head(1), head(2), head(3), head(4)) {
        (4, ..) => matches!(count, 13 | 16 | 19),
        (_, 34 | 37, ..) => count == 15,
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => count == 14,
        (_, 51..=55, ..) | (_, _, _, 2221..=2720) => count == 16,
        (_, 62 | 65, ..) | (_, _, 644..=649, _) | (_, _, _, 6011 | 3528..=3589) => (16..=19).contains(&count),
        _ => false,
    }
}

fn is_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) => double - if double > 9 { 9 } else { 0 },
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Characters of an IBAN by country, from the registry of ISO 13616.
const IBANS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FO GL NL SD FK"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// ISO 13616: the country's length, and a remainder of 1 by ISO 7064 MOD 97-10.
fn iban(text: &str) -> Option<usize> {
    let country = text.get(..2)?.to_ascii_uppercase();
    let (length, _) = IBANS.iter().find(|(_, countries)| countries.split(' ').any(|it| it == country))?;
    let signs: Vec<(usize, u32)> = text.char_indices().filter_map(|(at, it)| Some((at, it.to_digit(36)?))).collect();
    let end = signs.get(length - 1)?.0 + 1;
    let is_apart = signs.get(*length).is_none_or(|(at, _)| *at > end);
    let number = signs[4..*length].iter().chain(&signs[..4]);
    let rest = number.fold(0, |sum, (_, it)| if *it > 9 { (sum * 100 + it) % 97 } else { (sum * 10 + it) % 97 });
    (is_apart && rest == 1).then_some(end)
}

/// No area is 000, 666 or above 899, no group 00 and no serial 0000.
fn ssn(text: &str) -> Option<usize> {
    let (area, group, serial) = (&text[..3], &text[4..6], &text[7..]);
    let is_given = !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000";
    is_given.then_some(text.len())
}

/// What the standard library reads as an address. Paths of programs (`de::ad`) look like IPv6, but have no digits.
fn ip(text: &str) -> Option<usize> {
    let is_v6 = || text.parse::<Ipv6Addr>().is_ok() && text.bytes().any(|it| it.is_ascii_digit());
    (text.parse::<Ipv4Addr>().is_ok() || is_v6()).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guardrails::Finder;

    #[test]
    fn kinds_are_found_and_lookalikes_are_not() {
        let check = |kind: Pii, text: &str, expected: &[&str]| {
            let finder = Finder::new(vec![kind.rule()]);
            let found: Vec<&str> = finder.scan(text, 0, text.len()).into_iter().map(|it| &text[it.range]).collect();
            assert_eq!(found, expected, "{kind:?} in {text}");
        };
        check(Pii::Email, "to Ada.L+x@mail.example.co.uk, or b@c.de.", &["Ada.L+x@mail.example.co.uk", "b@c.de"]);
        check(Pii::Email, "@home a@b 5@ x@-y.de", &[]);
        check(
            Pii::Phone,
            "+49 (0)30 1234567, (212) 555-0123, 212.555.0123",
            &["+49 (0)30 1234567", "(212) 555-0123", "212.555.0123"],
        );
        check(Pii::Phone, "on 2026-08-12 at 10:15, 1.234.567, 12345678", &[]);
        check(
            Pii::CreditCard,
            "4111 1111 1111 1111 123 and 378282246310005",
            &["4111 1111 1111 1111", "378282246310005"],
        );
        check(Pii::CreditCard, "4111111111111112 41111111111111111 1234567890123", &[]);
        check(
            Pii::Iban,
            "DE89 3704 0044 0532 0130 00 now, gb29nwbk60161331926819",
            &["DE89 3704 0044 0532 0130 00", "gb29nwbk60161331926819"],
        );
        check(Pii::Iban, "DE88 3704 0044 0532 0130 00, ZZ29NWBK60161331926819", &[]);
        check(Pii::Ssn, "078-05-1120 000-12-3456 912-12-1234 123-00-1234 1234-56-7890", &["078-05-1120"]);
        check(
            Pii::Ip,
            "192.168.0.1 fe80::1:2 2001:db8:0:0:0:0:2:1",
            &["192.168.0.1", "fe80::1:2", "2001:db8:0:0:0:0:2:1"],
        );
        check(Pii::Ip, "1.2.3.400 std::vec bad::face at 10:15:30", &[]);
        check(
            Pii::ApiKey,
            "sk-proj-abcdefghij0123456789 AKIAIOSFODNN7EXAMPLE sk-short",
            &["sk-proj-abcdefghij0123456789", "AKIAIOSFODNN7EXAMPLE"],
        );
        check(
            Pii::ApiKey,
            "-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAQ==\n-----END",
            &["-----BEGIN RSA PRIVATE KEY-----\nMIIB\nAQ==\n"],
        );
    }
}
