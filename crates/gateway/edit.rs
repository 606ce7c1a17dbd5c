//! Edits the texts of a configuration: what a step names changes, and everything else stays byte for byte as it was.

mod form;
mod merge;
mod place;
mod value;

use sluice_admin::{Refusal, Step};
use sluice_config::{KeyPath, Segment, Source};
use toml_edit::{DocumentMut, Item};

use place::{entry, find, rename, take_out};
pub use value::to_table;

/// The files after the steps, or why they cannot be made. An entity is edited where it stands; what is new comes into the main
/// file, which is the first.
pub fn apply(files: &[Source], steps: &[Step]) -> Result<Vec<Source>, Refusal> {
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
        // A file without a byte would be somebody's half-done write.
        Source { text: if text.is_empty() { "\n".into() } else { text }, ..self.file.clone() }
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
