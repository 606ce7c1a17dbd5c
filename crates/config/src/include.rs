//! Included files: what may stand in them, and how their entities join those of the main file.

use std::collections::HashMap;
use std::ops::Range;

use crate::block::Block;
use crate::diagnostics::{Place, Problem};
use crate::document::Document;
use crate::draft::{ENTITIES, SETTINGS};
use crate::interpolate::Environment;
use crate::key_path::KeyPath;
use crate::source::Source;
use crate::suggest::one_of;
use crate::tree::{Key, Node, Table, Value};

/// The patterns of the files that a main file includes. What is wrong with them is told by whoever reads the file.
pub fn include_patterns(main: &Source, env: &dyn Environment) -> Vec<String> {
    // Most files include nothing, and need not be parsed for that.
    if !main.text.contains("include") {
        return Vec::new();
    }
    let (document, _) = Document::parse(vec![main.clone()], env);
    let path = KeyPath::of(["include"]);
    document.block(&path).and_then(|block: Block| block.read_on().0).unwrap_or_default()
}

/// Adds the entities of included files to those of the main file; `place` says where a byte stands.
pub(crate) fn join(main: &mut Table, included: Vec<Node>, place: impl Fn(usize) -> String) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut owners: HashMap<KeyPath, Range<usize>> = HashMap::new();
    for (section, node) in main.0.iter().filter(|(section, _)| ENTITIES.contains(&section.name.as_str())) {
        let entities = node.table().into_iter().flat_map(|table| &table.0);
        owners.extend(entities.map(|(key, _)| (KeyPath::of([section.name.as_str(), &key.name]), key.span.clone())));
    }
    for node in included {
        let Value::Table(table) = node.value else { continue };
        for (section, node) in table.0 {
            let entities = match entities_of(&section, node) {
                Ok(entities) => entities,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            let mut new = Vec::with_capacity(entities.0.len());
            for (key, node) in entities.0 {
                let path = KeyPath::of([section.name.as_str(), &key.name]);
                match owners.get(&path) {
                    Some(owner) => {
                        let message = format!("{path} stands in {} already", place(owner.start));
                        problems.push(at(&key, path, message).help("an entity stands in one place: take it out of one of them"));
                    }
                    None => {
                        owners.insert(path, key.span.clone());
                        new.push((key, node));
                    }
                }
            }
            add(main, section, new);
        }
    }
    problems
}

/// The entities of a section of an included file.
fn entities_of(section: &Key, node: Node) -> Result<Table, Problem> {
    let (name, path) = (section.name.as_str(), KeyPath::of([section.name.as_str()]));
    if name == "include" {
        let problem = at(section, path, "an included file includes no others");
        return Err(problem.help("write its patterns in the main file"));
    }
    if SETTINGS.contains(&name) {
        let problem = at(section, path, format!("`{name}` stands in the main file alone"));
        return Err(problem.help(format!("an included file has entities only: {}", ENTITIES.join(", "))));
    }
    if !ENTITIES.contains(&name) {
        return Err(at(section, path, format!("unknown key \"{name}\"")).help(one_of(name, ENTITIES.iter().copied())));
    }
    match node.value {
        Value::Table(table) => Ok(table),
        _ => Err(at(section, path, "expected tables, one for each name").help(format!("write [{name}.NAME]"))),
    }
}

fn add(main: &mut Table, section: Key, new: Vec<(Key, Node)>) {
    let Some(node) = main.get_mut(&section.name) else {
        main.0.push((section, Node { span: 0..0, value: Value::Table(Table(new)) }));
        return;
    };
    // What is no table is told of by whoever reads the main file.
    if let Some(table) = node.table_mut() {
        table.0.extend(new);
    }
}

/// A problem at this key, whatever else has its path.
fn at(key: &Key, path: KeyPath, message: impl Into<String>) -> Problem {
    Problem { place: Place::Span(key.span.clone()), ..Problem::at(path, message) }
}
