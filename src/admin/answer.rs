//! Answers that say no, as JSON.

use axum::Json;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;

use super::explain::AskedError;
use super::key_path::KeyPathError;
use super::request::RequestError;
use crate::store::StoreError;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// The path names no key.
    #[error(transparent)]
    KeyPath(#[from] KeyPathError),
    /// The body names nothing that could be cleared.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The request that is asked about is none.
    #[error(transparent)]
    Asked(#[from] AskedError),
    /// The body could not be read, or is too large.
    #[error("the body cannot be used: {0}")]
    Body(#[from] BytesRejection),
    /// The store did not do its part.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Nothing is stored under the key.
    #[error("nothing is stored under this key")]
    Absent,
    /// There is no such category.
    #[error("no route has this category and nothing was counted under it")]
    Category,
    /// The token is missing.
    #[error("this route needs `Authorization: Bearer <token>`")]
    TokenMissing,
    /// The token is another.
    #[error("this is not the token")]
    TokenWrong,
    /// A page of another site sent the request.
    #[error("requests from pages of other sites are refused")]
    OtherSite,
    /// The route exists, the method on it does not.
    #[error("this route does not take this method")]
    Method,
}

#[derive(Serialize)]
struct Body {
    error: String,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::KeyPath(_) | Self::Request(_) | Self::Asked(_) => StatusCode::BAD_REQUEST,
            Self::Body(rejection) => rejection.status(),
            Self::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Absent | Self::Category => StatusCode::NOT_FOUND,
            Self::TokenMissing => StatusCode::UNAUTHORIZED,
            Self::TokenWrong | Self::OtherSite => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), Json(Body { error: self.to_string() })).into_response()
    }
}

/// The answer of a route to a method it does not know; axum adds `Allow`.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::Method
}
