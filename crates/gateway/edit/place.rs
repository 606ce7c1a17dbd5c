//! Finds the place of a step in a document, and makes room for what is new.

use sluice_config::{KeyPath, Segment};
use toml_edit::{InlineTable, Item, Key, Table};

use super::split;
use super::value::{append_inline, take_suffix};

/// What stands at this place.
pub fn find<'a>(root: &'a mut Item, at: &KeyPath) -> Option<&'a mut Item> {
    walk(root, &at.0)
}

fn walk<'a>(root: &'a mut Item, path: &[Segment]) -> Option<&'a mut Item> {
    path.iter().try_fold(root, |item, segment| match segment {
        Segment::Key(key) => item.as_table_like_mut()?.get_mut(key),
        Segment::Index(index) => item.get_mut(*index),
    })
}

/// A place in a table that is still empty.
pub struct Entry<'a> {
    table: &'a mut Item,
    key: String,
}

/// The place for something new; tables on the way there are made.
pub fn entry<'a>(root: &'a mut Item, at: &KeyPath) -> Result<Entry<'a>, String> {
    let Some((before, Segment::Key(key))) = split(at) else {
        return Err(format!("{at} names no key of a table"));
    };
    let mut item = root;
    for (depth, segment) in before.iter().enumerate() {
        let so_far = || KeyPath(before[..=depth].to_vec());
        item = match segment {
            Segment::Index(index) => item.get_mut(*index).ok_or_else(|| format!("there is no {} in it any more", so_far()))?,
            Segment::Key(key) => {
                let inline = item.is_inline_table();
                let table = item.as_table_like_mut().ok_or_else(|| not_tables(&so_far()))?;
                if inline && !table.contains_key(key) {
                    append_inline(table, key, InlineTable::new().into());
                }
                table.entry(key).or_insert_with(implicit)
            }
        };
        if !item.is_table_like() {
            return Err(not_tables(&so_far()));
        }
    }
    Ok(Entry { table: item, key: key.clone() })
}

/// A table without a header of its own.
fn implicit() -> Item {
    let mut table = Table::new();
    table.set_implicit(true);
    Item::Table(table)
}

fn not_tables(at: &KeyPath) -> String {
    format!("`{at}` is not written as tables; write [{at}.NAME]")
}

impl Entry<'_> {
    /// Puts it there: with a header of its own, unless it comes into a table in one line.
    pub fn insert(self, item: impl Into<Item>) -> Result<(), String> {
        let inline = self.table.is_inline_table();
        let table = self.table.as_table_like_mut().ok_or("a table is none any more")?;
        let mut item = item.into();
        if inline {
            item.make_value();
            if let Item::Value(value) = item {
                append_inline(table, &self.key, value);
            }
            return Ok(());
        }
        if let Item::Table(table) = &mut item {
            table.decor_mut().set_prefix("\n");
        }
        table.insert(&self.key, item);
        Ok(())
    }
}

/// Takes out what stands at this place, if it is there.
pub fn take_out(root: &mut Item, at: &KeyPath) {
    let Some((before, last)) = split(at) else { return };
    let Some(holder) = walk(root, before) else { return };
    match last {
        Segment::Key(key) => {
            holder.as_table_like_mut().and_then(|table| table.remove(key));
        }
        Segment::Index(index) => take_element(holder, *index),
    }
}

fn take_element(list: &mut Item, index: usize) {
    match list {
        Item::ArrayOfTables(tables) if index < tables.len() => {
            tables.remove(index);
        }
        Item::Value(toml_edit::Value::Array(array)) if index < array.len() => {
            let mut removed = array.remove(index);
            // What stood before the first element stands before the next, and what stood behind the last behind the one before.
            if let (0, Some(first)) = (index, array.get_mut(0)) {
                let prefix = removed.decor().prefix().and_then(|raw| raw.as_str()).unwrap_or_default();
                first.decor_mut().set_prefix(prefix);
            }
            let len = array.len();
            if let Some(last) = array.get_mut(len.wrapping_sub(1)).filter(|_| index == len) {
                let suffix = take_suffix(&mut removed);
                if last.decor().suffix().is_none_or(|raw| raw.as_str() == Some("")) {
                    last.decor_mut().set_suffix(suffix);
                }
            }
        }
        _ => {}
    }
}

/// Gives the table at this place another name; it stays where it stands.
pub fn rename(root: &mut Item, at: &KeyPath, name: &str) -> Option<()> {
    let (before, Segment::Key(old)) = split(at)? else { return None };
    let key = |old: &Key| {
        let key = Key::new(name).with_leaf_decor(old.leaf_decor().clone());
        key.with_dotted_decor(old.dotted_decor().clone())
    };
    match walk(root, before)? {
        Item::Table(table) => {
            let (old, item) = table.remove_entry(old)?;
            table.insert_formatted(&key(&old), item);
        }
        Item::Value(toml_edit::Value::InlineTable(table)) => {
            let (old, value) = table.remove_entry(old)?;
            table.insert_formatted(&key(&old), value);
        }
        _ => return None,
    }
    Some(())
}
