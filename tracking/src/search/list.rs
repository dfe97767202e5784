//! Lists in a filter, which are written as tuples of Python: `('a', "b")`.

use rest::python::repr;

use crate::{Error, Result};

/// The texts of a list.
pub(super) fn list_texts(list: &str) -> Result<Vec<String>> {
    let expected = "While parsing a list in the query, expected";
    let elements = Reader { rest: list }.tuple().ok_or_else(|| {
        Error::invalid(format!("{expected} a non-empty list of string values, but got ill-formed list."))
    })?;
    if elements.is_empty() {
        return Err(Error::invalid(format!("{expected} a non-empty list of string values, but got empty list")));
    }
    if elements.iter().any(|element| matches!(element, Element::Other(_))) {
        return Err(Error::invalid(format!(
            "{expected} string value, punctuation, or whitespace, but got different type in list: {}",
            shown(&elements)
        )));
    }
    Ok(elements.into_iter().map(Element::into_text).collect())
}

enum Element {
    Text(String),
    /// A number or a constant, as Python shows it.
    Other(String),
}

impl Element {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Other(text) => text,
        }
    }
}

fn shown(elements: &[Element]) -> String {
    let shown: Vec<String> = (elements.iter())
        .map(|element| match element {
            Element::Text(text) => repr(text),
            Element::Other(text) => text.clone(),
        })
        .collect();
    let comma = if shown.len() == 1 { "," } else { "" };
    format!("({}{comma})", shown.join(", "))
}

struct Reader<'l> {
    rest: &'l str,
}

impl Reader<'_> {
    fn tuple(mut self) -> Option<Vec<Element>> {
        let mut elements = Vec::new();
        self.mark('(')?;
        while self.mark(')').is_none() {
            elements.push(self.element()?);
            if self.mark(',').is_none() {
                self.mark(')')?;
                break;
            }
            // A comma needs something before it, not behind it.
        }
        self.rest.trim().is_empty().then_some(elements)
    }

    fn mark(&mut self, mark: char) -> Option<()> {
        self.rest = self.rest.trim_start().strip_prefix(mark)?;
        Some(())
    }

    fn element(&mut self) -> Option<Element> {
        self.rest = self.rest.trim_start();
        if !self.rest.starts_with(['\'', '"']) {
            let end = self.rest.find(|c: char| c == ',' || c == ')' || c.is_whitespace())?;
            let (text, rest) = self.rest.split_at(end);
            self.rest = rest;
            return constant(text).map(Element::Other);
        }
        // Texts that follow each other are one.
        let mut text = String::new();
        while let Some(quote @ ('\'' | '"')) = self.rest.chars().next() {
            self.text(quote, &mut text)?;
            self.rest = self.rest.trim_start();
        }
        Some(Element::Text(text))
    }

    fn text(&mut self, quote: char, into: &mut String) -> Option<()> {
        let mut letters = self.rest.char_indices().skip(1);
        while let Some((place, letter)) = letters.next() {
            if letter == quote {
                self.rest = &self.rest[place + 1..];
                return Some(());
            }
            if letter == '\n' || letter == '\r' {
                return None;
            }
            if letter != '\\' {
                into.push(letter);
                continue;
            }
            let (_, escaped) = letters.next()?;
            match escaped {
                '\n' => {}
                '\\' | '\'' | '"' => into.push(escaped),
                'a' => into.push('\x07'),
                'b' => into.push('\x08'),
                'f' => into.push('\x0c'),
                'n' => into.push('\n'),
                'r' => into.push('\r'),
                't' => into.push('\t'),
                'v' => into.push('\x0b'),
                'x' | 'u' | 'U' => {
                    let digits = match escaped {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let code: String = letters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                    let number = u32::from_str_radix(&code, 16).ok().filter(|_| code.len() == digits)?;
                    into.push(char::from_u32(number)?);
                }
                other => into.extend(['\\', other]),
            }
        }
        None
    }
}

/// A number or constant as Python shows it.
fn constant(text: &str) -> Option<String> {
    if matches!(text, "True" | "False" | "None") || text.parse::<i64>().is_ok_and(|it| it.to_string() == text) {
        return Some(text.to_owned());
    }
    let number = text.parse::<f64>().ok().filter(|_| text.contains('.') && !text.contains(['e', 'E']))?;
    Some(format!("{number:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_tuples_of_texts() {
        let check = |list: &str, expect: &[&str]| assert_eq!(list_texts(list).unwrap(), expect, "{list}");
        check("('a', \"b\")", &["a", "b"]);
        check("('a')", &["a"]);
        check("( 'a' , )", &["a"]);
        check(r"('it\'s', 'C:\\x', 'ü\t\x41\d')", &["it's", r"C:\x", "ü\tA\\d"]);
        check("('a' 'b')", &["ab"]);
    }

    #[test]
    fn other_lists_are_refused() {
        let check = |list: &str, expect: &str| {
            let message = list_texts(list).unwrap_err().to_string();
            assert_eq!(message, format!("While parsing a list in the query, expected {expect}"), "{list}");
        };
        let ill_formed = "a non-empty list of string values, but got ill-formed list.";
        check("()", "a non-empty list of string values, but got empty list");
        let different = "string value, punctuation, or whitespace, but got different type in list: ";
        check("(1)", &format!("{different}(1,)"));
        check("('a', 1.50)", &format!("{different}('a', 1.5)"));
        for list in ["(,)", "('a' 1)", "(a)", "('a',,)", "(('a'))", "('a", "(1 2)", "('\\x4')"] {
            check(list, ill_formed);
        }
    }
}
