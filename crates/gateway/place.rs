//! The folder of this process's state (`state_dir`), and what tells others of the process: its pid, and the socket at which
//! a successor asks for the listeners. Nobody else may look in.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

/// The folder.
pub struct Place {
    dir: PathBuf,
    /// What is written there is of this process.
    owned: AtomicBool,
}

impl Place {
    /// The folder of this name, made if it is not there: before whoever else writes there makes one that is less private.
    pub fn new(dir: &Path) -> Self {
        // Who writes there says what is wrong with it.
        let _ = DirBuilder::new().recursive(true).mode(0o700).create(dir);
        Self { dir: dir.to_owned(), owned: AtomicBool::new(false) }
    }

    /// Where a successor asks.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("upgrade.sock")
    }

    fn pid_file(&self) -> PathBuf {
        self.dir.join("sluice.pid")
    }

    /// Whether a process listens here. What one left that was killed is no process.
    pub fn is_taken(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }

    /// Makes it this process's. Each file appears whole, in the place of an earlier process's.
    pub fn own(&self) -> io::Result<UnixListener> {
        let new = self.dir.join(format!("upgrade.sock.{}", process::id()));
        // There is one only if a process of this number was killed just here.
        let _ = fs::remove_file(&new);
        let socket = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(new, self.socket())?;
        let new = self.dir.join(format!("sluice.pid.{}", process::id()));
        fs::write(&new, format!("{}\n", process::id()))?;
        fs::rename(new, self.pid_file())?;
        self.owned.store(true, Ordering::Release);
        Ok(socket)
    }

    /// The same for a process that gave it up, and serves on.
    pub fn own_again(&self) -> io::Result<Option<UnixListener>> {
        if self.owned.load(Ordering::Acquire) { Ok(None) } else { self.own().map(Some) }
    }

    /// Leaves it to a successor.
    pub fn give_up(&self) {
        self.owned.store(false, Ordering::Release);
    }

    /// Takes out what is of this process.
    pub fn clear(&self) {
        if self.owned.swap(false, Ordering::AcqRel) {
            for file in [self.socket(), self.pid_file()] {
                // Whoever took it out was faster.
                let _ = fs::remove_file(file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_place_is_private_and_what_a_killed_process_left_does_not_take_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("below").join("state");
        let place = Place::new(&dir);
        assert!(!place.is_taken(), "nobody was ever here");
        let socket = place.own().unwrap();
        assert_eq!((mode(&dir), mode(&place.socket())), (0o700, 0o600));
        assert_eq!(fs::read_to_string(place.pid_file()).unwrap(), format!("{}\n", process::id()));
        assert!(place.is_taken());
        drop(socket);
        assert!(!place.is_taken() && place.socket().exists(), "its file is still there");
        let _socket = place.own().unwrap();
        assert!(place.is_taken());
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_process_takes_out_what_is_its_own_and_not_what_is_its_successors() {
        let folder = tempfile::tempdir().unwrap();
        let [old, new] = [(); 2].map(|()| Place::new(folder.path()));
        let _old = old.own().unwrap();
        old.give_up();
        let _new = new.own().unwrap();
        old.clear();
        assert!(new.is_taken() && new.pid_file().exists());
        new.clear();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
