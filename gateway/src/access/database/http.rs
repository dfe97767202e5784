//! Keys over REST: `/api/3.0/tidegate/gateway/keys`. Whoever asks has the admin key.

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rest::Error;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::row::KeyRow;
use super::store::now_ms;
use crate::Gateway;
use crate::access::KeyHolder;

/// Bytes of a request at most: what may be said of one key has far less.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Keys of a page at most, and by default.
const PAGE_MAX: i64 = 1000;
const PAGE: i64 = 100;
/// How long a key that was replaced still opens, unless the request says otherwise: a day to give the new one to
/// everybody. At most thirty, or the old one is no old one.
const OVERLAP_S: i64 = 86_400;
const OVERLAP_S_MAX: i64 = 30 * 86_400;
/// Bytes of chance in a key: nobody guesses them, so that one fast hash is enough to keep them by.
const KEY_BYTES: usize = 32;
/// Characters of a key that are kept to be shown.
const HINT_CHARS: usize = 4;

pub(crate) fn router() -> Router<Gateway> {
    Router::new()
        .route("/api/3.0/tidegate/gateway/keys", get(list).post(create))
        .route("/api/3.0/tidegate/gateway/keys/{key}", get(show).patch(change).delete(delete))
        .route("/api/3.0/tidegate/gateway/keys/{key}/rotate", post(rotate))
        .route("/api/3.0/tidegate/gateway/keys/{key}/revoke", post(revoke))
        .layer(rest::body_limit(BODY_BYTES_MAX))
}

#[derive(Deserialize)]
struct Paging {
    max_results: Option<i64>,
    page_token: Option<String>,
}

async fn list(
    _: KeyHolder,
    State(gateway): State<Gateway>,
    paging: Result<Query<Paging>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Value>, Error> {
    let Query(Paging { max_results, page_token }) = paging.map_err(|it| Error::invalid(it.body_text()))?;
    let most = max_results.unwrap_or(PAGE);
    if !(1..=PAGE_MAX).contains(&most) {
        return Err(Error::invalid(format!("`max_results` is {most}; it must be from 1 to {PAGE_MAX}")));
    }
    let opened = gateway.database_keys().opened()?;
    // The last name of a page is where the next one begins.
    let mut rows = opened.store.page(&page_token.unwrap_or_default(), most + 1).await?;
    let more = rows.len() > usize::try_from(most).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let token = rows.last().filter(|_| more).map(|it| it.name.clone());
    let keys: Vec<Value> = rows.iter().map(KeyRow::to_json).collect();
    Ok(Json(json!({"keys": keys, "next_page_token": token})))
}

async fn create(_: KeyHolder, State(gateway): State<Gateway>, Said(mut fields): Said) -> Result<Response, Error> {
    let Some(Value::String(name)) = fields.shift_remove("name") else {
        return Err(Error::invalid("`name` is missing: the text by which records and limits know the key"));
    };
    if gateway.has_file_key(&name) {
        return Err(Error::AlreadyExists(format!("the configuration has a key named `{name}`; choose another name")));
    }
    let mut row = KeyRow::named(name)?;
    row.apply(fields)?;
    let key = new_key();
    row.key_hash = gateway.hash_of(&key);
    row.hint = hint(&key);
    let opened = gateway.database_keys().opened()?;
    let row = opened.store.add(row).await?;
    opened.changed().await;
    tracing::info!(key = row.name, "a virtual key was made");
    Ok(with_value(&row, &key))
}

async fn show(_: KeyHolder, State(gateway): State<Gateway>, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    let row = gateway.database_keys().opened()?.store.one(&name).await?;
    Ok(Json(json!({"key": row.to_json()})))
}

async fn change(
    _: KeyHolder,
    State(gateway): State<Gateway>,
    Path(name): Path<String>,
    Said(fields): Said,
) -> Result<Json<Value>, Error> {
    let opened = gateway.database_keys().opened()?;
    let row = opened.store.change(&name, |row| row.apply(fields)).await?;
    opened.changed().await;
    tracing::info!(key = row.name, "a virtual key was changed");
    Ok(Json(json!({"key": row.to_json()})))
}

/// Puts another key in the place of one, which opens for a while longer.
async fn rotate(
    _: KeyHolder,
    State(gateway): State<Gateway>,
    Path(name): Path<String>,
    Said(mut fields): Said,
) -> Result<Response, Error> {
    let overlap_s = match fields.shift_remove("overlap_s") {
        None => OVERLAP_S,
        Some(value) => value.as_i64().filter(|it| (0..=OVERLAP_S_MAX).contains(it)).ok_or_else(|| {
            Error::invalid(format!("`overlap_s` is a whole number of seconds from 0 to {OVERLAP_S_MAX}"))
        })?,
    };
    if let Some(other) = fields.keys().next() {
        return Err(Error::invalid(format!(
            "a rotation has no field `{}`, only `overlap_s`",
            super::row::shown(other)
        )));
    }
    let key = new_key();
    let (hash, its_hint) = (gateway.hash_of(&key), hint(&key));
    let opened = gateway.database_keys().opened()?;
    let rotation = move |row: &mut KeyRow| {
        if row.revoked_at.is_some() {
            return Err(Error::InvalidState(format!("the key `{}` was revoked; make another one", row.name)));
        }
        let now = now_ms();
        // A key that leaked shall open no longer just because there was another one before it.
        row.replaced_hash = (overlap_s > 0).then(|| std::mem::take(&mut row.key_hash));
        row.replaced_until = (overlap_s > 0).then(|| now + overlap_s * 1000);
        row.key_hash = hash;
        row.hint = its_hint;
        row.rotated_at = Some(now);
        Ok(())
    };
    let row = opened.store.change(&name, rotation).await?;
    opened.changed().await;
    tracing::info!(key = row.name, overlap_s, "a virtual key was replaced");
    Ok(with_value(&row, &key))
}

/// Ends a key for good; its name stays taken, so that nobody is taken for its owner.
async fn revoke(_: KeyHolder, State(gateway): State<Gateway>, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    let opened = gateway.database_keys().opened()?;
    let revocation = |row: &mut KeyRow| {
        row.revoked_at.get_or_insert_with(now_ms);
        (row.replaced_hash, row.replaced_until) = (None, None);
        Ok(())
    };
    let row = opened.store.change(&name, revocation).await?;
    opened.changed().await;
    tracing::info!(key = row.name, "a virtual key was revoked");
    Ok(Json(json!({"key": row.to_json()})))
}

/// Forgets a key, which then opens nothing either.
async fn delete(_: KeyHolder, State(gateway): State<Gateway>, Path(name): Path<String>) -> Result<Json<Value>, Error> {
    let opened = gateway.database_keys().opened()?;
    opened.store.delete(&name).await?;
    opened.changed().await;
    tracing::info!(key = name, "a virtual key was deleted");
    Ok(Json(json!({})))
}

/// What a request says; nothing at all says nothing.
struct Said(Map<String, Value>);

impl<S: Send + Sync> FromRequest<S> for Said {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if request.body().is_end_stream() {
            return Ok(Self(Map::new()));
        }
        let body = rest::read_json(request, state).await?;
        if body.trim_ascii().is_empty() {
            return Ok(Self(Map::new()));
        }
        let fields = serde_json::from_slice(&body);
        fields.map(Self).map_err(|error| Error::invalid(format!("the body is no JSON object: {error}")))
    }
}

fn new_key() -> String {
    format!("tg-{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>()))
}

fn hint(key: &str) -> String {
    format!("tg-…{}", &key[key.len() - HINT_CHARS..])
}

/// The only answer that ever holds the key itself; nothing on the way shall keep it.
fn with_value(row: &KeyRow, key: &str) -> Response {
    let mut response = Json(json!({"key": row.to_json(), "value": key})).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
