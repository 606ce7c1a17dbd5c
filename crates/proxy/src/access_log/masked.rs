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
        if !url[question + 1..].split(|byte| *byte == b'&').any(|pair| self.secret_in(pair).is_some()) {
            return url.into();
        }
        let mut masked = url[..=question].to_vec();
        for (at, pair) in url[question + 1..].split(|byte| *byte == b'&').enumerate() {
            if at > 0 {
                masked.push(b'&');
            }
            let shown = self.secret_in(pair).unwrap_or(pair.len());
            masked.extend_from_slice(&pair[..shown]);
            if shown < pair.len() {
                masked.extend_from_slice(MASK);
            }
        }
        masked.into()
    }

    /// Where in a pair a secret value begins. It may also stand in the query of a URL that is the value itself, or behind
    /// what somebody took for an ampersand; a value that begins so may have such signs in it.
    fn secret_in(&self, pair: &[u8]) -> Option<usize> {
        let mut start = 0;
        for part in pair.split_inclusive(|byte| matches!(byte, b';' | b'?' | b'#')) {
            if let Some(equals) = part.iter().position(|byte| *byte == b'=')
                && self.is_secret(&part[..equals])
            {
                return Some(start + equals + 1);
            }
            start += part.len();
        }
        None
    }

    fn is_secret(&self, name: &[u8]) -> bool {
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
            ("/a?x=/b?apikey=joe&y=2", "/a?x=/b?apikey=***&y=2"),
            ("/a?x=1;apikey=j;o?e#;&y#apikey=joe", "/a?x=1;apikey=***&y#apikey=***"),
            ("/a?notapikey=1", "/a?notapikey=1"),
        ] {
            assert_eq!(String::from_utf8_lossy(&secrets.mask(url.as_bytes())), shown);
        }
        assert!(matches!(Secrets::new([].into_iter()).mask(b"/a?apikey=joe"), Cow::Borrowed(_)));
    }
}
