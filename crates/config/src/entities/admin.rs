//! The Admin API: where it listens, and who may come in.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// The Admin API.
#[derive(Clone, PartialEq)]
pub struct Admin {
    /// Where it listens.
    pub listen: Vec<ListenAt>,
    /// What callers may send; without any nobody is asked.
    pub tokens: Vec<AdminToken>,
    /// Names, in lower case, by which it may be asked besides addresses and localhost.
    pub allowed_hosts: Vec<String>,
    /// Whether changes are written into the file.
    pub write_back: bool,
}

/// What a caller sends to be let in.
#[derive(Clone, PartialEq)]
pub struct AdminToken {
    /// Who is meant by it.
    pub name: String,
    /// The secret.
    pub token: String,
    /// Whether it is for looking only.
    pub read_only: bool,
}

/// Where is listened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAt {
    /// At an address.
    Address(SocketAddr),
    /// At a socket of this machine that is a file.
    Unix(PathBuf),
}

/// The longest that every system knows is 103 bytes.
const LONGEST_PATH: usize = 103;

impl ListenAt {
    /// Whether only who is on this machine can connect.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for ListenAt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let sound = path.starts_with('/') && !path.ends_with('/') && !path.contains(char::is_control);
            return match path.len() {
                _ if !sound => {
                    Err(format!("`{text}` is no path of a socket; write a whole one such as \"unix:/run/sluice/admin.sock\""))
                }
                length if length > LONGEST_PATH => {
                    Err(format!("a path of {length} bytes is too long for a socket; {LONGEST_PATH} are possible"))
                }
                _ => Ok(Self::Unix(path.into())),
            };
        }
        let wrong = || {
            format!(
                "`{text}` is no address to listen on; write one with its port, such as \"127.0.0.1:8001\", or \"unix:/run/sluice/admin.sock\""
            )
        };
        text.parse().map(Self::Address).map_err(|_| wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_or_paths_of_sockets() {
        let check = |text: &str, local: Option<bool>| {
            let place = text.parse::<ListenAt>();
            assert_eq!(place.as_ref().ok().map(ListenAt::is_local), local, "{text}");
            assert!(place.is_err() || place.unwrap().to_string() == text, "{text}");
        };
        check("127.0.0.1:8001", Some(true));
        check("[::1]:8001", Some(true));
        check("0.0.0.0:8001", Some(false));
        check("[::ffff:127.0.0.1]:8001", Some(false));
        check("unix:/run/my sluice/admin.sock", Some(true));
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        check(&long[..long.len() - 1], Some(true));
        for wrong in [
            &long,
            "",
            "localhost:8001",
            "127.0.0.1",
            "8001",
            "unix:",
            "unix:admin.sock",
            "unix:/run/",
            "unix:/a\nb",
            "unix:/a\0",
        ] {
            check(wrong, None);
        }
    }
}
