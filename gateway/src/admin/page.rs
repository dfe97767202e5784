//! Pages of lists and the tokens that lead from one to the next, as MLflow's client hands them around.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::error::{Error, Result};

/// Entries of a page where the client names no number.
const SIZE: i64 = 1000;
/// Entries of a page at most, which is MLflow's bound.
const SIZE_MAX: i64 = 50_000;

/// Which part of a list is asked for.
#[derive(Clone, Copy)]
pub(super) struct Page {
    pub(super) offset: i64,
    pub(super) size: i64,
}

impl Page {
    /// The first page, with all that one may have.
    pub(super) const FIRST: Self = Self { offset: 0, size: SIZE };

    /// Reads `max_results` and `page_token`; 0 and nothing stand for the defaults.
    pub(super) fn read(size: Option<i64>, token: Option<&str>) -> Result<Self> {
        let size = size.filter(|it| *it != 0).unwrap_or(SIZE);
        let wrong = |words: &str| {
            Error::invalid(format!("Invalid value {size} for parameter 'max_results' supplied. It must be {words}"))
        };
        match size {
            ..1 => Err(wrong("a positive integer")),
            1..=SIZE_MAX => Ok(Self { offset: offset(token)?, size }),
            _ => Err(wrong(&format!("at most {SIZE_MAX}"))),
        }
    }

    /// Cuts up to one more entry than the page has to its size, and gives the token for the next page if there is one.
    pub(super) fn cut<T>(self, mut items: Vec<T>) -> (Vec<T>, Option<String>) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let token = (items.len() > size)
            .then(|| STANDARD.encode(format!("{{\"offset\": {}}}", self.offset.saturating_add(self.size))));
        items.truncate(size);
        (items, token)
    }
}

fn offset(token: Option<&str>) -> Result<i64> {
    let Some(token) = token else { return Ok(0) };
    let decoded = STANDARD.decode(token).map_err(|_| Error::invalid("Invalid page token, could not base64-decode"))?;
    let parsed: Option<Value> = serde_json::from_slice(&decoded).ok();
    let offset = parsed.as_ref().and_then(|it| it.get("offset")).and_then(|it| match it {
        Value::String(text) => text.parse().ok(),
        value => value.as_i64(),
    });
    offset.filter(|it| *it > 0).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&decoded);
        Error::invalid(format!("Invalid page token, parsed value={shown}; send the one that the page before gave"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_the_entry_after_the_last() {
        let page = Page::read(Some(2), None).unwrap();
        let (items, token) = page.cut(vec![1, 2, 3]);
        assert_eq!((items, token.as_deref()), (vec![1, 2], Some("eyJvZmZzZXQiOiAyfQ==")));
        let next = Page::read(Some(2), token.as_deref()).unwrap();
        assert_eq!((next.offset, next.cut(vec![3]).1), (2, None));
        for (size, token) in [(Some(-1), None), (Some(50_001), None), (None, Some("?")), (None, Some("e30="))] {
            assert!(Page::read(size, token).is_err(), "{size:?} {token:?}");
        }
    }
}
