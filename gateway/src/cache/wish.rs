//! What a caller wants of the cache: `Cache-Control` of the request (RFC 9111, section 5.2.1).

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::CACHE_CONTROL;

/// What a caller wants of the cache. By default it is asked and filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// `no-cache`: the provider shall be asked. Its answer is kept.
    pub(crate) is_fresh: bool,
    /// `no-store`: the provider shall be asked, and its answer not be kept.
    pub(crate) is_unkept: bool,
    /// `max-age`: no answer that is older.
    pub(crate) age_max: Option<Duration>,
}

impl Wish {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self::default();
        let values = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|it| it.to_str().ok());
        for directive in values.flat_map(|it| it.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" => wish.is_fresh = true,
                "no-store" => wish.is_unkept = true,
                "max-age" => {
                    // An age that is no number is stale at once, as the RFC advises.
                    let seconds = value.trim().trim_matches('"').parse().unwrap_or(0);
                    wish.age_max = Some(Duration::from_secs(seconds));
                }
                _ => {}
            }
        }
        wish
    }

    /// Whether the cache is asked at all.
    pub(crate) fn asks(self) -> bool {
        !self.is_fresh && !self.is_unkept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives() {
        let check = |value: &str, is_fresh: bool, is_unkept: bool, age_max_s: Option<u64>| {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]);
            let expected = Wish { is_fresh, is_unkept, age_max: age_max_s.map(Duration::from_secs) };
            assert_eq!(Wish::of(&headers), expected, "{value}");
        };
        check("no-cache", true, false, None);
        check("No-Store", false, true, None);
        check("max-age=60", false, false, Some(60));
        check("max-age=\"60\", no-cache", true, false, Some(60));
        check("max-age=soon", false, false, Some(0));
        check("only-if-cached, private", false, false, None);
        assert_eq!(Wish::of(&HeaderMap::new()), Wish::default());
    }
}
