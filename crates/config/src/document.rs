//! The parsed file: a tree in which every key and value knows where it stands.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use crate::block::Block;
use crate::diagnostics::{Diagnostic, Place, Problem};
use crate::interpolate::{Environment, interpolate};
use crate::key_path::KeyPath;
use crate::source::{Position, Source};
use crate::tree::{Node, Table, Value};

/// Keys whose values are never shown.
const SECRET_KEYS: &[&str] = &["token", "secret", "secrets", "key", "password"];

/// A configuration file: its text, its tree, and what in it is secret.
pub struct Document {
    source: Arc<Source>,
    root: Node,
    /// Where secrets stand in the text.
    secret_spans: Vec<Range<usize>>,
    /// Secrets that are not in the text, but in the environment or in files.
    secret_values: Vec<String>,
    /// References that could not be replaced: whatever else is said of such a value is said of the reference.
    unresolved: Vec<Problem>,
}

impl Document {
    /// Parses the text and replaces its `${…}` references. What can be read is read; the rest is in the problems.
    pub fn parse(source: Source, env: &dyn Environment) -> (Self, Vec<Problem>) {
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        let (mut root, misfits) = Node::from_toml(table.get_ref(), table.span());
        let mut problems: Vec<Problem> = errors.iter().map(syntax_problem).collect();
        problems.extend(misfits.into_iter().map(|(path, message)| Problem::at(path, message)));
        let mut document = Self {
            source: Arc::new(source),
            root: Node::empty_table(),
            secret_spans: Vec::new(),
            secret_values: Vec::new(),
            unresolved: Vec::new(),
        };
        document.resolve(&mut root, &KeyPath::default(), false, env);
        document.root = root;
        problems.extend(document.unresolved.iter().cloned());
        (document, problems)
    }

    /// The file's text.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The top-level table.
    pub(crate) fn root(&self) -> &Table {
        self.root.table().expect("the root is made a table where it is parsed")
    }

    /// The value at `path` as a block, if there is one.
    pub fn block(&self, path: &KeyPath) -> Option<Block> {
        let mut node = &self.root;
        for segment in &path.0 {
            node = node.step(segment)?.1;
        }
        Some(Block::new(path.clone(), node.clone()))
    }

    /// Whether the problem is only that of a reference that could not be replaced, in other words.
    pub(crate) fn is_consequence(&self, problem: &Problem) -> bool {
        self.unresolved.iter().any(|unresolved| unresolved.path == problem.path && unresolved != problem)
    }

    /// Gives a problem its place in the file, and masks what nobody may see.
    pub(crate) fn diagnose(&self, problem: Problem) -> Diagnostic {
        let span = self.span_of(&problem.path, &problem.place);
        let position = self.source.position(span.start);
        let line = self.masked_line(position.line);
        let rest = line.chars().count().saturating_sub(position.column - 1);
        let width = self.source.text.get(span.clone()).map_or(1, |text| text.lines().next().unwrap_or_default().chars().count());
        Diagnostic {
            file: self.source.path.clone(),
            position,
            path: problem.path,
            line,
            width: width.min(rest.max(1)),
            message: self.mask(&problem.message),
            help: problem.help.map(|help| self.mask(&help)),
        }
    }

    /// Where `path` stands, or the nearest table above it that is there.
    fn span_of(&self, path: &KeyPath, place: &Place) -> Range<usize> {
        let mut node = &self.root;
        let mut key = 0..0;
        for segment in &path.0 {
            let Some((span, child)) = node.step(segment) else { break };
            key = if span.is_empty() { key } else { span };
            node = child;
        }
        match (place, &node.value) {
            (Place::Span(span), _) => span.clone(),
            (Place::Key, _) | (_, Value::Table(_)) => key,
            _ if node.span.is_empty() => key,
            _ => node.span.clone(),
        }
    }

    /// The line with every secret in it replaced by stars of the same width.
    fn masked_line(&self, number: usize) -> String {
        let (start, line) = self.source.line(number);
        let known = |at: usize| self.secret_spans.iter().any(|span| span.contains(&(start + at)));
        // Where the syntax is broken nothing is known of the line's values: what follows a secret's key is one.
        let suspect = match (0..line.len()).any(known) {
            true => line.len(),
            false => after_secret_key(line).unwrap_or(line.len()),
        };
        let hidden = |at: usize, c: char| known(at) || (at >= suspect && !c.is_whitespace());
        line.char_indices().map(|(at, c)| if hidden(at, c) { '*' } else { c }).collect()
    }

    fn mask(&self, message: &str) -> String {
        let in_text = self.secret_spans.iter().filter_map(|span| self.source.text.get(span.clone()));
        let known = in_text.chain(self.secret_values.iter().map(String::as_str)).filter(|secret| secret.len() >= 3);
        known.fold(message.to_owned(), |message, secret| message.replace(secret, "***"))
    }

    /// Replaces references below `node`, and notes what is secret.
    fn resolve(&mut self, node: &mut Node, path: &KeyPath, secret: bool, env: &dyn Environment) {
        let span = node.span.clone();
        match &mut node.value {
            Value::Text(text) => match interpolate(text, env) {
                None if secret => self.hide(span),
                None => {}
                Some(Ok(found)) => {
                    self.secret_values.extend(found.secrets);
                    *text = found.text;
                }
                Some(Err(message)) => self.unresolved.push(Problem::at(path.clone(), message)),
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.resolve(item, &path.index(index), secret, env);
                }
            }
            Value::Table(table) => {
                for (key, value) in &mut table.0 {
                    self.resolve(value, &path.key(&key.name), SECRET_KEYS.contains(&key.name.as_str()), env);
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }

    /// Notes the string at `span` as secret: what stands between its quotes. A broken string may lack the closing ones.
    fn hide(&mut self, span: Range<usize>) {
        let quoted = self.source.text.get(span.clone()).unwrap_or_default();
        let opening = quoted.len() - quoted.trim_start_matches(['"', '\'']).len();
        let closing = if quoted.len() > opening && quoted.ends_with(['"', '\'']) { opening } else { 0 };
        if quoted.len() > opening + closing {
            self.secret_spans.push(span.start + opening..span.end - closing);
        }
    }
}

/// Where in a line the value of a secret's key begins, if it is written in it (and not referred to).
fn after_secret_key(line: &str) -> Option<usize> {
    let is_secret = |equals: usize| {
        let key = line[..equals].trim_end().trim_end_matches(['"', '\'']);
        SECRET_KEYS.iter().any(|secret| {
            let before = key.strip_suffix(secret);
            before.is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-'))
        })
    };
    let equals = line.match_indices('=').map(|(at, _)| at).find(|at| is_secret(*at))?;
    (!line[equals..].contains("${")).then_some(equals + 1)
}

fn syntax_problem(error: &toml::de::Error) -> Problem {
    let place = error.span().map_or(Place::Value, Place::Span);
    Problem { path: KeyPath::default(), message: error.message().to_owned(), help: None, place }
}

/// The start of a document, for problems of the whole.
impl Default for Position {
    fn default() -> Self {
        Self { line: 1, column: 1 }
    }
}
