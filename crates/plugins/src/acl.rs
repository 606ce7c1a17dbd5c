//! Plugin `acl`: which consumers may call, by the groups that they are in.
//!
//! What becomes of a consumer follows from the configuration alone, so it is decided when that is read.

use std::collections::HashMap;

use http::StatusCode;
use http::header::HeaderValue;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sluice_config::{Block, Problem, Segment, options_schema};
use uuid::Uuid;

use crate::client::Consumer;
use crate::cx::Cx;
use crate::plugin::{BuildCx, Configured, CredentialKind, Flow, Phases, Plugin};
use crate::reply::Reply;

/// The plugin.
pub struct Acl {
    /// Who may call, and the groups that the upstream is told.
    admitted: HashMap<Uuid, Option<HeaderValue>>,
}

/// Options of `acl`, as Kong's.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct Options {
    /// Groups whose consumers may call, and no others.
    allow: Vec<String>,
    /// Groups whose consumers may not call.
    deny: Vec<String>,
    /// Whether the upstream is told no groups.
    hide_groups_header: bool,
    /// Whether groups are those of `[consumer_groups]` as well.
    include_consumer_groups: bool,
}

/// A consumer's place in a group.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credential {
    /// The group.
    #[schemars(regex(pattern = "^[^,]+$"))]
    group: String,
    /// Its id, if it is not to follow from its place.
    #[serde(rename = "id")]
    _id: Option<Uuid>,
    /// Its tags.
    #[serde(rename = "tags", default)]
    _tags: Vec<String>,
}

static ACLS: CredentialKind =
    CredentialKind { list: "acls", table: "acls", schema: options_schema::<Credential>, check: check_credential };

impl Configured for Acl {
    const NAME: &'static str = "acl";
    const SUMMARY: &'static str = "Lets consumers call by the groups that they are in, or not";
    const PRIORITY: u32 = 950;
    const PHASES: Phases = Phases { request: true, ..Phases::NONE };
    const CONSUMER_SCOPE: bool = false;
    const CREDENTIAL: Option<&'static CredentialKind> = Some(&ACLS);
    const NEVER: &'static [(&'static str, &'static str)] =
        &[("always_use_authenticated_groups", "no plugin that is here brings groups from elsewhere")];
    type Options = Options;

    fn build(options: Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>> {
        match (options.allow.is_empty(), options.deny.is_empty()) {
            (true, true) => return Err(vec![cx.block.problem("one of `allow` and `deny` must be set")]),
            (false, false) => return Err(vec![cx.block.problem("only one of `allow` and `deny` may be set")]),
            _ => {}
        }
        let admitted = cx.consumers.iter().filter_map(|consumer| {
            let groups = options.groups_of(consumer, cx);
            let within = |list: &[String]| groups.iter().any(|group| list.contains(group));
            let admitted = if options.deny.is_empty() { within(&options.allow) } else { !within(&options.deny) };
            let told = || Some(groups.join(", ")).filter(|groups| !options.hide_groups_header && !groups.is_empty());
            admitted.then(|| (consumer.id, told().and_then(|groups| HeaderValue::try_from(groups).ok())))
        });
        Ok(Self { admitted: admitted.collect() })
    }
}

/// The groups that consumers are in by `acls`.
struct Groups(HashMap<Uuid, Vec<String>>);

impl Groups {
    fn written(cx: &BuildCx<'_>) -> Self {
        let mut all: HashMap<Uuid, Vec<String>> = HashMap::new();
        for (block, owner) in cx.consumers.credentials(ACLS.list) {
            all.entry(owner.id).or_default().extend(block.read::<Credential>().ok().map(|credential| credential.group));
        }
        Self(all)
    }
}

impl Options {
    /// The groups of a consumer, in the order of the file.
    fn groups_of(&self, consumer: &Consumer, cx: &BuildCx<'_>) -> Vec<String> {
        let written = cx.consumers.shared(|| Groups::written(cx));
        let mut groups = written.0.get(&consumer.id).cloned().unwrap_or_default();
        if self.include_consumer_groups {
            groups.extend(consumer.groups.iter().filter(|group| !groups.contains(group)).cloned().collect::<Vec<_>>());
        }
        groups
    }
}

/// A consumer is in a group once.
fn check_credential(block: &Block) -> Result<String, Vec<Problem>> {
    let credential = block.read::<Credential>()?;
    if credential.group.is_empty() || credential.group.contains(',') {
        return Err(vec![block.problem_at("group", "must be a name without a comma, which parts it from the next")]);
    }
    let consumer =
        block.path().0.iter().filter_map(|segment| if let Segment::Key(key) = segment { Some(key) } else { None }).nth(1);
    Ok(format!("{} {:?}", credential.group, consumer))
}

impl Plugin for Acl {
    fn on_request(&self, cx: &mut Cx<'_>) -> Flow {
        let Some(consumer) = &cx.memory.consumer else {
            return Flow::Respond(Reply::error(StatusCode::UNAUTHORIZED, "Unauthorized"));
        };
        match self.admitted.get(&consumer.id) {
            Some(groups) => {
                cx.memory.groups.clone_from(groups);
                Flow::Continue
            }
            None => Flow::Respond(Reply::error(StatusCode::FORBIDDEN, "You cannot consume this service")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, check_problems};

    const TEXT: &str = "[consumers.Joe]\nacls = [{ group = \"a\" }, { group = \"b\" }]\ngroups = [\"gold\"]\n[consumers.Ann]\n[consumer_groups.gold]\n";

    fn check(options: &str, consumer: Option<&str>, expected: Result<&str, u16>) {
        let mut bench = Bench::new(&format!("{TEXT}[plugins.acl]\n{options}"));
        consumer.into_iter().for_each(|name| bench.identify(name, "c"));
        let refused = bench.ask("/", &[], "192.0.2.1").map(|reply| reply.status.as_u16());
        let groups = bench.memory.groups.as_ref().and_then(|groups| groups.to_str().ok()).unwrap_or_default();
        assert_eq!(refused.map_or(Ok(groups), Err), expected, "{options} {consumer:?}");
    }

    #[test]
    fn groups_let_consumers_in_or_keep_them_out() {
        check("allow = [\"b\", \"c\"]", Some("Joe"), Ok("a, b"));
        check("allow = [\"b\"]", Some("Ann"), Err(403));
        check("allow = [\"b\"]", None, Err(401));
        check("allow = [\"B\"]", Some("Joe"), Err(403));
        check("deny = [\"b\"]", Some("Joe"), Err(403));
        check("deny = [\"b\"]", Some("Ann"), Ok(""));
        check("deny = [\"b\"]", None, Err(401));
        check("allow = [\"b\"]\nhide_groups_header = true", Some("Joe"), Ok(""));
        check("allow = [\"gold\"]", Some("Joe"), Err(403));
        check("allow = [\"gold\"]\ninclude_consumer_groups = true", Some("Joe"), Ok("a, b, gold"));
    }

    #[test]
    fn options_and_groups_that_make_no_sense_are_refused_by_name() {
        let check = |text: &str, expected: &[&str]| check_problems(&format!("[plugins.acl]\n{text}"), expected);
        check("", &["one of"]);
        check("allow = [\"a\"]\ndeny = [\"b\"]", &["only one"]);
        check("allow = [\"a\"]\nalways_use_authenticated_groups = true", &["without a meaning here"]);
        let twice = "allow = [\"a\"]\n[consumers.A]\nacls = [{ group = \"a\" }, { group = \"a\" }]\n[consumers.B]\nacls = [{ group = \"a\" }]";
        check(twice, &["already"]);
    }
}
