//! A body that is another one when it arrives.

use bytes::Bytes;

/// What is done to a body as a whole. It is held back until it has come to its end.
pub trait BodyChange: Send + Sync {
    /// The body to be sent on in the place of this one.
    fn change(&self, body: Bytes) -> Bytes;
}

impl<F: Fn(Bytes) -> Bytes + Send + Sync> BodyChange for F {
    fn change(&self, body: Bytes) -> Bytes {
        self(body)
    }
}
