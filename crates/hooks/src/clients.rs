//! The HTTP clients that all hooks share: kept-alive connections outlive a delivery and a reload.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, redirect};
use url::Url;

/// How long a connection is kept for the next delivery.
const IDLE: Duration = Duration::from_secs(30);
/// How many connections to one receiver are kept.
const IDLE_CONNECTIONS: usize = 16;

/// The clients. Each is made when it is needed first.
#[derive(Default)]
pub struct Clients {
    /// Checks certificates.
    checking: OnceLock<Client>,
    /// Checks none: for hooks that say so, and for plain http. It needs no certificates on the machine.
    trusting: OnceLock<Client>,
}

impl Clients {
    /// The client for this url; `verify` says whether certificates are checked.
    pub(crate) fn client(&self, url: &Url, verify: bool) -> Result<&Client, reqwest::Error> {
        let verify = verify && url.scheme() == "https";
        let place = if verify { &self.checking } else { &self.trusting };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        let client = client(verify)?;
        Ok(place.get_or_init(|| client))
    }
}

/// No redirect is followed, and no proxy is taken from the environment: a hook calls what its url says, nothing else.
fn client(verify: bool) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .tls_danger_accept_invalid_certs(!verify)
        .build()
}
