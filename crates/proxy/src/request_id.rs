//! The id of a request: 32 hexadecimal digits by chance, the same in every header, body and log line.

use bytes::Bytes;
use http::HeaderValue;

#[derive(Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    pub fn new() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut bits = fastrand::u128(..);
        let mut text = [0_u8; 32];
        for digit in &mut text {
            *digit = DIGITS[(bits & 15) as usize];
            bits >>= 4;
        }
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text));
        Self(value.expect("hexadecimal digits are a header value"))
    }

    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("hexadecimal digits are text")
    }
}
