//! `GET /cache/entry/<key>`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;

use super::answer::Refusal;
use super::{Admin, key_path};
use crate::clock::Timestamp;
use crate::entry::Entry;
use crate::store::Record;

#[derive(Serialize)]
pub(super) struct Answer {
    key: String,
    variants: Vec<Variant>,
}

#[derive(Serialize)]
struct Variant {
    status: u16,
    headers: Vec<(String, String)>,
    /// The normalised request fields that select it; `null` for one that the request did not carry.
    vary: BTreeMap<String, Option<String>>,
    age_seconds: u64,
    ttl_seconds: i64,
    bytes: usize,
    tags: Vec<String>,
    /// The cache groups that the origin named (RFC 9875).
    groups: Vec<String>,
    category: Option<String>,
}

/// Shows what is stored under a key. What follows `/cache/entry/` is read as after `/invalidate/`.
pub(super) async fn entry(State(admin): State<Admin>, uri: Uri) -> Result<Json<Answer>, Refusal> {
    let named = uri.path().strip_prefix("/cache/entry/").unwrap_or_default();
    let key = admin.cache.table().canonical(&key_path::read(named, uri.query())?);
    let entries = match admin.cache.inspect(&key).await?.record {
        Record::Absent => Vec::new(),
        Record::Single(entry) => vec![entry],
        Record::Varied { variants, .. } => variants.into_iter().map(|(_, entry)| entry).collect(),
    };
    let now = admin.cache.now();
    // What is past its use may lie about for a while.
    let of_use = |entry: &&Arc<Entry>| entry.meta().drop_at() > now;
    let variants: Vec<_> = entries.iter().filter(of_use).map(|entry| Variant::of(entry, now)).collect();
    if variants.is_empty() { Err(Refusal::Absent) } else { Ok(Json(Answer { key: key.to_string(), variants })) }
}

impl Variant {
    fn of(entry: &Entry, now: Timestamp) -> Self {
        let meta = entry.meta();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        Self {
            status: meta.status.as_u16(),
            headers: entry.headers().iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
            vary: meta.selecting.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
            age_seconds: meta.age(now).as_secs(),
            ttl_seconds: meta.ttl_secs(now),
            bytes: entry.body().len(),
            tags: meta.tags.iter().filter(|tag| tag.group_name().is_none()).map(ToString::to_string).collect(),
            groups: meta.tags.iter().filter_map(|tag| Some(tag.group_name()?.to_owned())).collect(),
            category: meta.category.as_ref().map(ToString::to_string),
        }
    }
}
