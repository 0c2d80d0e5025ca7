//! Values that are computed by the program itself, through the same flow as responses: the inner service is a function,
//! and its key is not that of any path.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use tower_service::Service;

use super::ResponseBody;
use super::content::Content;
use super::flow::Flow;
use super::handle::Cache;
use super::respond::Signs;
use super::service::Looked;
use crate::key::Key;
use crate::outcome::Outcome;
use crate::policy::{self, Lookup, Reuse};
use crate::route::Rule;
use crate::store::{Found, Reply};

impl Cache {
    /// The value of `key`: what is stored, or else what `inner` answers an empty request with. `rule` is asked for only
    /// then. `None` when the cache is switched off or there is no 200 to take a value from.
    ///
    /// # Errors
    /// The error of the inner service, for the call that caused it.
    pub(crate) async fn computed<S, RB>(
        &self,
        key: &Key,
        base: &Arc<Rule>,
        rule: impl FnOnce() -> Arc<Rule>,
        inner: S,
    ) -> Result<Option<Bytes>, S::Error>
    where
        S: Service<Request<String>, Response = Response<RB>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Send + 'static,
        RB: ResponseBody,
    {
        let table = self.table();
        if !table.is_enabled() {
            return Ok(None);
        }
        let lookup = Lookup { plain: true, ..Lookup::default() };
        let found = self.core.store.get(key);
        if let Reply::Now(Ok(Found::Entry(entry))) = &found {
            let now = self.core.clock.now();
            if policy::reuse(&lookup, entry.meta(), now) == Reuse::Serve {
                let outcome = Outcome::hit(entry.meta().ttl_secs(now));
                self.core.stats.lookup(key, base.category_name(), &outcome, now);
                return Ok(Some(entry.body().clone()));
            }
        }
        let flow = Flow {
            core: self.core.clone(),
            inner,
            rule: rule(),
            key: key.clone(),
            lookup,
            parts: Arc::new(Request::new(()).into_parts().0),
            signs: Signs::of(&table),
            content: Content::none(),
        };
        let looked = Looked { found, varied: false };
        let (head, body) = Box::pin(flow.answer(String::new(), looked)).await?.into_parts();
        if head.status != StatusCode::OK {
            return Ok(None);
        }
        let mut body = pin!(body);
        let mut value = BytesMut::new();
        while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match frame.map(http_body::Frame::into_data) {
                Ok(Ok(data)) if value.is_empty() && body.is_end_stream() => return Ok(Some(data)),
                Ok(Ok(data)) => value.extend_from_slice(&data),
                Ok(Err(_trailers)) => {}
                Err(_) => return Ok(None),
            }
        }
        Ok(Some(value.freeze()))
    }

    /// Removes a record that proved unusable, and counts it.
    pub(crate) async fn discard(&self, key: &Key) {
        self.core.stats.reason(crate::outcome::Reason::StoreGarbage);
        // What cannot be removed now is found unusable again.
        let _ = self.core.store.remove(key).wait().await;
    }
}
