//! What stands between a call's admission and the endpoints that answer it: the cache.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::AGE;

use crate::answer::{Answer, Failed};
use crate::cache::{self, CACHE, Cache, CacheConfig, CacheUse, Caches, Key, Wish};
use crate::dispatch;
use crate::metering::Meter;
use crate::provider::Reply;
use crate::request::Request;
use crate::served::{Endpoint, Served};

/// What an endpoint or a route wants done to its calls, as the configuration says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScreenConfig {
    pub(crate) cache: Option<CacheConfig>,
}

/// What is done to the calls of an endpoint or a route.
pub(crate) struct Screen {
    cache: Option<Arc<Cache>>,
}

impl Screen {
    /// `None` where nothing is to be done, so that those calls pay nothing for it.
    pub(crate) fn new(config: &ScreenConfig, caches: &Caches) -> Option<Arc<Self>> {
        let cache = config.cache.as_ref().map(|it| Arc::new(Cache::new(it, caches)));
        cache.is_some().then(|| Arc::new(Self { cache }))
    }
}

/// What is done to the answer of a call before its caller gets it.
#[derive(Default)]
pub(crate) struct Watch {
    keep: Option<(Arc<Cache>, Key)>,
}

impl Watch {
    /// Takes the answer of an endpoint and gives the one that the caller gets.
    pub(crate) fn reply(&mut self, endpoint: &Endpoint, reply: Reply) -> Reply {
        match self.keep.take() {
            Some((cache, key)) => cache::keep(&cache, key, endpoint, reply),
            None => reply,
        }
    }
}

/// Makes a call that is screened.
pub(crate) async fn call(
    screen: &Screen,
    served: &Served,
    request: &Request,
    mut meter: Meter,
) -> Result<Answer, Failed> {
    let Some(cache) = &screen.cache else { return dispatch::run(served, request, meter, Watch::default()).await };
    let wish = Wish::of(&request.caller.headers);
    let key = if wish.is_unkept { None } else { cache.key(served, request, 0) };
    if let Some(key) = key.filter(|_| wish.asks())
        && let Some(stored) = cache.get(&key, wish).await
        && let Some(endpoint) = served.endpoint_of(&stored.provider, &stored.model)
    {
        let age = stored.age();
        meter.is_for(endpoint);
        meter.used_cache(CacheUse::Hit { age });
        let mut answer = dispatch::answered(endpoint, request, stored.reply(), meter).await?;
        answer.headers.insert(AGE, age.as_secs().into());
        return Ok(told(answer, CacheUse::Hit { age }));
    }
    let used = if key.is_some() && wish.asks() { CacheUse::Miss } else { CacheUse::Bypass };
    meter.used_cache(used);
    let watch = Watch { keep: key.map(|it| (Arc::clone(cache), it)) };
    dispatch::run(served, request, meter, watch).await.map(|it| told(it, used))
}

fn told(mut answer: Answer, used: CacheUse) -> Answer {
    answer.headers.insert(CACHE, HeaderValue::from_static(used.word()));
    answer
}
