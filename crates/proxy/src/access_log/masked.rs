//! Arguments of the query whose values are secret, such as keys: their values are not logged.

use std::borrow::Cow;

const MASK: &[u8] = b"***";

/// The names of such arguments.
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names.dedup();
        Self(names)
    }

    /// A target or URL with the values of such arguments replaced.
    pub fn mask<'a>(&self, url: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(question) = url.iter().position(|byte| *byte == b'?').filter(|_| !self.0.is_empty()) else { return url.into() };
        if !url[question + 1..].split(|byte| *byte == b'&').any(|pair| self.is_secret(pair)) {
            return url.into();
        }
        let mut masked = url[..=question].to_vec();
        for (at, pair) in url[question + 1..].split(|byte| *byte == b'&').enumerate() {
            if at > 0 {
                masked.push(b'&');
            }
            match pair.iter().position(|byte| *byte == b'=').filter(|_| self.is_secret(pair)) {
                Some(equals) => {
                    masked.extend_from_slice(&pair[..=equals]);
                    masked.extend_from_slice(MASK);
                }
                None => masked.extend_from_slice(pair),
            }
        }
        masked.into()
    }

    fn is_secret(&self, pair: &[u8]) -> bool {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        let plain = !name.iter().any(|byte| matches!(byte, b'%' | b'+'));
        let name = match plain {
            true => String::from_utf8_lossy(name),
            false => form_urlencoded::parse(name).next().map_or(Cow::Borrowed(""), |(name, _)| name),
        };
        self.0.iter().any(|secret| secret.eq_ignore_ascii_case(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_arguments_are_masked_however_they_are_written() {
        let secrets = Secrets::new(["apikey", "my key"].map(str::to_owned).into_iter());
        for (url, shown) in [
            ("/a?b=c", "/a?b=c"),
            ("/a?apikey=joe", "/a?apikey=***"),
            ("/a?x=1&apikey=joe&y=2&APIKEY=ann", "/a?x=1&apikey=***&y=2&APIKEY=***"),
            ("/a?%61pikey=joe&my+key=x&my%20key=y", "/a?%61pikey=***&my+key=***&my%20key=***"),
            ("http://h/?apikey=a=b", "http://h/?apikey=***"),
            ("/apikey=joe", "/apikey=joe"),
            ("/a?apikey", "/a?apikey"),
            ("/a?notapikey=1", "/a?notapikey=1"),
        ] {
            assert_eq!(String::from_utf8_lossy(&secrets.mask(url.as_bytes())), shown);
        }
        assert!(matches!(Secrets::new([].into_iter()).mask(b"/a?apikey=joe"), Cow::Borrowed(_)));
    }
}
