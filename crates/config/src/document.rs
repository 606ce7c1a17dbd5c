//! The parsed files: a tree in which every key and value knows where it stands.

use std::ops::Range;
use std::path::PathBuf;

use toml::de::DeTable;

use crate::block::Block;
use crate::diagnostics::{Diagnostic, Place, Problem};
use crate::include::join;
use crate::interpolate::{Environment, interpolate};
use crate::key_path::{KeyPath, Segment};
use crate::secrets::{Secrets, is_place_of_key};
use crate::source::{Position, Source, line_at};
use crate::tree::{Node, Table, Value};

/// A configuration: the texts of its files, their tree, and what in it is secret.
pub struct Document {
    /// The texts of all files, each behind a line's end. Where something stands is said in bytes of this.
    text: String,
    files: Vec<File>,
    root: Node,
    secrets: Secrets,
    /// References that could not be replaced: whatever else is said of such a value is said of the reference.
    unresolved: Vec<Problem>,
}

/// A file, and where in the whole text its own begins.
struct File {
    path: PathBuf,
    start: usize,
}

impl Document {
    /// Parses the main file and those that it includes, and replaces their `${…}` references. What can be read is read; the
    /// rest is in the problems.
    pub fn parse(sources: Vec<Source>, env: &dyn Environment) -> (Self, Vec<Problem>) {
        let mut document = Self {
            text: String::new(),
            files: Vec::with_capacity(sources.len()),
            root: Node::empty_table(),
            secrets: Secrets::default(),
            unresolved: Vec::new(),
        };
        let mut problems = Vec::new();
        let mut trees =
            sources.into_iter().map(|source| document.add(source, env, &mut problems)).collect::<Vec<_>>().into_iter();
        document.root = trees.next().unwrap_or_else(Node::empty_table);
        let included: Vec<Node> = trees.collect();
        if !included.is_empty() {
            let mut root = std::mem::replace(&mut document.root, Node::empty_table());
            let main = root.table_mut().expect("the root is made a table where it is parsed");
            problems.extend(join(main, included, |offset| document.place(offset)));
            document.root = root;
        }
        problems.extend(document.unresolved.iter().cloned());
        (document, problems)
    }

    /// The texts, each under its name if there are several, with a mask in the place of every secret.
    pub(crate) fn masked(&self) -> String {
        let end_of = |at: usize| self.files.get(at + 1).map_or(self.text.len(), |next| next.start - 1);
        let mut all = String::with_capacity(self.text.len());
        for (at, file) in self.files.iter().enumerate() {
            if at > 0 {
                all.push_str(&format!("\n# {}\n\n", file.path.display()));
            }
            all.push_str(&self.secrets.masked(&self.text, file.start..end_of(at)));
        }
        all
    }

    /// Adds a file's text, and gives its tree.
    fn add(&mut self, source: Source, env: &dyn Environment, problems: &mut Vec<Problem>) -> Node {
        self.text.push('\n');
        let start = self.text.len();
        self.text.push_str(&source.text);
        self.files.push(File { path: source.path, start });
        if let Some(reason) = source.unread {
            problems.push(problem_in(start..start, reason));
            return Node::empty_table();
        }
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        problems.extend(errors.iter().map(|error| syntax_problem(error, start)));
        let mut misfits = Vec::new();
        let mut root = Node::from_toml(table.get_ref(), start, &mut misfits);
        problems.extend(misfits);
        self.resolve(&mut root, &mut KeyPath::default(), false, env);
        root
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

    /// Where a problem begins, in bytes of the whole.
    pub(crate) fn start_of(&self, problem: &Problem) -> usize {
        self.span_of(&problem.path, &problem.place).start
    }

    /// Gives a problem its place in its file, and masks what nobody may see.
    pub(crate) fn diagnose(&self, problem: Problem) -> Diagnostic {
        let span = self.span_of(&problem.path, &problem.place);
        let (file, text) = self.file_at(span.start);
        let offset = text.floor_char_boundary(span.start.saturating_sub(file.start));
        let (line, part) = part_around(offset, text);
        let before = text[part.start..offset.min(part.end)].chars().count();
        let mut shown =
            self.secrets.mask_line(file.start + line.start, &text[line.clone()], part.start - line.start..part.end - line.start);
        let rest = shown.chars().count().saturating_sub(before);
        let width =
            self.text.get(span.clone()).and_then(|text| text.lines().next()).map_or(1, |text| text.chars().take(SHOWN).count());
        if part.end < line.end {
            shown.push('…');
        }
        let is_cut = part.start > line.start;
        if is_cut {
            shown.insert(0, '…');
        }
        Diagnostic {
            file: file.path.clone(),
            position: Position::of(offset, text),
            path: problem.path,
            line: shown,
            indent: before + usize::from(is_cut),
            width: width.min(rest.max(1)),
            message: self.secrets.mask_message(&self.text, &problem.message),
            help: problem.help.map(|help| self.secrets.mask_message(&self.text, &help)),
        }
    }

    /// The file that a byte stands in, and its text.
    fn file_at(&self, offset: usize) -> (&File, &str) {
        let after = self.files.partition_point(|file| file.start <= offset).max(1);
        let file = &self.files[after - 1];
        // A line's end stands between two files.
        let end = self.files.get(after).map_or(self.text.len(), |next| next.start - 1);
        (file, &self.text[file.start..end])
    }

    /// Where a byte stands, in words.
    fn place(&self, offset: usize) -> String {
        let (file, text) = self.file_at(offset);
        let Position { line, column } = Position::of(offset - file.start, text);
        format!("{}:{line}:{column}", file.path.display())
    }

    /// Where `path` stands, or the nearest table above it that is there.
    fn span_of(&self, path: &KeyPath, place: &Place) -> Range<usize> {
        if let Place::Span(span) = place {
            return span.clone();
        }
        let mut node = &self.root;
        let mut key = 0..0;
        for segment in &path.0 {
            let Some((span, child)) = node.step(segment) else { break };
            key = if span.is_empty() { key } else { span };
            node = child;
        }
        match (place, &node.value) {
            (Place::Key, _) | (_, Value::Table(_)) => key,
            _ if node.span.is_empty() => key,
            _ => node.span.clone(),
        }
    }

    /// Replaces references below `node`, and notes what is secret.
    fn resolve(&mut self, node: &mut Node, path: &mut KeyPath, secret: bool, env: &dyn Environment) {
        let span = node.span.clone();
        let secret = self.secrets.is_secret(path, node, secret);
        match &mut node.value {
            Value::Text(text) => match interpolate(text, env) {
                None if secret && !is_place_of_key(path, text) => self.secrets.hide(&self.text, span),
                None => self.secrets.hide_in_url(&self.text, span, path),
                Some(Ok(found)) => {
                    found.secrets.into_iter().for_each(|value| self.secrets.hide_value(value));
                    *text = found.text;
                }
                Some(Err(message)) => self.unresolved.push(Problem { path: path.clone(), ..problem_in(span, message) }),
            },
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.0.push(Segment::Index(index));
                    self.resolve(item, path, secret, env);
                    path.0.pop();
                }
            }
            Value::Table(table) => {
                for (key, value) in &mut table.0 {
                    // The path has the name as long as it leads there.
                    path.0.push(Segment::Key(std::mem::take(&mut key.name)));
                    self.resolve(value, path, secret, env);
                    if let Some(Segment::Key(name)) = path.0.pop() {
                        key.name = name;
                    }
                }
            }
            // That something is so, or not, is no secret, whatever its name.
            Value::Integer(_) | Value::Float(_) if secret => self.secrets.hide(&self.text, span),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => {}
        }
    }
}

/// The texts of a configuration with a mask in the place of every secret, for whoever may read it and not them.
pub fn masked(sources: Vec<Source>, env: &dyn Environment) -> String {
    Document::parse(sources, env).0.masked()
}

/// How many bytes of a long line are shown behind where something begins; before it half as many. A line of twice as many is
/// shown whole.
const SHOWN: usize = 240;

/// The line of a text in which something begins, and the part of it that is shown.
fn part_around(offset: usize, text: &str) -> (Range<usize>, Range<usize>) {
    let line = line_at(offset, text);
    if line.len() <= 2 * SHOWN {
        return (line.clone(), line);
    }
    let start = text.floor_char_boundary(offset.saturating_sub(SHOWN / 2)).max(line.start);
    let end = text.floor_char_boundary(offset + SHOWN).min(line.end);
    (line, start.min(end)..end)
}

fn syntax_problem(error: &toml::de::Error, start: usize) -> Problem {
    let span = error.span().unwrap_or_default();
    problem_in(start + span.start..start + span.end, error.message())
}

/// A problem of these bytes, whatever their key.
fn problem_in(span: Range<usize>, message: impl Into<String>) -> Problem {
    Problem { place: Place::Span(span), ..Problem::at(KeyPath::default(), message) }
}
