//! The results of async functions, cached like responses: one computation for all who wait, fenced against
//! invalidation, in memory and in the Redis that all nodes share, counted.
//!
//! ```
//! # #[cfg(feature = "memory")] {
//! use std::time::Duration;
//! use larder::cache::Cache;
//! use larder::memo::Memo;
//! use larder::route::Table;
//! use larder::store::MemoryStore;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let cache = Cache::builder(Table::builder().build()?, MemoryStore::new(64 << 20)).build();
//! let prices = Memo::<Vec<f64>>::new(&cache, "prices", Duration::from_secs(300)).when(|found| !found.is_empty());
//!
//! let (symbol, interval) = ("BTC", "1h");
//! let found = prices.get(format_args!("{symbol}:{interval}"), || async { Ok::<_, std::io::Error>(vec![1.5]) }).await?;
//! assert_eq!(found, [1.5]);
//! assert_eq!(prices.stats().misses, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # }
//! # Ok::<(), larder::route::RouteError>(())
//! ```

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_service::Service;

use crate::cache::Cache;
use crate::invalidation::{Category, Cleared, Selector, Tag};
use crate::key::Key;
use crate::route::Rule;
use crate::stats::Count;
use crate::store::StoreError;

/// The host of the keys. Hosts of requests are in lower case in keys, so no request's key is a memo's.
const HOST: &str = "MEMO";

/// Caches what one function returns, each value under a key of its own.
///
/// Values are stored as JSON under `GET://MEMO/<name>/<key>`, which the admin routes clear like any other. The name is the
/// category: it is counted and cleared under it. Clones share everything.
pub struct Memo<T> {
    cache: Cache,
    name: Category,
    rule: Arc<Rule>,
    condition: Option<Arc<Condition<T>>>,
}

type Condition<T> = dyn Fn(&T) -> bool + Send + Sync;

impl<T: Serialize + DeserializeOwned + Send + 'static> Memo<T> {
    /// Caches values under this name, each for `ttl`.
    pub fn new(cache: &Cache, name: &str, ttl: Duration) -> Self {
        let name = Category::new(name);
        let rule = Arc::new(Rule::for_values(ttl).category(name.clone()));
        Self { cache: cache.clone(), name, rule, condition: None }
    }

    /// Keeps only values that meet the condition. The others are returned and computed again by the next call.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    /// Gives every value this tag.
    #[must_use]
    pub fn tag(mut self, tag: Tag) -> Self {
        self.rule = Arc::new(Rule::clone(&self.rule).tags([tag]));
        self
    }

    /// The value of `key`: the stored one, or what `compute` returns. Of any number of concurrent calls, on all nodes, one
    /// computes. `compute` is called again where that one fails, is invalidated meanwhile or takes too long.
    ///
    /// Dropping the future abandons the wait; a computation that others wait for goes on.
    ///
    /// # Errors
    /// The function's own. The cache adds none: where it cannot help, the function is called.
    pub async fn get<E, F, Fut>(&self, key: impl fmt::Display, compute: F) -> Result<T, E>
    where
        F: Fn() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Send + 'static,
    {
        self.get_tagged(key, [], compute).await
    }

    /// The same for a value that has tags of its own.
    ///
    /// # Errors
    /// The function's own.
    pub async fn get_tagged<E, F, Fut>(
        &self,
        key: impl fmt::Display,
        tags: impl IntoIterator<Item = Tag>,
        compute: F,
    ) -> Result<T, E>
    where
        F: Fn() -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        E: Send + 'static,
    {
        let key = self.key(key);
        let tagged = || {
            let mut tags = tags.into_iter().peekable();
            if tags.peek().is_none() { self.rule.clone() } else { Arc::new(Rule::clone(&self.rule).tags(tags)) }
        };
        let call = Call { compute: compute.clone(), condition: self.condition.clone(), value: PhantomData };
        if let Some(text) = self.cache.computed(&key, &self.rule, tagged, call).await? {
            match serde_json::from_slice(&text) {
                Ok(value) => return Ok(value),
                // Of another version of the program, perhaps: the next call stores it anew.
                Err(_) => self.cache.discard(&key).await,
            }
        }
        compute().await
    }

    /// Clears the value of one key.
    ///
    /// # Errors
    /// As [`Cache::invalidate`].
    pub async fn forget(&self, key: impl fmt::Display) -> Result<Cleared, StoreError> {
        self.cache.invalidate(&Selector::Key(self.key(key))).await
    }

    /// Clears all values.
    ///
    /// # Errors
    /// As [`Cache::invalidate`].
    pub async fn clear(&self) -> Result<Cleared, StoreError> {
        self.cache.invalidate(&Selector::Category(self.name.clone())).await
    }

    /// How often a value was found and how often not, on this node.
    pub fn stats(&self) -> Count {
        self.cache.stats().by_category().remove(&self.name).unwrap_or_default()
    }

    /// The key under which a value is stored.
    pub fn key(&self, key: impl fmt::Display) -> Key {
        let (name, key) = (escaped(self.name.as_str()), escaped(&key.to_string()));
        Key::new(Some(HOST), &format!("/{name}/{key}"), None, None)
    }
}

/// Escapes what would end a path, so that no two texts give one key.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || matches!(c, '/' | '?' | '#' | '%' | '*' | '\\' | ' ') {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The function as an inner service: what it returns is the body of a 200.
struct Call<F, T> {
    compute: F,
    condition: Option<Arc<Condition<T>>>,
    value: PhantomData<fn() -> T>,
}

impl<F, Fut, T, E> Service<Request<String>> for Call<F, T>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>> + Send + 'static,
    T: Serialize + 'static,
{
    type Response = Response<String>;
    type Error = E;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, E>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let (value, condition) = ((self.compute)(), self.condition.clone());
        Box::pin(async move {
            let value = value.await?;
            let kept = condition.is_none_or(|condition| condition(&value));
            let mut response = Response::new(String::new());
            match serde_json::to_string(&value) {
                Ok(text) => *response.body_mut() = text,
                // What JSON cannot hold is not stored, and computed by whoever asks.
                Err(_) => *response.status_mut() = StatusCode::NO_CONTENT,
            }
            if !kept {
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            Ok(response)
        })
    }
}

impl<F: Clone, T> Clone for Call<F, T> {
    fn clone(&self) -> Self {
        Self { compute: self.compute.clone(), condition: self.condition.clone(), value: PhantomData }
    }
}

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        let (cache, name) = (self.cache.clone(), self.name.clone());
        Self { cache, name, rule: self.rule.clone(), condition: self.condition.clone() }
    }
}

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_texts_are_one_path() {
        for (text, path) in [
            ("BTC:1h", "BTC:1h"),
            ("a/b", "a%2Fb"),
            ("a%2Fb", "a%252Fb"),
            ("é?#*", "é%3F%23%2A"),
            ("a b\n", "a%20b%0A"),
        ] {
            assert_eq!(escaped(text), path);
        }
    }
}
