//! Finds the part of a text in which an entity stands: an edit of it reads and prints that part alone, whatever else there is.

use std::ops::Range;

use sluice_config::{KeyPath, Segment};
use toml_parser::decoder::Encoding;
use toml_parser::parser::{EventReceiver, RecursionGuard, parse_document};
use toml_parser::{ErrorSink, ParseError, Source, Span};

/// As deep as toml and toml_edit go.
const DEPTH: u32 = 80;

/// Where an entity stands in a text.
#[derive(Debug, PartialEq)]
pub enum Place {
    /// All of it is here, and nothing else.
    Here(Range<usize>),
    /// It is not there. A new one comes behind the last of its section, which stands here.
    Behind(Range<usize>),
    /// It is not there, and neither is another of its section.
    Nowhere,
    /// It is not written in a part of its own: whoever edits it needs the whole.
    Anywhere,
}

/// The headers of a text: each with the first two keys of its path, and where it begins with the comments above it.
pub struct Outline {
    headers: Vec<Header>,
    /// The first keys of what is written above the first header.
    loose: Vec<String>,
    length: usize,
    is_sound: bool,
}

struct Header {
    section: String,
    name: Option<String>,
    start: usize,
}

impl Outline {
    /// Reads the headers of a text.
    pub fn of(text: &str) -> Self {
        let source = Source::new(text);
        let tokens = source.lex().into_vec();
        let mut reader = Reader {
            source,
            headers: Vec::new(),
            loose: Vec::new(),
            keys: None,
            depth: 0,
            is_value: false,
            said: false,
            start: 0,
        };
        let mut first: Option<ParseError> = None;
        parse_document(&tokens, &mut RecursionGuard::new(&mut reader, DEPTH), &mut first);
        Self { headers: reader.headers, loose: reader.loose, length: text.len(), is_sound: first.is_none() }
    }

    /// Where the entity stands to which this path leads.
    pub fn place(&self, at: &KeyPath) -> Place {
        let [Segment::Key(section), Segment::Key(name), ..] = at.0.as_slice() else { return Place::Anywhere };
        let all = || self.headers.iter().enumerate().filter(|(_, header)| header.section == *section);
        if !self.is_sound || self.loose.contains(section) || all().any(|(_, header)| header.name.is_none()) {
            return Place::Anywhere;
        }
        let of = |name: &str| {
            all().filter(move |(_, header)| header.name.as_deref() == Some(name)).map(|(at, _)| at).collect::<Vec<_>>()
        };
        let own = of(name);
        if !own.is_empty() {
            return self.range(&own).map_or(Place::Anywhere, Place::Here);
        }
        // The last one is the one that is first heard of last.
        let mut names = std::collections::HashSet::new();
        let last = all().filter_map(|(_, header)| header.name.as_deref()).filter(|name| names.insert(*name)).last();
        match last {
            Some(last) => self.range(&of(last)).map_or(Place::Anywhere, Place::Behind),
            None => Place::Nowhere,
        }
    }

    /// Where these headers and what is below them stand, if nothing else stands between them.
    fn range(&self, headers: &[usize]) -> Option<Range<usize>> {
        let (first, last) = (*headers.first()?, *headers.last()?);
        let end = self.headers.get(last + 1).map_or(self.length, |next| next.start);
        (last - first + 1 == headers.len()).then(|| self.headers[first].start..end)
    }
}

/// Hears what the parser finds.
struct Reader<'a> {
    source: Source<'a>,
    headers: Vec<Header>,
    loose: Vec<String>,
    /// The keys of the header that is being read.
    keys: Option<Vec<String>>,
    /// How many lists and tables in one line are open.
    depth: u32,
    /// Whether a key was read to its end.
    is_value: bool,
    /// Whether the line says something.
    said: bool,
    /// Where the last line that says something ends: what follows belongs to the next header.
    start: usize,
}

impl Reader<'_> {
    fn open(&mut self) {
        self.keys = Some(Vec::new());
        self.said = true;
    }

    fn close(&mut self) {
        let mut keys = self.keys.take().unwrap_or_default().into_iter();
        self.headers.push(Header { section: keys.next().unwrap_or_default(), name: keys.next(), start: self.start });
    }

    fn key(&self, span: Span, encoding: Option<Encoding>) -> String {
        let mut key = String::new();
        if let Some(raw) = self.source.get(span) {
            toml_parser::Raw::new_unchecked(raw.as_str(), encoding, span).decode_key(&mut key, &mut ());
        }
        key
    }
}

impl EventReceiver for Reader<'_> {
    fn std_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open();
    }

    fn std_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn array_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.open();
    }

    fn array_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.close();
    }

    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, _: &mut dyn ErrorSink) {
        self.said = true;
        if let Some(keys) = self.keys.as_ref().map(Vec::len) {
            if keys < 2 {
                let key = self.key(span, encoding);
                self.keys.get_or_insert_default().push(key);
            }
        } else if self.headers.is_empty() && self.depth == 0 && !self.is_value {
            let key = self.key(span, encoding);
            self.loose.push(key);
        }
    }

    fn key_val_sep(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.is_value = self.depth == 0;
    }

    fn inline_table_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.depth += 1;
        true
    }

    fn inline_table_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn array_open(&mut self, _: Span, _: &mut dyn ErrorSink) -> bool {
        self.depth += 1;
        true
    }

    fn array_close(&mut self, _: Span, _: &mut dyn ErrorSink) {
        self.depth = self.depth.saturating_sub(1);
    }

    fn newline(&mut self, span: Span, _: &mut dyn ErrorSink) {
        if self.depth == 0 && self.said {
            self.start = span.end();
            self.said = false;
            self.is_value = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# top\nfirst = { s = 1 }\n\n# of a\n[s.a]\nx = [ # one\n  1,\n]\n# of b\n[ s . \"b\" ] # b\ny = '''\n[s.a]\n'''\n[[s.b.list]]\n\n[t.c]\n[s.d]\n[t.e]\n# end\n";

    fn check(text: &str, at: &[&str], expected: Option<(bool, &str)>) {
        let found = match Outline::of(text).place(&KeyPath::of(at.iter().copied())) {
            Place::Here(range) => Some((true, &text[range])),
            Place::Behind(range) => Some((false, &text[range])),
            Place::Nowhere => Some((false, "")),
            Place::Anywhere => None,
        };
        assert_eq!(found, expected, "{at:?}");
    }

    #[test]
    fn an_entity_has_its_comments_and_all_its_tables() {
        check(TEXT, &["s", "a"], Some((true, "\n# of a\n[s.a]\nx = [ # one\n  1,\n]\n")));
        check(TEXT, &["s", "b", "list"], Some((true, "# of b\n[ s . \"b\" ] # b\ny = '''\n[s.a]\n'''\n[[s.b.list]]\n")));
        check(TEXT, &["t", "e"], Some((true, "[t.e]\n# end\n")));
        check(TEXT, &["s", "new"], Some((false, "[s.d]\n")));
        check(TEXT, &["u", "new"], Some((false, "")));
    }

    #[test]
    fn what_is_written_otherwise_is_nobodys_part() {
        check(TEXT, &["first", "s"], None);
        check(TEXT, &["s"], None);
        check("[s]\na.x = 1\n[s.b]\n", &["s", "b"], None);
        check("s.a.x = 1\n[s.b]\n", &["s", "b"], None);
        check("[s.a]\n[s.b]\n[s.a.inner]\n", &["s", "a"], None);
        check("[s.a]\n[s.b]\n[s.a.inner]\n", &["s", "b"], Some((true, "[s.b]\n")));
        check("[s.a\nx = 1\n", &["s", "a"], None);
        check("s = 1\r\n[t.a]\r\nx = 1 # c\r\n", &["t", "a"], Some((true, "[t.a]\r\nx = 1 # c\r\n")));
    }
}
