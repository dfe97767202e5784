//! Pages of results and the tokens that lead from one page to the next.

use rest::page::token;

/// One page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The page's entries, in order.
    pub items: Vec<T>,
    /// Asks for the page after this one; absent on the last page.
    pub next_page_token: Option<String>,
}

impl<T> Page<T> {
    /// Makes a page of `size` out of up to `size + 1` items found after `offset`: the one too many says that more follow.
    pub(crate) fn cut(mut items: Vec<T>, offset: usize, size: usize) -> Self {
        let next_page_token = (items.len() > size).then(|| token(offset + size));
        items.truncate(size);
        Self { items, next_page_token }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_a_token_only_when_more_follow() {
        let page = Page::cut(vec![1, 2, 3], 4, 2);
        assert_eq!(page, Page { items: vec![1, 2], next_page_token: Some(token(6)) });
        assert_eq!(Page::cut(vec![1, 2], 4, 2).next_page_token, None);
    }
}
