//! The text of the configuration file, or why there is none.

use std::path::Path;

/// Why a file gives no text.
pub enum Unread {
    /// It cannot be read.
    Io(std::io::Error),
    /// It can, and is no text.
    NotText,
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotText => f.write_str("the file is no UTF-8 text"),
        }
    }
}

/// Reads the file.
pub fn read(file: &Path) -> Result<String, Unread> {
    let bytes = std::fs::read(file).map_err(Unread::Io)?;
    String::from_utf8(bytes).map_err(|_| Unread::NotText)
}

/// Reads a file that must say something: an empty one is somebody's half-done write.
pub fn read_whole(file: &Path) -> Result<String, String> {
    match read(file) {
        Ok(text) if text.trim().is_empty() => Err("the file is empty".into()),
        read => read.map_err(|unread| unread.to_string()),
    }
}
