//! What clients say, written so that it can be nothing else: it begins no new line and ends no quotes.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends text for a line of text: what is not printable ASCII, quotes and backslashes become `\xHH`, as nginx does.
pub(super) fn text(out: &mut Vec<u8>, said: &[u8]) {
    escaped(
        out,
        said,
        |byte| (b' '..=b'~').contains(&byte),
        |out, byte| {
            out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        },
    );
}

/// Appends text for a string of JSON. What is no UTF-8 is taken for Latin-1.
pub(super) fn json(out: &mut Vec<u8>, said: &[u8]) {
    let known = std::str::from_utf8(said).is_ok();
    escaped(
        out,
        said,
        |byte| byte >= b' ' && byte != 0x7f && (known || byte.is_ascii()),
        |out, byte| match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        },
    );
}

fn escaped(out: &mut Vec<u8>, said: &[u8], plain: impl Fn(u8) -> bool, escape: impl Fn(&mut Vec<u8>, u8)) {
    let plain = |byte: u8| plain(byte) & (byte != b'"') & (byte != b'\\');
    // Almost always, and many bytes at once.
    if said.iter().fold(true, |all, byte| all & plain(*byte)) {
        return out.extend_from_slice(said);
    }
    for byte in said {
        if plain(*byte) { out.push(*byte) } else { escape(out, *byte) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_and_controls_stand_for_themselves_no_more() {
        let check = |said: &[u8], as_text: &str, as_json: &str| {
            let (mut one, mut other) = (Vec::new(), Vec::new());
            text(&mut one, said);
            json(&mut other, said);
            assert_eq!((String::from_utf8(one).as_deref(), String::from_utf8(other).as_deref()), (Ok(as_text), Ok(as_json)));
        };
        check(b"/a b?c=%20", "/a b?c=%20", "/a b?c=%20");
        check(b"a\"b\\c", "a\\x22b\\x5cc", "a\\\"b\\\\c");
        check(b"a\r\nb\x1b[0m\x7f", "a\\x0d\\x0ab\\x1b[0m\\x7f", "a\\u000d\\u000ab\\u001b[0m\\u007f");
        check("é".as_bytes(), "\\xc3\\xa9", "é");
        check(b"\xe9", "\\xe9", "\\u00e9");
    }

    proptest! {
        #[test]
        fn whatever_is_said_stays_in_its_string(said in proptest::collection::vec(any::<u8>(), 0..80)) {
            let (mut one, mut other) = (Vec::new(), vec![b'"']);
            text(&mut one, &said);
            prop_assert!(one.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'"'));
            json(&mut other, &said);
            other.push(b'"');
            let read: String = serde_json::from_slice(&other).expect("a string");
            let meant = String::from_utf8(said.clone()).unwrap_or_else(|_| said.iter().map(|byte| char::from(*byte)).collect());
            prop_assert_eq!(read, meant);
        }
    }
}
