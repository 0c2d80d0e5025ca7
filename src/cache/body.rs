//! The body of every answer that passes through the cache.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::fill::Reader;
use super::{BoxError, ResponseBody};

pin_project! {
    /// The body of an answer: stored bytes, the inner service's own body, or a fetch that is shared with others.
    ///
    /// Dropping it abandons the answer. A shared fetch goes on as long as anybody else reads it.
    pub struct Body<RB, E> {
        #[pin]
        inner: Inner<RB, E>,
    }
}

pin_project! {
    #[project = Projected]
    enum Inner<RB, E> {
        Whole { bytes: Bytes },
        Own { #[pin] body: RB },
        Shared { reader: Reader<RB, E>, left: Option<u64> },
        Part { reader: Reader<RB, E>, skip: u64, left: u64 },
    }
}

impl<RB: ResponseBody, E: Send + 'static> Body<RB, E> {
    pub(super) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(super) fn whole(bytes: Bytes) -> Self {
        Self { inner: Inner::Whole { bytes } }
    }

    pub(super) fn own(body: RB) -> Self {
        Self { inner: Inner::Own { body } }
    }

    pub(super) fn shared(reader: Reader<RB, E>, length: Option<u64>) -> Self {
        Self { inner: Inner::Shared { reader, left: length } }
    }

    /// So many bytes of a shared body, once as many others have gone by.
    pub(super) fn part(reader: Reader<RB, E>, skip: u64, length: u64) -> Self {
        Self { inner: Inner::Part { reader, skip, left: length } }
    }
}

impl<RB: ResponseBody, E: Send + 'static> HttpBody for Body<RB, E> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().inner.project() {
            Projected::Whole { bytes } => {
                let whole = std::mem::take(bytes);
                Poll::Ready((!whole.is_empty()).then(|| Ok(Frame::data(whole))))
            }
            Projected::Own { body } => body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            Projected::Shared { reader, left } => {
                let frame = ready!(reader.poll_frame(cx));
                if let (Some(left), Some(Ok(frame))) = (left, &frame) {
                    *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
                }
                Poll::Ready(frame)
            }
            Projected::Part { reader, skip, left } => loop {
                if *left == 0 {
                    return Poll::Ready(None);
                }
                match ready!(reader.poll_frame(cx)).map(|frame| frame.map(Frame::into_data)) {
                    Some(Ok(Ok(data))) => {
                        if let Some(data) = cut_to(data, skip, left) {
                            return Poll::Ready(Some(Ok(Frame::data(data))));
                        }
                    }
                    // Trailers are about the whole.
                    Some(Ok(Err(_))) | None => return Poll::Ready(None),
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                }
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Whole { bytes } => bytes.is_empty(),
            Inner::Own { body } => body.is_end_stream(),
            Inner::Shared { reader, .. } => reader.is_over(),
            Inner::Part { left, .. } => *left == 0,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Whole { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Inner::Own { body } => body.size_hint(),
            Inner::Shared { left, .. } => left.map_or_else(SizeHint::default, SizeHint::with_exact),
            Inner::Part { left, .. } => SizeHint::with_exact(*left),
        }
    }
}

/// What of a chunk belongs to the part.
fn cut_to(mut data: Bytes, skip: &mut u64, left: &mut u64) -> Option<Bytes> {
    let before = usize::try_from(*skip).unwrap_or(usize::MAX).min(data.len());
    let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(data.len() - before);
    *skip -= before as u64;
    *left -= wanted as u64;
    data.advance(before);
    data.truncate(wanted);
    (!data.is_empty()).then_some(data)
}

impl<RB: ResponseBody, E: Send + 'static> fmt::Debug for Body<RB, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.inner {
            Inner::Whole { .. } => "Body(whole)",
            Inner::Own { .. } => "Body(own)",
            Inner::Shared { .. } => "Body(shared)",
            Inner::Part { .. } => "Body(part)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_of_the_chunks() {
        for (start, length, pieces) in
            [(0, 3, &["abc"][..]), (1, 4, &["bc", "de"]), (3, 3, &["def"]), (7, 9, &["h"]), (2, 5, &["c", "def", "g"])]
        {
            let (mut skip, mut left) = (start, length);
            let cut: Vec<_> =
                ["abc", "", "def", "gh"].into_iter().filter_map(|c| cut_to(c.into(), &mut skip, &mut left)).collect();
            assert_eq!(cut, pieces, "{start} {length}");
        }
    }
}
