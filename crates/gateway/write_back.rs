//! Writes gateway.toml: whole or not at all, and over nobody's edit.

use std::fs::Metadata;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

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
