//! What in a configuration nobody may see: where it stands in the text, and what came from the environment or from files.
//!
//! Rather too much than too little is hidden: the lines that are shown are those with slips in them.

use std::collections::HashMap;
use std::ops::Range;

use crate::draft::ENTITIES;
use crate::key_path::{KeyPath, Segment};
use crate::suggest::did_you_mean;
use crate::tree::Node;

/// Keys whose values are secret.
const SECRET_KEYS: &[&str] =
    &["token", "secret", "secrets", "key", "password", "apikey", "authorization", "cookie", "credentials"];
/// What the name of a secret holds, such as `X-Auth-Token`.
const SECRET_PARTS: &[&str] = &["token", "secret", "passw", "auth", "apikey", "api-key", "api_key", "credential", "cookie"];
/// Names that hold one of these and are no secrets.
const HARMLESS: &[&str] = &[
    "always_use_authenticated_groups",
    "client_auth",
    "cookie_names",
    "hash_on_cookie",
    "hash_on_cookie_path",
    "hide_credentials",
    "key_claim_name",
    "key_in_body",
    "key_in_header",
    "key_in_query",
    "key_names",
    "rsa_public_key",
    "secret_is_base64",
];
/// What of a consumer is his own; everything else is credentials.
const OF_CONSUMERS: &[&str] = &["id", "custom_id", "groups", "tags", "plugins"];
/// What is shorter says nothing, and would mask half of every message.
const SHORTEST: usize = 3;

/// In a longer line nobody looks for the names of secrets: all of it may be one.
const LONGEST: usize = 64 * 1024;

/// What stands in the place of a secret.
const MASK: &str = "***";
const QUOTED_MASK: &str = "\"***\"";

/// The secrets of one file.
#[derive(Default)]
pub(crate) struct Secrets {
    /// Where they stand in the text.
    spans: Vec<Range<usize>>,
    /// Those that are not in the text.
    values: Vec<String>,
    /// Keys that were judged by their names: most of them come again and again.
    judged: HashMap<String, bool>,
}

/// Whether a text is where a certificate's key is kept, and not the key.
pub(crate) fn is_place_of_key(path: &KeyPath, text: &str) -> bool {
    let of_certificate = matches!(path.0.as_slice(), [Segment::Key(section), _, Segment::Key(key)]
        if section == "certificates" && key == "key");
    of_certificate && !text.contains("-----") && text.len() < 256 && (text.starts_with(['/', '.']) || text.contains('.'))
}

fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let known = SECRET_KEYS.contains(&key.as_str()) || SECRET_PARTS.iter().any(|part| key.contains(part));
    // A slip in the name of a secret makes it no less of one.
    let slip = || key.len() > 3 && did_you_mean(&key, SECRET_KEYS.iter().copied().filter(|known| known.len() > 3)).is_some();
    !HARMLESS.contains(&key.as_str()) && (known || slip())
}

impl Secrets {
    /// Whether what stands at `path` is secret, given whether the table above it is.
    pub fn is_secret(&mut self, path: &KeyPath, node: &Node, above: bool) -> bool {
        let keys: Vec<&str> =
            path.0.iter().filter_map(|segment| if let Segment::Key(key) = segment { Some(key.as_str()) } else { None }).collect();
        let credential = matches!(keys.as_slice(), ["consumers", _, key, ..] if !OF_CONSUMERS.contains(key));
        let by_name = match keys.as_slice() {
            // Who has a token is told in errors and in the log.
            ["admin", "tokens", "name"] => return false,
            // The name of a plugin says what it does, not what it holds.
            [.., "plugins", _] => false,
            // Neither does that of an entity.
            [section, _] if node.table().is_some() && ENTITIES.contains(section) => false,
            [.., key] => self.is_secret_key(key),
            [] => false,
        };
        above || credential || by_name
    }

    fn is_secret_key(&mut self, key: &str) -> bool {
        if let Some(judged) = self.judged.get(key) {
            return *judged;
        }
        let secret = is_secret_key(key);
        self.judged.insert(key.to_owned(), secret);
        secret
    }

    /// Hides a value that is not in the text.
    pub fn hide_value(&mut self, value: String) {
        self.values.push(value);
    }

    /// Hides what stands at `span`; of a string, what is between its quotes. A broken string may lack the closing ones.
    pub fn hide(&mut self, text: &str, span: Range<usize>) {
        let written = text.get(span.clone()).unwrap_or_default();
        let opening = written.len() - written.trim_start_matches(['"', '\'']).len();
        let closing = if written.len() > opening && written.ends_with(['"', '\'']) { opening } else { 0 };
        // A `"""` opens what may begin on the next line.
        if written.len() > opening + closing {
            self.spans.push(span.start + opening..span.end - closing);
        }
    }

    /// Hides what is secret in a URL: who calls, and where a webhook has its key, everything behind the host.
    pub fn hide_in_url(&mut self, text: &str, span: Range<usize>, path: &KeyPath) {
        let written = text.get(span.clone()).unwrap_or_default();
        let Some(scheme) = written.find("://") else { return };
        let rest = scheme + 3;
        let host_end = written[rest..].find('/').map_or(written.len(), |at| rest + at);
        if let Some(at) = written[rest..host_end].rfind('@') {
            self.spans.push(span.start + rest..span.start + rest + at);
        }
        let webhook = matches!(path.0.as_slice(), [Segment::Key(section), _, Segment::Key(config), Segment::Key(url)]
            if section == "event_hooks" && config == "config" && url == "url");
        let end = written.trim_end_matches(['"', '\'']).len();
        if webhook && host_end + 1 < end {
            self.spans.push(span.start + host_end + 1..span.start + end);
        }
    }

    /// A part of the line that begins at `start`, with every secret in it replaced by stars of the same width.
    pub fn mask_line(&self, start: usize, line: &str, part: Range<usize>) -> String {
        let end = start + line.len();
        let of_line: Vec<_> = self.spans.iter().filter(|span| span.start < end && span.end > start && !span.is_empty()).collect();
        // Where the syntax is broken nothing is known of the line's values: what follows a secret's key is one.
        let suspect = match of_line.is_empty() {
            true if line.len() > LONGEST => 0,
            true => after_secret_key(line).unwrap_or(line.len()),
            false => line.len(),
        };
        let known = |at: usize| of_line.iter().any(|span| span.contains(&(start + at)));
        let hidden = |at: usize, c: char| known(at) || (at >= suspect && !c.is_whitespace());
        let shown = line[part.clone()].char_indices().map(|(at, c)| (part.start + at, c));
        shown.map(|(at, c)| if hidden(at, c) { '*' } else { c }).collect()
    }

    /// This part of the text with a mask in the place of every secret.
    pub fn masked(&self, text: &str, part: Range<usize>) -> String {
        let mut spans: Vec<&Range<usize>> =
            self.spans.iter().filter(|span| part.start <= span.start && span.end <= part.end).collect();
        spans.sort_by_key(|span| span.start);
        let (mut masked, mut done) = (String::new(), part.start);
        for span in spans.into_iter().filter(|span| !span.is_empty()) {
            if span.start >= done {
                masked.push_str(text.get(done..span.start).unwrap_or_default());
                // A number is no text, and its mask is one.
                let is_text = text[..span.start].ends_with(['"', '\'', '/', '@']) || text[..span.start].ends_with('\n');
                masked.push_str(if is_text { MASK } else { QUOTED_MASK });
                done = span.end;
            }
        }
        masked.push_str(text.get(done..part.end).unwrap_or_default());
        masked
    }

    /// The message with every secret in it replaced.
    pub fn mask_message(&self, text: &str, message: &str) -> String {
        let in_text = self.spans.iter().filter_map(|span| text.get(span.clone()));
        let known = in_text.chain(self.values.iter().map(String::as_str)).filter(|secret| secret.len() >= SHORTEST);
        known.fold(message.to_owned(), |message, secret| replace_any_case(&message, secret))
    }
}

/// Where in a line the value of a secret's key begins, if it is written in it (and not referred to).
fn after_secret_key(line: &str) -> Option<usize> {
    let is_secret = |equals: usize| {
        let key = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        let name = key.rsplit(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).next().unwrap_or_default();
        is_secret_key(name)
    };
    let equals = line.match_indices('=').map(|(at, _)| at).find(|at| is_secret(*at))?;
    (!line[equals..].contains("${")).then_some(equals + 1)
}

/// Replaces `secret` by stars; a parser may have put it into lower case.
fn replace_any_case(message: &str, secret: &str) -> String {
    let (lower, needle) = (message.to_ascii_lowercase(), secret.to_ascii_lowercase());
    let mut out = String::with_capacity(message.len());
    let mut done = 0;
    for (at, _) in lower.match_indices(&needle) {
        out.push_str(&message[done..at]);
        out.push_str("***");
        done = at + needle.len();
    }
    out.push_str(&message[done..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names_even_misspelt() {
        let text = Node { span: 0..0, value: crate::tree::Value::Text("x".into()) };
        let of = |path: &[&str], node: &Node| Secrets::default().is_secret(&KeyPath::of(path.iter().copied()), node, false);
        let check = |path: &[&str], secret: bool| assert_eq!(of(path, &text), secret, "{path:?}");
        check(&["admin", "token"], true);
        check(&["admin", "tokens"], true);
        check(&["event_hooks", "a", "config", "secert"], true);
        check(&["event_hooks", "a", "config", "headers", "Authorization"], true);
        check(&["event_hooks", "a", "config", "headers", "content-type"], false);
        check(&["consumers", "Joe", "key-auth"], true);
        check(&["consumers", "Joe", "custom_id"], false);
        check(&["services", "a", "plugins", "key-auth"], false);
        check(&["services", "a", "plugins", "key-auth", "key_names"], false);
        check(&["routes", "a", "paths"], false);
        // What an entity is called is its own affair; what stands in the place of one is not.
        assert!(!of(&["routes", "token"], &Node::empty_table()));
        check(&["routes", "token"], true);
    }

    #[test]
    fn the_file_of_a_key_is_no_secret_and_the_key_is() {
        let path = KeyPath::of(["certificates", "site", "key"]);
        let check = |text: &str, expected: bool| assert_eq!(is_place_of_key(&path, text), expected, "{text}");
        check("/etc/tls/site.key", true);
        check("site.key", true);
        check("-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----", false);
        check("MC4CAQAwBQYDK2VwBCIEIDd/abc", false);
        assert!(!is_place_of_key(&KeyPath::of(["consumers", "Joe", "key"]), "/etc/x"));
    }

    #[test]
    fn a_secret_is_masked_in_any_case() {
        let mut secrets = Secrets::default();
        secrets.hide_value("SecretEnv".into());
        assert_eq!(secrets.mask_message("", "the scheme `secretenv` is not served"), "the scheme `***` is not served");
    }
}
