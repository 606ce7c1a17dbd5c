//! Where the Admin API of a running gateway is, and what it wants to be sent: what the command line says, else the file.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Url;
use sluice_config::{Admin, Diagnostics, ListenAt, ProcessEnvironment, Segment, Source, read};

use crate::run::{Failure, read_file};

/// How the command line says where an Admin API is
#[derive(Args)]
pub struct Reach {
    /// Where the Admin API is, such as http://127.0.0.1:8001 or unix:/run/sluice/admin.sock; without it, `admin.listen` of the
    /// configuration file
    #[arg(long, global = true, value_name = "URL")]
    pub admin: Option<String>,
    /// What the Admin API wants to be sent; without it, a token that `admin` of the configuration file has
    #[arg(long, global = true, env = "SLUICE_ADMIN_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    pub token: Option<String>,
}

/// An Admin API.
pub struct Place {
    pub url: Url,
    /// The socket that leads there, if it is a file.
    pub file: Option<PathBuf>,
    pub token: Option<String>,
}

impl Place {
    pub fn find(file: &Path, args: &Reach) -> Result<Self, Failure> {
        // An empty variable is none.
        let token = args.token.clone().filter(|token| !token.is_empty());
        let given = args.admin.as_deref().map(place).transpose()?;
        // With an address the file need not be there: what it could add is the token.
        let admin = if given.is_none() || (token.is_none() && file.exists()) { Some(section(file)?) } else { None };
        let (listen, written) = admin.map_or((None, None), |admin| (admin.listen.first().cloned(), best(admin)));
        let (url, file) = match given {
            Some(given) => given,
            None => match listen.unwrap_or(DEFAULT) {
                ListenAt::Address(address) => place(&format!("http://{}", reachable(address)))?,
                at @ ListenAt::Unix(_) => place(&at.to_string())?,
            },
        };
        Ok(Self { url, file, token: token.or(written) })
    }
}

const DEFAULT: ListenAt = ListenAt::Address(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8001));

/// The token that may do most.
fn best(admin: Admin) -> Option<String> {
    admin.tokens.into_iter().min_by_key(|token| token.read_only).map(|token| token.token)
}

/// A URL, or a socket with a URL for what is asked over it.
fn place(text: &str) -> Result<(Url, Option<PathBuf>), Failure> {
    let file = text.strip_prefix("unix:").filter(|path| path.starts_with('/')).map(PathBuf::from);
    let url = if file.is_some() { "http://localhost" } else { text };
    let url = Url::parse(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.map(|url| (url, file)).ok_or_else(|| {
        Failure::Usage(format!(
            "--admin: `{text}` is no address of an Admin API; write one such as http://127.0.0.1:8001 or unix:/run/sluice/admin.sock"
        ))
    })
}

/// `[admin]` of the file. What is wrong elsewhere in it, such as a variable that is set for the gateway only, is no matter.
fn section(file: &Path) -> Result<Admin, Failure> {
    let draft = read(Source::new(file, read_file(file)?), &ProcessEnvironment);
    let matters = |segment: Option<&Segment>| matches!(segment, Some(Segment::Key(key)) if key == "admin");
    let problems: Vec<_> =
        draft.problems.into_iter().filter(|problem| problem.path.0.is_empty() || matters(problem.path.0.first())).collect();
    if problems.is_empty() {
        Ok(draft.config.admin)
    } else {
        Err(Failure::BadConfiguration(Diagnostics::locate(problems, &draft.document)))
    }
}

/// Who listens everywhere is reached at home.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let home = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(home, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_everywhere_is_reached_at_home() {
        for (listen, at) in [("0.0.0.0:8001", "127.0.0.1:8001"), ("[::]:1", "[::1]:1"), ("192.0.2.7:8001", "192.0.2.7:8001")] {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), at);
        }
    }

    #[test]
    fn an_address_is_http_and_has_a_host() {
        let file = |text: &str| place(text).ok().map(|(_, file)| file);
        assert!(["http://127.0.0.1:8001", "https://[::1]/", "http://localhost:1"].iter().all(|text| file(text) == Some(None)));
        assert_eq!(file("unix:/run/a.sock"), Some(Some("/run/a.sock".into())));
        let wrong = ["", "127.0.0.1:8001", "localhost:8001", "ftp://127.0.0.1", "/x", "unix:", "unix:a.sock"];
        assert!(wrong.iter().all(|text| file(text).is_none()));
    }
}
