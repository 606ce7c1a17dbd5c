//! Bodies: reading a request's under a cap, and making a response's bit by bit.

use std::convert::Infallible;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Body as _, Frame, Incoming};

use crate::problem::Problem;

/// The largest request body that is accepted.
pub(crate) const CAP: usize = 16 * 1024 * 1024;

/// How much of a body that is too large is still read and dropped: a client hears the 413 only once it has sent all.
const DROPPED: usize = 4 * CAP;

/// The body of a response.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A body that is there as a whole.
pub(crate) fn whole(data: impl Into<Bytes>) -> Body {
    Full::new(data.into()).boxed_unsync()
}

/// A body whose next chunk is made when the connection has room for it, and not earlier.
pub(crate) fn lazy(chunks: impl Iterator<Item = Bytes> + Send + 'static) -> Body {
    timed(stream::iter(chunks))
}

/// A body whose chunks come when `chunks` has them.
pub(crate) fn timed(chunks: impl Stream<Item = Bytes> + Send + 'static) -> Body {
    StreamBody::new(chunks.map(|chunk| Ok(Frame::data(chunk)))).boxed_unsync()
}

/// Reads `body` to its end. `waits` says that the client waits for a "100 Continue": it sends nothing if refused at once.
pub(crate) async fn read(mut body: Incoming, waits: bool) -> Result<Bytes, Problem> {
    let announced = body.size_hint().lower();
    if announced > DROPPED as u64 || (waits && announced > CAP as u64) {
        return Err(Problem::TooLarge);
    }
    let (mut kept, mut total) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Problem::Bad("the body broke off".to_owned()))?.into_data() else {
            continue;
        };
        total += data.len();
        if total > DROPPED {
            break;
        }
        if total > CAP {
            kept = BytesMut::new();
        } else {
            kept.extend_from_slice(&data);
        }
    }
    if total > CAP { Err(Problem::TooLarge) } else { Ok(kept.freeze()) }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    #[tokio::test]
    async fn a_lazy_body_makes_a_chunk_when_it_is_asked_for_one() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = made.clone();
        let mut body = lazy((0..3).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Bytes::from_static(b"chunk")
        }));
        for expected in 1..=3 {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "chunk");
            assert_eq!(made.load(Ordering::Relaxed), expected);
        }
        assert!(body.frame().await.is_none());
    }
}
