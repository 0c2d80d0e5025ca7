//! QUERY (RFC 10008): a safe request whose content says what is asked.

use std::sync::Arc;

use http::header::EXPECT;
use http::{Request, Response, StatusCode, request};
use http_body::Body as HttpBody;
use tower::ServiceExt as _;
use tower_service::Service;

use super::ResponseBody;
use super::ask::{self, Ask, Wanted};
use super::body::Body;
use super::content::{Content, collect};
use super::flow::Flow;
use super::handle::Core;
use super::keyed::ForwardedProto;
use super::respond::{self, Signs};
use super::service::{Looked, own, refuse_path};
use crate::outcome::{Forward, Outcome, Reason};
use crate::route::Table;

/// A QUERY that is looked up once its content is known.
pub(super) struct Query<S, B> {
    pub(super) core: Arc<Core>,
    pub(super) table: Arc<Table>,
    pub(super) inner: S,
    pub(super) signs: Signs,
    pub(super) proto: ForwardedProto,
    pub(super) make: fn(bytes::Bytes) -> B,
    /// How large the content may be.
    pub(super) most: u64,
}

impl<S, B, RB> Query<S, B>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    B: HttpBody + Default + Send + 'static,
    RB: ResponseBody,
{
    pub(super) async fn answer(
        self,
        mut parts: request::Parts,
        body: B,
    ) -> Result<Response<Body<RB, S::Error>>, S::Error> {
        let Some(content) = collect(body, self.most).await else {
            return Ok(self.broken_off());
        };
        let content = Content::new(content, self.make);
        // What was expected has come.
        parts.headers.remove(EXPECT);
        let Self { core, table, inner, signs, proto, .. } = self;
        let outcome = match ask::examine_query(&core, &table, proto, &parts, content.bytes()) {
            Ask::Lookup(wanted, lookup) => {
                ask::show_only_keyed(&mut parts, &table, wanted.rule, &wanted.key);
                let looked = Looked { found: core.store.get(&wanted.key), varied: false };
                let Wanted { rule, key } = wanted;
                let (rule, parts, body) = (rule.clone(), Arc::new(parts), content.body());
                let flow = Flow { core, inner, rule, key, lookup, parts, signs, content };
                return flow.answer(body, looked).await;
            }
            Ask::Refuse(error) => return Ok(refuse_path(&core, signs, &error)),
            Ask::Bypass(wanted, reason) => {
                core.stats.bypass(reason);
                ask::show_only_keyed(&mut parts, &table, wanted.rule, &wanted.key);
                Outcome::bypass(reason)
            }
            Ask::Pass(Some(reason)) => {
                core.stats.reason(reason);
                Outcome::bypass(reason)
            }
            Ask::Pass(None) | Ask::Write | Ask::Content(_) => Outcome::forwarded(Forward::Method),
        };
        let answer = inner.oneshot(Request::from_parts(parts, content.body())).await?;
        Ok(own(answer, signs, outcome))
    }

    /// The client does not hear this as a rule: it has left.
    fn broken_off(&self) -> Response<Body<RB, S::Error>> {
        self.core.stats.reason(Reason::Incomplete);
        let mut answer = respond::refusal(StatusCode::BAD_REQUEST, "the content is not complete", Reason::Incomplete);
        let outcome = Outcome { detail: Some(Reason::Incomplete), ..Outcome::refused() };
        self.signs.write(answer.headers_mut(), &outcome, None);
        answer
    }
}
