//! SIGUSR2: the running process starts its successor itself, where it stands and by the words that it was started with. A
//! service manager sees one service all the while.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// How this process was started.
pub struct Successor {
    /// Where the program was: a newer one may be there by then.
    program: std::io::Result<PathBuf>,
    arguments: Vec<OsString>,
}

impl Successor {
    /// Remembers it, as long as the program is where it was. `named`: a command was among the words.
    pub fn remember(named: bool) -> Self {
        Self { program: std::env::current_exe(), arguments: upgrading(std::env::args_os().skip(1).collect(), named) }
    }

    /// Starts it. What it has to say is in the log, which it shares.
    pub fn start(&self) {
        let started = match &self.program {
            Ok(program) => Command::new(program).args(&self.arguments).spawn(),
            Err(error) => return tracing::error!(%error, "the program of this process is not known, so none takes over"),
        };
        let mut child = match started {
            Ok(child) => child,
            Err(error) => return tracing::error!(%error, "the process that is to take over cannot be started"),
        };
        tracing::info!(pid = child.id(), "started a process that is to take over");
        let wait = move || {
            // It outlives this process if all goes well.
            if let Ok(status) = child.wait() {
                tracing::error!("the process that was to take over has ended ({status})");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("successor".into()).spawn(wait) {
            tracing::warn!(%error, "nobody will tell how the new process ends");
        }
    }
}

/// The arguments of a process that takes over from one with these.
fn upgrading(mut arguments: Vec<OsString>, named: bool) -> Vec<OsString> {
    if !named {
        arguments.push("run".into());
    }
    if !arguments.iter().any(|argument| argument == "--upgrade") {
        arguments.push("--upgrade".into());
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_started_by_the_words_that_its_predecessor_was_started_with() {
        for (given, named, made) in [
            ("", false, "run --upgrade"),
            ("--config run", false, "--config run run --upgrade"),
            ("run --config a.toml", true, "run --config a.toml --upgrade"),
            ("demo --httpbin 127.0.0.1:1", true, "demo --httpbin 127.0.0.1:1 --upgrade"),
            ("run --upgrade --log-format json", true, "run --upgrade --log-format json"),
        ] {
            let arguments = upgrading(given.split_whitespace().map(OsString::from).collect(), named);
            assert_eq!(arguments.join(&OsString::from(" ")), OsString::from(made));
        }
    }
}
