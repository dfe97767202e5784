//! Pages of lists and the tokens that lead from one to the next, as MLflow's client hands them around.

use rest::page::{offset, token};
use rest::{Error, Result};

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
    pub(super) fn read(size: Option<i64>, page_token: Option<&str>) -> Result<Self> {
        let size = size.filter(|it| *it != 0).unwrap_or(SIZE);
        let wrong = |words: &str| {
            Error::invalid(format!("Invalid value {size} for parameter 'max_results' supplied. It must be {words}"))
        };
        match size {
            ..1 => Err(wrong("a positive integer")),
            1..=SIZE_MAX => {
                // A token's offset is one that databases count to.
                let offset = i64::try_from(offset(page_token)?).unwrap_or(i64::MAX);
                Ok(Self { offset, size })
            }
            _ => Err(wrong(&format!("at most {SIZE_MAX}"))),
        }
    }

    /// Cuts up to one more entry than the page has to its size, and gives the token for the next page if there is one.
    pub(super) fn cut<T>(self, mut items: Vec<T>) -> (Vec<T>, Option<String>) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let offset = usize::try_from(self.offset).unwrap_or(usize::MAX);
        let next = (items.len() > size).then(|| token(offset.saturating_add(size)));
        items.truncate(size);
        (items, next)
    }
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
