//! The parts of a `multipart/form-data` body that is in memory as a whole (RFC 7578).

/// One field of a form.
#[derive(Debug, PartialEq)]
pub(crate) struct Part<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_file: bool,
    pub(crate) content_type: &'a str,
    pub(crate) data: &'a [u8],
}

/// The parts of `body`, or `None` if it is not what `content_type` says.
pub(crate) fn parse<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Part<'a>>> {
    let delimiter = format!("--{}", parameter(content_type, "boundary")?);
    let between = format!("\r\n{delimiter}");
    let mut rest = body.strip_prefix(delimiter.as_bytes())?;
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (head, after) = cut(rest.strip_prefix(b"\r\n")?, b"\r\n\r\n")?;
        let (data, after) = cut(after, between.as_bytes())?;
        parts.push(part(std::str::from_utf8(head).ok()?, data)?);
        rest = after;
    }
    Some(parts)
}

fn part<'a>(head: &'a str, data: &'a [u8]) -> Option<Part<'a>> {
    let header = |wanted: &str| {
        let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
        lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim()).next()
    };
    let disposition = header("content-disposition")?;
    Some(Part {
        name: parameter(disposition, "name")?,
        is_file: parameter(disposition, "filename").is_some(),
        content_type: header("content-type").unwrap_or("application/octet-stream"),
        data,
    })
}

/// The parameter `wanted` of a header value, without its quotes. A `;` inside quotes is not a separator.
fn parameter<'a>(value: &'a str, wanted: &str) -> Option<&'a str> {
    let mut quoted = false;
    let parameters = value.split(move |c| {
        quoted ^= c == '"';
        c == ';' && !quoted
    });
    let (_, found) =
        parameters.filter_map(|one| one.trim().split_once('=')).find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(found.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(found))
}

/// What is before and after the first `mark`.
fn cut<'a>(data: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = data.windows(mark.len()).position(|window| window == mark)?;
    Some((&data[..at], &data[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"x;y\"";

    #[test]
    fn fields_and_files_are_told_apart() {
        let body = b"--x;y\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
            --x;y\r\ncontent-disposition: form-data; name=\"b;c\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\n\r\n2\r\n\r\n\
            --x;y--\r\n";
        let expected = [
            Part { name: "a", is_file: false, content_type: "application/octet-stream", data: b"1" },
            Part { name: "b;c", is_file: true, content_type: "text/plain", data: b"\r\n2\r\n" },
        ];
        assert_eq!(parse(TYPE, body).unwrap(), expected);
    }

    #[test]
    fn a_broken_body_has_no_parts() {
        let broken: [&[u8]; 5] = [
            b"",
            b"--x;y",
            b"--x;y\r\nno head",
            b"--x;y\r\n\r\n\r\nno name\r\n--x;y--",
            b"--x;y\r\nContent-Disposition: form-data; name=a\r\n\r\nendless",
        ];
        for body in broken {
            assert_eq!(parse(TYPE, body), None);
        }
        assert_eq!(parse("multipart/form-data", b"--x--"), None);
    }
}
