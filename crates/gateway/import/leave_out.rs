//! Leaves out what the check of a configuration refuses, piece by piece, until the rest is good.

use serde_json::Value;
use sluice_config::{Diagnostic, Diagnostics, KeyPath, ProcessEnvironment, Segment, Source};

use crate::edit::to_table;
use crate::prepared::find_problems;
use crate::run::Failure;

/// What is left, and what is not, a line each.
pub fn what_is_refused(mut root: Value) -> Result<(Value, Vec<String>), Failure> {
    let mut left_out = Vec::new();
    loop {
        let text = root.as_object().map(|root| toml_edit::DocumentMut::from(to_table(root)).to_string()).unwrap_or_default();
        let source = Source::new("gateway.toml", text);
        let Err(Diagnostics(problems)) = find_problems(vec![source], &ProcessEnvironment) else { return Ok((root, left_out)) };
        let mut again = false;
        let mut unmended = Vec::new();
        for problem in problems {
            // What the environment says is not known here.
            if at(&root, &problem.path.0).and_then(Value::as_str).is_some_and(|text| text.contains("${")) {
                continue;
            }
            match take_out(&mut root, &problem) {
                Some(told) => {
                    again = true;
                    left_out.push(told);
                }
                None => unmended.push(problem),
            }
        }
        match again {
            true => {}
            false if unmended.is_empty() => return Ok((root, left_out)),
            false => return Err(Failure::BadConfiguration(Diagnostics(unmended))),
        }
    }
}

/// Takes out what a problem is at, or what lacks something; and says so.
fn take_out(root: &mut Value, problem: &Diagnostic) -> Option<String> {
    let is_lacking = problem.message.starts_with("required field missing");
    let mut path = problem.path.0.clone();
    // What lacks something goes as a whole, and so does a section, a list, or a plugin of an unknown name.
    while path.len() > 2 && (is_lacking && !is_entity(&path) || at(root, &path).is_none()) {
        path.pop();
    }
    if path.len() < 2 {
        return None;
    }
    remove(root, &path)?;
    let what = match path.as_slice() {
        [.., Segment::Key(plugins), Segment::Key(name)] if plugins == "plugins" => {
            format!("the plugin {name} ({}), which guards nothing any more", KeyPath(path.clone()))
        }
        _ => KeyPath(path.clone()).to_string(),
    };
    Some(format!("{what}: {}", problem.message))
}

/// Whether a path is that of an entity: of a section, a plugin, or an element of a list.
fn is_entity(path: &[Segment]) -> bool {
    match path {
        [Segment::Key(_), Segment::Key(_)] | [.., Segment::Index(_)] => true,
        [.., Segment::Key(plugins), Segment::Key(_)] => plugins == "plugins",
        _ => false,
    }
}

fn at<'a>(root: &'a Value, path: &[Segment]) -> Option<&'a Value> {
    path.iter().try_fold(root, |value, segment| match segment {
        Segment::Key(key) => value.get(key),
        Segment::Index(index) => value.get(*index),
    })
}

fn remove(root: &mut Value, path: &[Segment]) -> Option<()> {
    let (last, before) = path.split_last()?;
    let holder = before.iter().try_fold(root, |value, segment| match segment {
        Segment::Key(key) => value.get_mut(key),
        Segment::Index(index) => value.get_mut(*index),
    })?;
    match (holder, last) {
        (Value::Object(table), Segment::Key(key)) => table.shift_remove(key).map(drop),
        (Value::Array(items), Segment::Index(index)) if *index < items.len() => {
            items.remove(*index);
            Some(())
        }
        _ => None,
    }
}
