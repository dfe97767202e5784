//! What stands between a call's admission and the endpoints that answer it: guardrails and the cache.
//!
//! A request passes the guardrails before it is looked up in the cache, and an answer passes them before it is kept: a
//! cache holds what callers may see.

use std::sync::Arc;

use axum::http::header::AGE;
use axum::http::{HeaderMap, HeaderValue};
use llm::Error;

use crate::Gateway;
use crate::answer::{Answer, Failed};
use crate::cache::{self, CACHE, Cache, CacheConfig, CacheUse, Caches, Key, Meaning, SIMILARITY, StoreKind, Wish};
use crate::dispatch;
use crate::guardrails::{Decisions, GUARDRAILS, Guardrail, Guardrails, Screened};
use crate::metering::Meter;
use crate::provider::{Reply, ReplyBody};
use crate::request::Request;
use crate::served::{Endpoint, Served};

/// What an endpoint or a route wants done to its calls, as the configuration says it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScreenConfig {
    pub(crate) cache: Option<CacheConfig>,
    pub(crate) guardrails: Vec<Arc<Guardrail>>,
}

impl ScreenConfig {
    pub(crate) fn needs_database(&self) -> bool {
        self.cache.as_ref().is_some_and(|it| it.store == StoreKind::Database)
    }
}

/// What is done to the calls of an endpoint or a route.
pub(crate) struct Screen {
    cache: Option<Arc<Cache>>,
    guardrails: Option<Arc<Guardrails>>,
}

impl Screen {
    pub(crate) fn has_cache(&self) -> bool {
        self.cache.is_some()
    }

    pub(crate) fn guardrail_names(&self) -> Vec<&str> {
        self.guardrails.iter().flat_map(|it| it.list()).map(|it| it.name.as_str()).collect()
    }

    /// Whether anything is looked for in what passes.
    pub(crate) fn has_guardrails(&self) -> bool {
        self.guardrails.is_some()
    }

    /// `None` where nothing is to be done, so that those calls pay nothing for it. Which of its destinations answers a
    /// route's call is not known before, so that a route has the guardrails of all of them.
    pub(crate) fn new(
        config: &ScreenConfig,
        destinations: &[Arc<Endpoint>],
        caches: &Caches,
    ) -> Result<Option<Arc<Self>>, String> {
        let mut list = config.guardrails.clone();
        let theirs = destinations.iter().filter_map(|it| it.screen.as_ref()?.guardrails.as_ref());
        list.extend(theirs.flat_map(|it| it.list().iter().cloned()));
        let cache = config.cache.as_ref().map(|it| Cache::new(it, caches).map(Arc::new)).transpose()?;
        let guardrails = Guardrails::new(list).map(Arc::new);
        Ok((cache.is_some() || guardrails.is_some()).then(|| Arc::new(Self { cache, guardrails })))
    }

    /// The same with the guardrails of those to whom its calls may fall back.
    pub(crate) fn with_guardrails_of<'s>(
        own: Option<&Arc<Self>>,
        fallbacks: impl Iterator<Item = &'s Served>,
    ) -> Option<Arc<Self>> {
        let own_list = own.and_then(|it| it.guardrails.as_ref()).map(|it| it.list().to_vec());
        let mut list = own_list.unwrap_or_default();
        for guardrail in fallbacks.filter_map(|it| it.screen()?.guardrails.as_ref()).flat_map(|it| it.list()) {
            if list.iter().all(|it| !Arc::ptr_eq(it, guardrail)) {
                list.push(Arc::clone(guardrail));
            }
        }
        let cache = own.and_then(|it| it.cache.clone());
        let guardrails = Guardrails::new(list).map(Arc::new);
        (cache.is_some() || guardrails.is_some()).then(|| Arc::new(Self { cache, guardrails }))
    }
}

/// What is done to the answer of a call before its caller gets it.
#[derive(Default)]
pub(crate) struct Watch {
    guardrails: Option<(Gateway, Arc<Guardrails>, Decisions)>,
    keep: Option<(Arc<Cache>, Key, Option<Meaning>)>,
}

impl Watch {
    /// Takes the answer of an endpoint and gives the one that the caller gets.
    pub(crate) async fn reply(
        &mut self,
        endpoint: &Endpoint,
        request: &Request,
        mut reply: Reply,
        meter: &mut Meter,
    ) -> Result<Reply, Error> {
        if let Some((gateway, guardrails, decisions)) = self.guardrails.take() {
            let body = match &reply.body {
                ReplyBody::Whole(body) => body.clone(),
                ReplyBody::Stream(_) => bytes::Bytes::new(),
            };
            let form = reply.form;
            reply = guardrails.reply(&gateway, request, reply, &decisions).await.inspect_err(|_| {
                // It was paid for nevertheless.
                if let Ok(facts) = serde_json::from_slice(&body) {
                    meter.counted(form, &facts);
                }
            })?;
        }
        Ok(match self.keep.take() {
            Some((cache, key, meaning)) => cache::keep(&cache, key, meaning, endpoint, reply),
            None => reply,
        })
    }
}

/// Makes a call that is screened.
pub(crate) async fn call(
    gateway: &Gateway,
    screen: &Screen,
    served: &Served,
    request: &Request,
    mut meter: Meter,
) -> Result<Answer, Failed> {
    let Some(guardrails) = screen.guardrails.as_ref().filter(|_| !request.caller.is_unguarded) else {
        return asked(gateway, screen, served, request, meter, None).await;
    };
    let decisions = Decisions::default();
    meter.is_guarded(decisions.clone());
    let result = match guardrails.request(gateway, request, &decisions).await {
        Ok(screened) => {
            let request = match &screened {
                Screened::Unchanged => request,
                Screened::Translated(it) => it,
                Screened::Masked(it) => {
                    meter.asks(it);
                    it
                }
            };
            asked(gateway, screen, served, request, meter, Some((guardrails, &decisions))).await
        }
        Err(error) => {
            meter.fail(&error);
            Err(error.into())
        }
    };
    let tell = |headers: &mut HeaderMap| {
        if let Some(value) = decisions.header().and_then(|it| it.parse().ok()) {
            headers.insert(GUARDRAILS, value);
        }
    };
    result.map(|mut it| (tell(&mut it.headers), it).1).map_err(|mut it| (tell(&mut it.headers), it).1)
}

/// Makes a call whose request may be asked, unless the cache has its answer.
async fn asked(
    gateway: &Gateway,
    screen: &Screen,
    served: &Served,
    request: &Request,
    mut meter: Meter,
    guardrails: Option<(&Arc<Guardrails>, &Decisions)>,
) -> Result<Answer, Failed> {
    let mut watch = Watch {
        guardrails: guardrails.map(|(list, decisions)| (gateway.clone(), Arc::clone(list), decisions.clone())),
        keep: None,
    };
    let Some(cache) = &screen.cache else { return dispatch::run(served, request, meter, watch).await };
    let wish = Wish::of(&request.caller.headers);
    let fingerprint = guardrails.map_or(0, |(list, _)| list.fingerprint);
    let key = if wish.is_unkept { None } else { cache.key(served, request, fingerprint) };
    let mut meaning = None;
    if let Some(key) = key.filter(|_| wish.asks()) {
        let mut found = cache.get(&key, wish).await.map(|it| (it, None));
        if found.is_none() {
            meaning = cache.meaning(gateway, served, request, fingerprint).await;
            if let Some(meaning) = &meaning {
                found = cache.alike(meaning, wish).await.map(|(stored, similarity)| (stored, Some(similarity)));
            }
        }
        if let Some((stored, similarity)) = found
            && let Some(endpoint) = served.endpoint_of(&stored.provider, &stored.model)
        {
            let used = CacheUse::Hit { age: stored.age(), similarity };
            meter.is_for(endpoint);
            meter.used_cache(used);
            return dispatch::answered(endpoint, request, stored.reply(), meter).await.map(|it| told(it, used));
        }
    }
    let used = if key.is_some() && wish.asks() { CacheUse::Miss } else { CacheUse::Bypass };
    meter.used_cache(used);
    watch.keep = key.map(|it| (Arc::clone(cache), it, meaning));
    dispatch::run(served, request, meter, watch).await.map(|it| told(it, used))
}

fn told(mut answer: Answer, used: CacheUse) -> Answer {
    answer.headers.insert(CACHE, HeaderValue::from_static(used.word()));
    if let CacheUse::Hit { age, similarity } = used {
        answer.headers.insert(AGE, age.as_secs().into());
        if let Some(value) = similarity.and_then(|it| format!("{it:.4}").parse().ok()) {
            answer.headers.insert(SIMILARITY, value);
        }
    }
    answer
}
