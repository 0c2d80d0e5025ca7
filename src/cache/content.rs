//! The content of a QUERY: collected, because it is part of the key, and sent as often as need be.

use std::any::Any;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;

use bytes::{Buf as _, Bytes};
use http_body::Body as HttpBody;

/// How a body of some type is made of bytes; the type is known where it is used.
#[derive(Clone, Copy)]
pub(super) struct Maker(&'static (dyn Any + Send + Sync));

/// What the body of a request is made of whenever it is sent: of nothing, or of the content of a QUERY.
pub(super) struct Content<B> {
    bytes: Bytes,
    make: fn(Bytes) -> B,
}

/// Gives a function of a type a place.
struct Made<B>(B);

impl<B: From<Bytes> + 'static> Made<B> {
    const MAKE: fn(Bytes) -> B = <B as From<Bytes>>::from;
    const PLACE: &'static (dyn Any + Send + Sync) = &Self::MAKE;
}

impl Maker {
    pub(super) fn of<B: From<Bytes> + 'static>() -> Self {
        Self(Made::<B>::PLACE)
    }

    /// How a body of this type is made, if that is the type it was made for.
    pub(super) fn for_body<B: 'static>(self) -> Option<fn(Bytes) -> B> {
        self.0.downcast_ref::<fn(Bytes) -> B>().copied()
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker")
    }
}

impl<B> Content<B> {
    pub(super) fn new(bytes: Bytes, make: fn(Bytes) -> B) -> Self {
        Self { bytes, make }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn body(&self) -> B {
        (self.make)(self.bytes.clone())
    }
}

impl<B: Default> Content<B> {
    /// None.
    pub(super) fn none() -> Self {
        Self { bytes: Bytes::new(), make: |_| B::default() }
    }
}

impl<B> Clone for Content<B> {
    fn clone(&self) -> Self {
        Self { bytes: self.bytes.clone(), make: self.make }
    }
}

/// All that a body brings. `None` when it breaks off, or brings more than this.
pub(super) async fn collect<B: HttpBody>(body: B, most: u64) -> Option<Bytes> {
    let (mut body, mut bytes) = (pin!(body), Vec::new());
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(mut data) = frame.ok()?.into_data() else { continue };
        while data.has_remaining() {
            let chunk = data.chunk();
            bytes.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
        if bytes.len() as u64 > most {
            return None;
        }
    }
    Some(bytes.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_maker_makes_what_it_was_made_for() {
        let maker = Maker::of::<Vec<u8>>();
        assert_eq!(maker.for_body::<Vec<u8>>().unwrap()(Bytes::from("a")), b"a");
        assert!(maker.for_body::<String>().is_none());
    }

    #[tokio::test]
    async fn no_more_is_collected_than_agreed() {
        assert_eq!(collect("four".to_owned(), 4).await.unwrap(), "four");
        assert_eq!(collect("four".to_owned(), 3).await, None);
    }
}
