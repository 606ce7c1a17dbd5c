//! Writes the files of a configuration: each whole or not at all, and over nobody's edit.

mod others;

use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use sluice_config::Source;

pub use others::Others;

/// Puts files in the places of those that they were before; what is the same is not touched. False if one of them said
/// something else by then, or somebody else is at it: all say what they said still.
pub fn replace_files(before: &[Source], after: &[Source], others: &mut Others) -> Result<bool, String> {
    let changed: Vec<(&Source, &Source)> = before.iter().zip(after).filter(|(before, after)| before != after).collect();
    for (at, (before, after)) in changed.iter().enumerate() {
        let replaced = replace_file(&before.path, &before.text, &after.text, others);
        if !matches!(replaced, Ok(true)) {
            take_back(&changed[..at], others);
            return replaced.map_err(|error| format!("{}: {error}", before.path.display()));
        }
    }
    Ok(true)
}

fn take_back(replaced: &[(&Source, &Source)], others: &mut Others) {
    for (before, after) in replaced {
        match replace_file(&before.path, &after.text, &before.text, others) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(file = %before.path.display(), "somebody wrote over half of a change, which stays in it"),
            Err(error) => tracing::error!(file = %before.path.display(), %error, "half of a change stays in the file"),
        }
    }
}

/// Puts the text in the place of `before`, whole or not at all: a temporary file beside it, synced, exchanged with it. False
/// if the file said something else than `before` by then, or somebody else is at it; it says that still.
fn replace_file(file: &Path, before: &str, text: &str, others: &mut Others) -> std::io::Result<bool> {
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
    let replaced = written.and_then(|()| match others.leave() && is_as_it_was(&file, &about)? {
        true => exchange(&temporary, &file, (before, text), others),
        false => Ok(false),
    });
    let _ = std::fs::remove_file(&temporary);
    let replaced = match replaced {
        // A single file that is mounted cannot be replaced, only written.
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => write_in_place(&file, before, text),
        replaced => replaced,
    };
    std::fs::File::open(folder)?.sync_all()?;
    replaced
}

/// Whether nobody has changed the file since, as far as its times tell.
fn is_as_it_was(file: &Path, about: &Metadata) -> std::io::Result<bool> {
    let seen = |about: &Metadata| (about.ino(), about.size(), about.mtime(), about.mtime_nsec());
    Ok(seen(&std::fs::metadata(file)?) == seen(about))
}

/// Exchanges the files, and back again if the one that was there is not `before`: nobody's edit can come between.
fn exchange(temporary: &Path, file: &Path, (before, text): (&str, &str), others: &mut Others) -> std::io::Result<bool> {
    let exchange = || renameat_with(CWD, temporary, CWD, file, RenameFlags::EXCHANGE);
    match others.exchange(exchange) {
        // A file system that cannot exchange: what remains is to look first.
        Err(Errno::INVAL | Errno::NOSYS) => {
            let same = std::fs::read_to_string(file)? == before;
            return if same { std::fs::rename(temporary, file).map(|()| true) } else { Ok(false) };
        }
        exchanged => exchanged?,
    }
    // Whoever opened it just before may write it yet.
    others.leave();
    let same = std::fs::read(temporary)? == before.as_bytes();
    if same {
        others.replaced(file);
    } else {
        others.exchange(exchange)?;
        keep_edited(temporary, file, text)?;
    }
    Ok(same)
}

/// What was taken back may have been edited in the moment in which it was there: that is somebody's work.
fn keep_edited(temporary: &Path, file: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::read(temporary)? != text.as_bytes() {
        let kept = file.with_added_extension(format!("lost-{}", crate::prepared::now()));
        std::fs::rename(temporary, &kept)?;
        tracing::error!(kept = %kept.display(), "two edits by hand came at once, and one of them is kept beside the file");
    }
    Ok(())
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

    #[test]
    fn a_file_is_replaced_with_its_mode_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, "old").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        assert!(
            !replace_file(&file, "older", "new", &mut Others::default()).expect("looked at"),
            "somebody else wrote it meanwhile"
        );
        assert!(replace_file(&file, "old", "new", &mut Others::default()).expect("replaced"));
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "new");
        assert_eq!(std::fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }

    #[test]
    fn what_was_edited_while_it_was_there_is_kept_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let [temporary, file] = ["temporary", "gateway.toml"].map(|name| folder.path().join(name));
        let kept = || {
            let names = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|entry| entry.file_name());
            names.filter(|name| name.to_string_lossy().starts_with("gateway.toml.lost-")).count()
        };
        std::fs::write(&temporary, "new").expect("written");
        keep_edited(&temporary, &file, "new").expect("looked at");
        assert_eq!((kept(), temporary.exists()), (0, true));
        std::fs::write(&temporary, "new and more").expect("written");
        keep_edited(&temporary, &file, "new").expect("looked at");
        assert_eq!((kept(), temporary.exists()), (1, false));
    }

    #[test]
    fn of_several_files_all_are_replaced_or_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let files = |texts: [&str; 3]| {
            let sources = ["a", "b", "c"].into_iter().zip(texts).map(|(name, text)| Source::new(folder.path().join(name), text));
            sources.collect::<Vec<_>>()
        };
        let said = || ["a", "b", "c"].map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap_or_default());
        for file in files(["1", "2", "3"]) {
            std::fs::write(&file.path, &file.text).expect("written");
        }
        assert_eq!(replace_files(&files(["1", "2", "other"]), &files(["4", "2", "5"]), &mut Others::default()), Ok(false));
        assert_eq!(said(), ["1", "2", "3"]);
        std::fs::remove_file(folder.path().join("b")).expect("removed");
        let error =
            replace_files(&files(["1", "2", "3"]), &files(["4", "5", "6"]), &mut Others::default()).expect_err("a file is gone");
        assert!(error.contains("/b: "), "{error}");
        assert_eq!(said(), ["1", "", "3"]);
        assert_eq!(replace_files(&files(["1", "2", "3"]), &files(["4", "2", "6"]), &mut Others::default()), Ok(true));
        assert_eq!(said(), ["4", "", "6"]);
    }
}
