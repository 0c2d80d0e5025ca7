//! A store under test, with verbs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use larder::clock::{Clock, Timestamp};
use larder::entry::{Entry, Meta, Terms};
use larder::invalidation::{Category, Cleared, Selector, Tag};
use larder::key::Key;
use larder::store::{Claim, Fence, Found, Labels, Lease, Leased, Put, Store, StoreError, Stored, Unused, VariantId};

/// A store and the fills under way, whose fences an invalidation closes as the cache would.
pub(crate) struct Rig<S: ?Sized = dyn Store> {
    /// Whether this process's fences take part. Off where the shared lease has to do it alone.
    pub(crate) fences: bool,
    pub(crate) flights: Mutex<Vec<(Key, Labels, Arc<Fence>)>>,
    pub(crate) clock: Clock,
    pub(crate) store: Box<S>,
}

/// What a test stores.
#[derive(Clone, Default)]
pub(crate) struct Page {
    pub(crate) key: &'static str,
    pub(crate) body: &'static str,
    pub(crate) category: Option<&'static str>,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) variant: Option<(&'static str, u8)>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) max_variants: Option<usize>,
}

pub(crate) fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

pub(crate) fn page(key: &'static str, body: &'static str) -> Page {
    Page { key, body, ..Page::default() }
}

impl Page {
    pub(crate) fn tag(mut self, tag: &'static str) -> Self {
        self.tags.push(tag);
        self
    }

    pub(crate) fn category(self, category: &'static str) -> Self {
        Self { category: Some(category), ..self }
    }

    pub(crate) fn variant(self, field: &'static str, id: u8) -> Self {
        Self { variant: Some((field, id)), ..self }
    }

    pub(crate) fn labels(&self) -> Labels {
        Labels {
            category: self.category.map(Category::new),
            tags: self.tags.iter().map(|tag| Tag::new(*tag)).collect(),
        }
    }

    pub(crate) fn entry(&self, now: Timestamp) -> Entry {
        let labels = self.labels();
        let meta = Meta {
            key: key(self.key),
            status: StatusCode::OK,
            requested_at: now,
            received_at: now,
            initial_age: Duration::ZERO,
            lifetime: self.lifetime.unwrap_or(Duration::from_secs(60)),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            terms: Terms::default(),
            selecting: Vec::new(),
            category: labels.category,
            tags: labels.tags,
        };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        Entry::new(meta, &headers, Bytes::from_static(self.body.as_bytes()))
    }

    pub(crate) fn put(&self, now: Timestamp) -> Put {
        let variant = self.variant.map(|(field, id)| {
            let names: Arc<[HeaderName]> = Arc::from([HeaderName::from_static(field)]);
            (names, VariantId::new([id; 32]))
        });
        Put { entry: Arc::new(self.entry(now)), variant, max_variants: self.max_variants.unwrap_or(16), now }
    }
}

impl<S: Store + ?Sized> Rig<S> {
    pub(crate) async fn ask(&self, page: &Page, claim: Claim) -> Result<Leased, StoreError> {
        let fence = Arc::new(Fence::default());
        let (key, labels) = (key(page.key), page.labels());
        self.flights.lock().unwrap().push((key.clone(), labels.clone(), Arc::clone(&fence)));
        self.store.lease(&key, &labels, &fence, claim).wait().await
    }

    /// The lease; no error where another holds it.
    pub(crate) async fn lease(&self, page: &Page) -> Result<Lease, Option<StoreError>> {
        match self.ask(page, Claim::Firm).await {
            Ok(Leased::Yes(lease) | Leased::Uncacheable(Some(lease))) => Ok(lease),
            Ok(Leased::Held(_) | Leased::Uncacheable(None)) => Err(None),
            Err(error) => Err(Some(error)),
        }
    }

    pub(crate) async fn release(&self, lease: Lease) {
        self.store.release(lease, Unused::Abandoned).wait().await;
    }

    pub(crate) async fn put(&self, lease: Lease, page: &Page) -> Result<Stored, StoreError> {
        self.store.put(lease, page.put(self.clock.now())).wait().await
    }

    /// Leases and stores.
    pub(crate) async fn fill(&self, page: Page) {
        let lease = self.lease(&page).await.unwrap();
        assert_eq!(self.put(lease, &page).await, Ok(Stored::Yes), "{}", page.key);
    }

    pub(crate) async fn invalidate(&self, selector: &Selector) -> Cleared {
        if self.fences {
            for (key, labels, fence) in self.flights.lock().unwrap().iter() {
                if selector.hits(key, &labels.tags, labels.category.as_ref()) {
                    fence.close();
                }
            }
        }
        self.store.invalidate(selector).wait().await.unwrap()
    }

    /// The body under a key that has no variants.
    pub(crate) async fn body(&self, text: &str) -> Option<String> {
        body(self.store.get(&key(text)).wait().await.unwrap())
    }

    pub(crate) async fn variant(&self, text: &str, id: u8) -> Option<String> {
        body(self.store.get_variant(&key(text), &VariantId::new([id; 32])).wait().await.unwrap())
    }

    pub(crate) async fn count(&self, selector: &Selector) -> u64 {
        self.store.count(selector).wait().await.unwrap()
    }
}

fn body(found: Found) -> Option<String> {
    match found {
        Found::Entry(entry) => Some(String::from_utf8(entry.body().to_vec()).unwrap()),
        _ => None,
    }
}
