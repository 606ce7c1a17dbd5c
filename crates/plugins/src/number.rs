//! Numbers as header values. Most are small, and those are made once.

use std::sync::LazyLock;

use http::HeaderValue;

/// Below this a number's header value is shared.
const SHARED: u64 = 1024;

static SMALL: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| (0..SHARED).map(HeaderValue::from).collect());

/// The number as a header value.
pub fn number(number: u64) -> HeaderValue {
    match SMALL.get(usize::try_from(number).unwrap_or(usize::MAX)) {
        Some(value) => value.clone(),
        None => HeaderValue::from(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_reads_as_itself_whether_shared_or_not() {
        for n in [0, 7, SHARED - 1, SHARED, 1_000_000, u64::MAX] {
            assert_eq!(number(n), n.to_string());
        }
    }
}
