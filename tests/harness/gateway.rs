//! The real binary, in a folder and on ports of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use super::{Answer, DEADLINE, Request, eventually, free_address, request};

const UPGRADE: &str = "--upgrade";

/// Sluice on the configuration in this folder.
fn command(folder: &TempDir, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.args(words).arg("--config").arg(folder.path().join("gateway.toml")).env_remove("RUST_LOG");
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

pub struct Gateway {
    pub proxy: SocketAddr,
    pub admin: SocketAddr,
    folder: TempDir,
    /// What it was started as.
    words: Vec<String>,
    child: Child,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Gateway {
    /// Starts a gateway with this configuration; `[server]` and `[admin]` with free ports are put before it.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, "")
    }

    /// The same, with more keys of `[admin]`.
    pub fn start_with(config: &str, admin_keys: &str) -> Self {
        Self::start_whole(config, "", admin_keys)
    }

    /// The same, with more keys of `[server]`.
    pub fn start_server(config: &str, server_keys: &str) -> Self {
        Self::start_whole(config, server_keys, "")
    }

    /// One on the text that `edit` makes of what would be the file of [`Self::start`], and of the folder for its state.
    pub fn start_edited(edit: impl FnOnce(&str, &Path) -> String) -> Self {
        let (folder, proxy, admin) = Self::write("", "", "");
        let file = folder.path().join("gateway.toml");
        let text = edit(&std::fs::read_to_string(&file).unwrap(), &folder.path().join("state"));
        std::fs::write(file, text).unwrap();
        Self::spawn(folder, (proxy, admin), &["run"])
    }

    /// A demo, with its upstream there.
    pub fn start_demo(config: &str, upstream: SocketAddr) -> Self {
        let (folder, proxy, admin) = Self::write(config, "", "");
        Self::spawn(folder, (proxy, admin), &["demo", "--httpbin", &upstream.to_string()])
    }

    fn start_whole(config: &str, server_keys: &str, admin_keys: &str) -> Self {
        let (folder, proxy, admin) = Self::write(config, server_keys, admin_keys);
        Self::spawn(folder, (proxy, admin), &["run"])
    }

    fn write(config: &str, server_keys: &str, admin_keys: &str) -> (TempDir, SocketAddr, SocketAddr) {
        let (proxy, admin) = (free_address(), free_address());
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let server = format!("[server]\nlisten = [\"{proxy}\"]\nthreads = 2\nstate_dir = {state:?}\n{server_keys}\n");
        let text = format!("{server}[admin]\nlisten = \"{admin}\"\n{admin_keys}\n{config}");
        std::fs::write(folder.path().join("gateway.toml"), text).unwrap();
        (folder, proxy, admin)
    }

    fn spawn(folder: TempDir, (proxy, admin): (SocketAddr, SocketAddr), words: &[&str]) -> Self {
        let mut child = command(&folder, words).spawn().unwrap();
        let log = Arc::<Log>::default();
        let (stderr, shared) = (child.stderr.take().unwrap(), log.clone());
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                shared.lines.lock().unwrap().push(line);
                shared.more.notify_all();
            }
        });
        let words = words.iter().map(ToString::to_string).filter(|word| word != UPGRADE).collect();
        let mut gateway = Self { proxy, admin, folder, words, child, log, reader: Some(reader) };
        // It says so when everything listens and the file is watched.
        eventually("the gateway is up", || {
            assert!(gateway.child.try_wait().unwrap().is_none(), "the gateway ended:\n{}", gateway.log().join("\n"));
            gateway.log().iter().any(|line| line.contains("Admin API on ")).then_some(())
        });
        gateway
    }

    /// Stops it and starts it again in the same folder.
    pub fn restart(mut self) -> Self {
        self.stop();
        self.start_again()
    }

    /// Kills it, so that it can do nothing more, and starts it again in the same folder.
    pub fn kill_and_restart(mut self) -> Self {
        self.signal("KILL");
        self.wait();
        self.start_again()
    }

    fn start_again(mut self) -> Self {
        let folder = self.leave_folder();
        Self::spawn(folder, (self.proxy, self.admin), &["run"])
    }

    /// Starts a process that takes over from this one, and waits until it has.
    pub fn upgrade(&mut self) -> Self {
        let folder = self.leave_folder();
        let words: Vec<&str> = self.words.iter().map(String::as_str).chain([UPGRADE]).collect();
        let gateway = Self::spawn(folder, (self.proxy, self.admin), &words);
        gateway.wait_for_log("took over");
        gateway
    }

    /// Starts a process that is to take over and cannot: with which code it ends, and what it says.
    pub fn fail_to_upgrade(&self) -> (Option<i32>, String) {
        let mut child = command(&self.folder, &["run", UPGRADE]).spawn().unwrap();
        let code = eventually("the new process ends", || child.try_wait().unwrap()).code();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (code, said)
    }

    fn leave_folder(&mut self) -> TempDir {
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Whose the folder is, by its pid file.
    pub fn owner(&self) -> Option<String> {
        Some(std::fs::read_to_string(self.state_dir().join("sluice.pid")).ok()?.trim().to_owned())
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        super::get(self.proxy, path, headers)
    }

    /// A call of the Admin API; a body is JSON.
    pub fn admin(&self, method: &str, path: &str, body: &str) -> Answer {
        let headers: &[_] = if body.is_empty() { &[] } else { &[("Content-Type", "application/json")] };
        request(self.admin, &Request { method, path, headers, body })
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    /// What it keeps over a restart.
    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn config_text(&self) -> String {
        std::fs::read_to_string(self.config_file()).unwrap()
    }

    /// Edits the file as editors do that write a new one and rename it over the old.
    pub fn edit_by_rename(&self, edit: impl FnOnce(&str) -> String) {
        let new = self.folder.path().join("gateway.toml.new");
        std::fs::write(&new, edit(&self.config_text())).unwrap();
        std::fs::rename(new, self.config_file()).unwrap();
    }

    /// Edits the file as editors do that truncate and write.
    pub fn edit_in_place(&self, edit: impl FnOnce(&str) -> String) {
        std::fs::write(self.config_file(), edit(&self.config_text())).unwrap();
    }

    /// The version of the configuration in force.
    pub fn version(&self) -> u64 {
        self.admin("GET", "/config/status", "").json()["version"].as_u64().unwrap()
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines.lock().unwrap().clone()
    }

    /// Waits for a line of the log that holds `text`.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        let find = |lines: &Vec<String>| lines.iter().find(|line| line.contains(text)).cloned();
        let lines = self.log.lines.lock().unwrap();
        let (lines, _) = self.log.more.wait_timeout_while(lines, DEADLINE, |lines| find(lines).is_none()).unwrap();
        find(&lines).unwrap_or_else(|| panic!("no line with {text:?} in:\n{}", lines.join("\n")))
    }

    pub fn signal(&self, name: &str) {
        super::run("kill", &["-s", name, &self.pid()]);
    }

    /// Its process.
    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it ends.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("the gateway ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            println!("--- the gateway's log:\n{}", self.log().join("\n"));
        }
    }
}
