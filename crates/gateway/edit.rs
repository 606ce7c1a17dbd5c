//! Edits the text of a configuration file: what a step names changes, and everything else stays byte for byte as it was.

mod form;
mod merge;
mod place;
mod value;

use sluice_admin::{Refusal, Step};
use sluice_config::{KeyPath, Segment};
use toml_edit::{DocumentMut, Item};

use place::{entry, find, rename, take_out};

/// The text after the steps, or why they cannot be made.
pub fn apply(text: &str, steps: &[Step]) -> Result<String, Refusal> {
    let parsed = text.parse::<DocumentMut>();
    let mut document = parsed.map_err(|error| Refusal::File(format!("the file is broken, mend it first: {error}")))?;
    let as_printed = document.to_string();
    for step in steps {
        make(document.as_item_mut(), step).map_err(Refusal::File)?;
    }
    Ok(form::keep(text, &as_printed, document.to_string()))
}

fn make(root: &mut Item, step: &Step) -> Result<(), String> {
    match step {
        Step::Put { at, table, keep } => match find(root, at) {
            Some(item) => merge::put(item, table, keep).ok_or_else(|| no_table(at)),
            None => entry(root, at)?.insert(value::to_table(table)),
        },
        Step::Merge { at, changes } => {
            let item = find(root, at).ok_or_else(|| format!("there is no {at} in it any more"))?;
            merge::merge(item, changes).ok_or_else(|| no_table(at))
        }
        Step::Push { at, value } => match find(root, at) {
            Some(item) => merge::push(item, value).ok_or_else(|| format!("{at} is not written as a list")),
            None => entry(root, at)?.insert(Item::Value(value::list_of(value))),
        },
        Step::Remove { at } => {
            take_out(root, at);
            Ok(())
        }
        Step::Rename { at, name } => rename(root, at, name).ok_or_else(|| format!("there is no {at} in it any more")),
    }
}

fn no_table(at: &KeyPath) -> String {
    format!("{at} is not written as a table; write [{at}]")
}

/// The way to what holds the last step of a path, and that step.
fn split(at: &KeyPath) -> Option<(&[Segment], &Segment)> {
    let (last, before) = at.0.split_last()?;
    Some((before, last))
}

#[cfg(test)]
mod proofs;
#[cfg(test)]
mod tests;
