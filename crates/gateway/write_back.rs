//! Edits gateway.toml: the entity that an edit names changes, and everything else stays byte for byte as it was.

use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use serde_json::{Map, Value as Json};
use sluice_admin::{Edit, Refusal};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, TableLike, Value};

/// The text after the edit, or why it cannot be made.
pub fn apply(text: &str, edit: &Edit) -> Result<String, Refusal> {
    let parsed = text.parse::<DocumentMut>();
    let mut document = parsed.map_err(|error| Refusal::File(format!("the file is broken, mend it first: {error}")))?;
    match edit {
        Edit::Add { section, name, table } => {
            let section = section_of(&mut document, section)?;
            if section.contains_key(name) {
                return Err(Refusal::Taken);
            }
            put(section, name, table);
        }
        Edit::Put { section, name, table } => put(section_of(&mut document, section)?, name, table),
        Edit::Patch { section, name, changes } => {
            let section = section_of(&mut document, section)?;
            merge(section.get_mut(name).and_then(Item::as_table_like_mut).ok_or(Refusal::Absent)?, changes);
        }
        Edit::Remove { section, name } => {
            section_of(&mut document, section)?.remove(name);
        }
    }
    Ok(document.to_string())
}

fn section_of<'a>(document: &'a mut DocumentMut, name: &str) -> Result<&'a mut Table, Refusal> {
    let section = document.entry(name).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let section = section.as_table_mut();
    section.ok_or_else(|| Refusal::File(format!("`{name}` is not written as tables; write [{name}.NAME]")))
}

/// Writes the table in the place of the one that is there, with the comment above that one, or as the last of the file.
fn put(section: &mut Table, name: &str, table: &Map<String, Json>) {
    let mut table = to_table(table);
    match section.get(name) {
        Some(Item::Table(before)) => {
            *table.decor_mut() = before.decor().clone();
            table.set_position(before.position());
        }
        _ => table.decor_mut().set_prefix("\n"),
    }
    section.insert(name, Item::Table(table));
}

/// Changes the keys that are named; what is merged keeps the comments around it.
fn merge(table: &mut dyn TableLike, changes: &Map<String, Json>) {
    for (key, change) in changes {
        match (change, table.get_mut(key)) {
            (Json::Null, _) => {
                table.remove(key);
            }
            (Json::Object(inner), Some(item)) if item.is_table_like() => {
                merge(item.as_table_like_mut().expect("the guard says that it is a table"), inner);
            }
            (Json::Object(inner), _) => {
                table.insert(key, Item::Table(to_table(inner)));
            }
            (change, Some(Item::Value(value))) => {
                let decor = value.decor().clone();
                *value = to_value(change);
                *value.decor_mut() = decor;
            }
            (change, _) => {
                table.insert(key, Item::Value(to_value(change)));
            }
        }
    }
}

/// A table with a header of its own for each table in it.
fn to_table(map: &Map<String, Json>) -> Table {
    let mut table = Table::new();
    for (key, value) in map {
        match value {
            Json::Null => {}
            Json::Object(inner) => {
                table.insert(key, Item::Table(to_table(inner)));
            }
            value => {
                table.insert(key, Item::Value(to_value(value)));
            }
        }
    }
    // `[a.b]` needs no `[a]` above it if `a` has nothing else.
    table.set_implicit(!map.is_empty() && map.values().all(Json::is_object));
    table
}

fn to_value(json: &Json) -> Value {
    match json {
        Json::Bool(on) => Value::from(*on),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(float)) => Value::from(float),
            (None, None) => Value::from(number.to_string()),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::Array(items.iter().filter(|item| !item.is_null()).map(to_value).collect::<Array>()),
        Json::Object(map) => {
            let entries = map.iter().filter(|(_, value)| !value.is_null());
            Value::InlineTable(entries.map(|(key, value)| (key.as_str(), to_value(value))).collect::<InlineTable>())
        }
        Json::Null => Value::from(""),
    }
}

/// Puts the text in the place of `before`, whole or not at all: a temporary file beside it, synced, exchanged with it. False
/// if the file said something else than `before` by then; it says that still.
pub fn replace_file(file: &Path, before: &str, text: &str) -> std::io::Result<bool> {
    // Where the file is a link, what it points at is replaced, and the link stays.
    let file = file.canonicalize()?;
    let about = std::fs::metadata(&file)?;
    if about.permissions().readonly() {
        return Err(std::io::Error::other("the file is read-only"));
    }
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_synced(&about, &temporary, text).map_err(|error| in_folder(folder, &error));
    let replaced = written.and_then(|()| exchange(&temporary, &file, before));
    let _ = std::fs::remove_file(&temporary);
    let replaced = match replaced {
        // A single file that is mounted cannot be replaced, only written.
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => write_in_place(&file, before, text),
        replaced => replaced,
    };
    std::fs::File::open(folder)?.sync_all()?;
    replaced
}

/// Exchanges the files, and back again if the one that was there is not `before`: nobody's edit can come between.
fn exchange(temporary: &Path, file: &Path, before: &str) -> std::io::Result<bool> {
    let exchange = || renameat_with(CWD, temporary, CWD, file, RenameFlags::EXCHANGE);
    match exchange() {
        // A file system that cannot exchange: what remains is to look first.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let same = std::fs::read_to_string(file)? == before;
            return if same { std::fs::rename(temporary, file).map(|()| true) } else { Ok(false) };
        }
        exchanged => exchanged?,
    }
    let same = std::fs::read(temporary)? == before.as_bytes();
    if !same {
        exchange()?;
    }
    Ok(same)
}

fn in_folder(folder: &Path, error: &std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), format!("the folder {} takes no new file: {error}", folder.display()))
}

/// Writes a file with the mode and, where that is allowed, the owner of the one that it will replace.
fn write_synced(about: &Metadata, temporary: &Path, text: &str) -> std::io::Result<()> {
    let mut out = std::fs::File::create(temporary)?;
    out.set_permissions(about.permissions())?;
    if let Err(error) = std::os::unix::fs::fchown(&out, Some(about.uid()), Some(about.gid())) {
        tracing::debug!(%error, "the owner of the configuration changes with this write");
    }
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

fn write_in_place(file: &Path, before: &str, text: &str) -> std::io::Result<bool> {
    if std::fs::read_to_string(file)? != before {
        return Ok(false);
    }
    let mut out = std::fs::OpenOptions::new().write(true).truncate(true).open(file)?;
    out.write_all(text.as_bytes())?;
    out.sync_all().map(|()| true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILE: &str = "# top\n[services.demo] # a service\nurl = \"http://x\"\n\n# mine\n[event_hooks.a]\nsource = \"s\" # why\nhandler = \"log\"\nconfig.url = \"${URL}\"\n\n# last\n[event_hooks.b]\nsource = \"t\"\n";

    fn map(json: &Json) -> Map<String, Json> {
        json.as_object().cloned().expect("an object")
    }

    fn check(edit: &Edit, expected: &str) {
        assert_eq!(apply(FILE, edit).expect("the edit fits"), expected);
    }

    #[test]
    fn a_new_entity_is_added_at_the_end() {
        let table =
            map(&json!({ "source": "s", "snooze": 5, "id": null, "config": { "url": "http://x", "headers": { "a-b": "c" } } }));
        let added = "\n[event_hooks.c]\nsource = \"s\"\nsnooze = 5\n\n[event_hooks.c.config]\nurl = \"http://x\"\n\n[event_hooks.c.config.headers]\na-b = \"c\"\n";
        check(&Edit::Put { section: "event_hooks", name: "c".into(), table: table.clone() }, &format!("{FILE}{added}"));
        check(&Edit::Add { section: "event_hooks", name: "c".into(), table: table.clone() }, &format!("{FILE}{added}"));
        assert!(matches!(apply(FILE, &Edit::Add { section: "event_hooks", name: "a".into(), table }), Err(Refusal::Taken)));
    }

    #[test]
    fn a_patch_changes_what_it_names_and_keeps_comments() {
        let changes = map(&json!({ "source": "u", "snooze": 3, "handler": null, "config": { "method": "POST" } }));
        let expected = FILE
            .replace("source = \"s\" # why\nhandler = \"log\"\n", "source = \"u\" # why\n")
            .replace("config.url = \"${URL}\"\n", "config.url = \"${URL}\"\nconfig.method = \"POST\"\nsnooze = 3\n");
        check(&Edit::Patch { section: "event_hooks", name: "a".into(), changes: changes.clone() }, &expected);
        assert!(matches!(apply(FILE, &Edit::Patch { section: "event_hooks", name: "x".into(), changes }), Err(Refusal::Absent)));
    }

    #[test]
    fn a_removed_entity_takes_nothing_else_with_it() {
        let expected = FILE.split("\n# last").next().expect("text before it").to_owned();
        check(&Edit::Remove { section: "event_hooks", name: "b".into() }, &expected);
        check(&Edit::Remove { section: "event_hooks", name: "nobody".into() }, FILE);
    }

    #[test]
    fn a_broken_file_is_not_edited() {
        assert!(apply("a = [", &Edit::Remove { section: "event_hooks", name: "b".into() }).is_err());
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, "old").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(!replace_file(&file, "older", "new").expect("looked at"), "somebody else wrote it meanwhile");
        assert!(replace_file(&file, "old", "new").expect("replaced"));
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "new");
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
