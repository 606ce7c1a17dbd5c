//! Edits the texts of a configuration: what a step names changes, and everything else stays byte for byte as it was.

mod form;
mod merge;
mod part;
mod place;
mod value;

use std::ops::Range;

use sluice_admin::{Refusal, Step};
use sluice_config::{KeyPath, Segment, Source};
use toml_edit::{DocumentMut, Item};

use part::{Outline, Place};
use place::{entry, find, rename, take_out};
pub use value::to_table;

/// So many steps are made one by one, each in its part of a text; more of them are made in whole texts, which are read once.
const FEW: usize = 8;

/// The files after the steps, or why they cannot be made. An entity is edited where it stands; what is new comes into the main
/// file, which is the first.
pub fn apply(files: &[Source], steps: &[Step]) -> Result<Vec<Source>, Refusal> {
    let mut edited = if steps.len() > FEW { in_whole(files, steps)? } else { one_by_one(files, steps)? };
    // A file without a byte would be somebody's half-done write.
    edited.iter_mut().filter(|file| file.text.is_empty()).for_each(|file| file.text.push('\n'));
    Ok(edited)
}

fn one_by_one(files: &[Source], steps: &[Step]) -> Result<Vec<Source>, Refusal> {
    let mut files = files.to_vec();
    for step in steps {
        match part_of(&files, step) {
            Some((at, part)) => files[at].text = in_part(&files[at], part, step)?,
            None => files = in_whole(&files, std::slice::from_ref(step))?,
        }
    }
    Ok(files)
}

/// The file and the part of its text that a step needs, if it does not need more.
fn part_of(files: &[Source], step: &Step) -> Option<(usize, Range<usize>)> {
    let mut behind = None;
    for (at, file) in files.iter().enumerate() {
        match (Outline::of(&file.text).place(step.at()), at, step) {
            (Place::Here(part), ..) => return Some((at, part)),
            (Place::Anywhere, ..) => return None,
            // Only what is new may be put where nothing is.
            (Place::Behind(part), 0, Step::Put { at, .. }) if at.0.len() == 2 => behind = Some((0, part)),
            (Place::Behind(_) | Place::Nowhere, ..) => {}
        }
    }
    behind
}

/// The text of a file after a step that needs this part of it alone.
fn in_part(file: &Source, part: Range<usize>, step: &Step) -> Result<String, Refusal> {
    // Something stands before the part, and so before the first table in it.
    let above = if part.start == 0 { "" } else { ABOVE };
    let text = format!("{above}{}", &file.text[part.clone()]);
    let edited = in_whole(&[Source { text, ..file.clone() }], std::slice::from_ref(step))?;
    let edited = edited[0].text.strip_prefix(above).unwrap_or_default();
    Ok([&file.text[..part.start], edited, &file.text[part.end..]].concat())
}

/// A table that no file has.
const ABOVE: &str = "[\"\"]\n";

fn in_whole(files: &[Source], steps: &[Step]) -> Result<Vec<Source>, Refusal> {
    let mut edited = files.iter().map(Edited::of).collect::<Result<Vec<Edited<'_>>, Refusal>>()?;
    for step in steps {
        let at = edited.iter_mut().position(|file| file.has(step.at())).unwrap_or(0);
        edited[at].make(step)?;
    }
    Ok(edited.into_iter().map(Edited::finish).collect())
}

/// A file on its way to being another.
struct Edited<'a> {
    file: &'a Source,
    document: DocumentMut,
    /// The text before the first step, as the document prints it.
    as_printed: Option<String>,
}

impl<'a> Edited<'a> {
    fn of(file: &'a Source) -> Result<Self, Refusal> {
        let document = file.text.parse().map_err(|error| failed(file, &format!("the file is broken, mend it first: {error}")))?;
        Ok(Self { file, document, as_printed: None })
    }

    /// Whether the entity of this path stands in it.
    fn has(&mut self, at: &KeyPath) -> bool {
        let entity = KeyPath(at.0.iter().take(2).cloned().collect());
        find(self.document.as_item_mut(), &entity).is_some()
    }

    fn make(&mut self, step: &Step) -> Result<(), Refusal> {
        self.as_printed.get_or_insert_with(|| self.document.to_string());
        make(self.document.as_item_mut(), step).map_err(|reason| failed(self.file, &reason))
    }

    fn finish(self) -> Source {
        let Some(as_printed) = self.as_printed else { return self.file.clone() };
        let text = form::keep(&self.file.text, &as_printed, self.document.to_string());
        Source { text, ..self.file.clone() }
    }
}

fn failed(file: &Source, reason: &str) -> Refusal {
    Refusal::File(format!("{}: {reason}", file.path.display()))
}

fn make(root: &mut Item, step: &Step) -> Result<(), String> {
    match step {
        Step::Put { at, table, keep } => match find(root, at) {
            Some(item) => merge::put(item, table, keep).ok_or_else(|| no_table(at)),
            None => entry(root, at)?.insert(to_table(table)),
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
