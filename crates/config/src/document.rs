//! The parsed file: a tree in which every key and value knows where it stands.

use std::ops::Range;
use std::sync::Arc;

use toml::de::DeTable;

use crate::block::Block;
use crate::diagnostics::{Diagnostic, Place, Problem};
use crate::interpolate::{Environment, interpolate};
use crate::key_path::KeyPath;
use crate::secrets::{Secrets, is_place_of_key, is_secret};
use crate::source::{Position, Source};
use crate::tree::{Node, Table, Value};

/// A configuration file: its text, its tree, and what in it is secret.
pub struct Document {
    source: Arc<Source>,
    root: Node,
    secrets: Secrets,
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
        let mut document =
            Self { source: Arc::new(source), root: Node::empty_table(), secrets: Secrets::default(), unresolved: Vec::new() };
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
        let (start, line) = self.source.line(position.line);
        let line = self.secrets.mask_line(start, line);
        let rest = line.chars().count().saturating_sub(position.column - 1);
        let width = self.source.text.get(span.clone()).map_or(1, |text| text.lines().next().unwrap_or_default().chars().count());
        Diagnostic {
            file: self.source.path.clone(),
            position,
            path: problem.path,
            line,
            width: width.min(rest.max(1)),
            message: self.secrets.mask_message(&self.source.text, &problem.message),
            help: problem.help.map(|help| self.secrets.mask_message(&self.source.text, &help)),
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

    /// Replaces references below `node`, and notes what is secret.
    fn resolve(&mut self, node: &mut Node, path: &KeyPath, secret: bool, env: &dyn Environment) {
        let span = node.span.clone();
        let secret = is_secret(path, secret);
        let source = self.source.clone();
        match &mut node.value {
            Value::Text(text) => match interpolate(text, env) {
                None if secret && !is_place_of_key(path, text) => self.secrets.hide(&source.text, span),
                None => self.secrets.hide_in_url(&source.text, span, path),
                Some(Ok(found)) => {
                    found.secrets.into_iter().for_each(|value| self.secrets.hide_value(value));
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
                    self.resolve(value, &path.key(&key.name), secret, env);
                }
            }
            // That something is so, or not, is no secret, whatever its name.
            Value::Integer(_) | Value::Float(_) if secret => self.secrets.hide(&source.text, span),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }
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
