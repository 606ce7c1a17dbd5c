//! What clients say, written so that it can be nothing else: it begins no new line and ends no quotes.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends text for a line of text: what is not printable ASCII, quotes and backslashes become `\xHH`, as nginx does.
pub(super) fn text(out: &mut Vec<u8>, said: &[u8]) {
    if is_plain(said) {
        return out.extend_from_slice(said);
    }
    for byte in said {
        match byte {
            b'"' | b'\\' => hex(out, b"\\x", *byte),
            b' '..=b'~' => out.push(*byte),
            _ => hex(out, b"\\x", *byte),
        }
    }
}

/// Appends text for a string of JSON. What is no UTF-8 is taken for Latin-1.
pub(super) fn json(out: &mut Vec<u8>, said: &[u8]) {
    if is_plain(said) {
        return out.extend_from_slice(said);
    }
    let known = std::str::from_utf8(said).is_ok();
    for byte in said {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => out.push(*byte),
            0x80.. if known => out.push(*byte),
            _ => hex(out, b"\\u00", *byte),
        }
    }
}

/// Whether nothing needs an escape: almost always, and seen of many bytes at once.
fn is_plain(said: &[u8]) -> bool {
    let strange = |byte: u8| u8::from(byte < b' ') | u8::from(byte > b'~') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    said.iter().fold(0, |any, byte| any | strange(*byte)) == 0
}

fn hex(out: &mut Vec<u8>, before: &[u8], byte: u8) {
    out.extend_from_slice(before);
    out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
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
