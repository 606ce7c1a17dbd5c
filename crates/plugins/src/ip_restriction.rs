//! Plugin `ip-restriction`: who may call by his address, and who may not.

use std::net::IpAddr;

use http::StatusCode;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::{Problem, network};

use crate::cx::Cx;
use crate::plugin::{BuildCx, Configured, Flow, Phases, Plugin};
use crate::reply::Reply;

/// The plugin.
pub struct IpRestriction {
    allow: Vec<IpNet>,
    deny: Vec<IpNet>,
    status: StatusCode,
    message: Option<String>,
}

/// Options of `ip-restriction`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Addresses and networks that may call; if there are any, no others may.
    #[serde(default)]
    allow: Vec<String>,
    /// Addresses and networks that may not, even if `allow` names them.
    #[serde(default)]
    deny: Vec<String>,
    /// The status of a refusal.
    #[serde(default = "forbidden")]
    status: u16,
    /// The message of a refusal.
    message: Option<String>,
}

impl Configured for IpRestriction {
    const NAME: &'static str = "ip-restriction";
    const SUMMARY: &'static str = "Lets call by address, or not";
    const PRIORITY: u32 = 990;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if options.allow.is_empty() && options.deny.is_empty() {
            problems.push(cx.block.problem("at least one of `allow` and `deny` must be set"));
        }
        let mut networks = |key: &str, list: &[String]| {
            let mut read = Vec::new();
            for (index, text) in list.iter().enumerate() {
                match network(text) {
                    Ok(net) => read.push(net.trunc()),
                    Err(message) => problems.push(Problem::at(cx.block.path().key(key).index(index), message)),
                }
            }
            read
        };
        let (allow, deny) = (networks("allow", &options.allow), networks("deny", &options.deny));
        let status = StatusCode::from_u16(options.status).ok().filter(|status| status.as_u16() >= 200);
        if status.is_none() {
            problems.push(cx.block.problem_at("status", "must be a status between 200 and 999"));
        }
        match status {
            Some(status) if problems.is_empty() => Ok(Self { allow, deny, status, message: options.message }),
            _ => Err(problems),
        }
    }
}

impl Plugin for IpRestriction {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let ip = cx.client_ip;
        if !within(&self.deny, ip) && (self.allow.is_empty() || within(&self.allow, ip)) {
            return Flow::Continue;
        }
        let message = self.message.clone().unwrap_or_else(|| format!("IP address not allowed: {ip}"));
        Flow::Respond(Reply::error(self.status, message))
    }
}

fn within(networks: &[IpNet], ip: IpAddr) -> bool {
    networks.iter().any(|net| net.contains(&ip))
}

fn forbidden() -> u16 {
    403
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, check_problems};
    use crate::{Body, Reply};

    fn check(options: &str, ip: &str, expected: Option<(u16, &str)>) {
        let mut bench = Bench::new(&format!("[plugins.ip-restriction]\n{options}"));
        let reply = bench.ask("/", &[], ip);
        let said = reply.as_ref().map(|reply: &Reply| match &reply.body {
            Body::Message(message) => (reply.status.as_u16(), message.as_ref()),
            Body::Json(_) | Body::Typed { .. } | Body::Nothing => (0, ""),
        });
        assert_eq!(said, expected, "{options} {ip}");
    }

    #[test]
    fn an_address_is_let_in_or_not() {
        let allow = "allow = [\"192.0.2.0/24\", \"2001:db8::1\"]";
        check(allow, "192.0.2.7", None);
        check(allow, "2001:db8::1", None);
        check(allow, "2001:db8::2", Some((403, "IP address not allowed: 2001:db8::2")));
        check("deny = [\"192.0.2.7\"]", "192.0.2.8", None);
        let both = "allow = [\"192.0.2.0/24\"]\ndeny = [\"192.0.2.7\"]\nstatus = 404\nmessage = \"gone\"";
        check(both, "192.0.2.8", None);
        check(both, "192.0.2.7", Some((404, "gone")));
        check(both, "198.51.100.1", Some((404, "gone")));
    }

    #[test]
    fn options_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.ip-restriction]\n{text}"), expected);
        check("", &["at least one of"]);
        check("allow = [\"192.0.2.0/24\", \"10.0.0/8\"]\nstatus = 99", &["allow[1]", "status"]);
    }
}
