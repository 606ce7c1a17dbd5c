//! What a plugin is.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sluice_config::{Block, Problem, options_schema};
use sluice_events::Bus;

use crate::client::Consumers;
use crate::cx::{Cx, Memory, UpstreamRequest};
use crate::later::explain;
use crate::limiters::Limiters;
use crate::reply::Reply;

/// What becomes of a request after a plugin has seen it.
pub enum Flow {
    /// The next plugin is asked.
    Continue,
    /// The request ends here with this answer.
    Respond(Reply),
    /// The request waits, and then the same plugin is asked again with the same [`Memory`]. Nothing is spent until then;
    /// who stops waiting because the client is gone drops the memory, and that is all.
    Hold(Duration),
}

/// A plugin with its options, ready for requests. Every phase is optional.
pub trait Plugin: Send + Sync {
    /// Decides about a request, before anything goes to the upstream.
    fn on_request(&self, _cx: &mut Cx<'_>) -> Flow {
        Flow::Continue
    }

    /// Names of arguments of the query whose values nobody may read in a log.
    fn secret_arguments(&self) -> Vec<String> {
        Vec::new()
    }

    /// Changes the request that goes to the upstream.
    fn on_upstream_request(&self, _memory: &Memory, _request: &mut dyn UpstreamRequest) {}
}

/// In which phases a plugin has something to do; the others cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// [`Plugin::on_request`].
    pub request: bool,
    /// [`Plugin::on_upstream_request`].
    pub upstream_request: bool,
}

/// A plugin's type: its name, its options, how it is built.
pub trait Configured: Plugin + Sized + 'static {
    /// Its name, Kong's where Kong has one.
    const NAME: &'static str;
    /// One sentence for lists.
    const SUMMARY: &'static str;
    /// Kong's priority: the highest is asked first.
    const PRIORITY: u16;
    /// Where it has something to do.
    const PHASES: Phases;
    /// Whether it may stand under a consumer: what finds out who the consumer is may not.
    const CONSUMER_SCOPE: bool = true;
    /// What a consumer's credential for it holds.
    const CREDENTIAL: Option<CredentialKind> = None;
    /// Kong's options that are not available yet: refused by name.
    const LATER: &'static [&'static str] = &[];
    /// Kong's options that can mean nothing here, and why: refused by name.
    const NEVER: &'static [(&'static str, &'static str)] = &[];
    /// Its options as they stand in the file.
    type Options: DeserializeOwned + JsonSchema;

    /// Builds it, or says everything that is wrong with its options.
    fn build(options: Self::Options, cx: &BuildCx<'_>) -> Result<Self, Vec<Problem>>;
}

/// A credential's type.
#[derive(Clone, Copy)]
pub struct CredentialKind {
    /// Kong's name of the table that holds them.
    pub table: &'static str,
    /// The JSON Schema of one.
    pub schema: fn() -> Value,
    /// What is wrong with one, or the text by which it must be unique.
    pub check: fn(&Block) -> Result<String, Vec<Problem>>,
}

/// What a plugin may use when it is built.
pub struct BuildCx<'a> {
    /// Its options, for the place of a mistake.
    pub block: &'a Block,
    /// Who may call.
    pub consumers: &'a Consumers,
    /// Where it raises events.
    pub bus: &'a Arc<Bus>,
    /// Limiters that survive a reload.
    pub limiters: &'a Limiters,
}

/// Builds a plugin from its block, or says everything that is wrong with it.
pub(crate) type Build = fn(&BuildCx<'_>) -> Result<Arc<dyn Plugin>, Vec<Problem>>;

/// A registered plugin type.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The highest is asked first.
    pub priority: u16,
    /// Where it has something to do.
    pub phases: Phases,
    /// Whether it may stand under a consumer.
    pub consumer_scope: bool,
    /// What a consumer's credential for it holds.
    pub credential: Option<CredentialKind>,
    /// The JSON Schema of its options.
    pub schema: fn() -> Value,
    pub(crate) build: Build,
}

impl Kind {
    /// The kind of `P`.
    pub const fn of<P: Configured>() -> Self {
        Self {
            name: P::NAME,
            summary: P::SUMMARY,
            priority: P::PRIORITY,
            phases: P::PHASES,
            consumer_scope: P::CONSUMER_SCOPE,
            credential: P::CREDENTIAL,
            schema: options_schema::<P::Options>,
            build: |cx| {
                let built = cx.block.read_and_check(|options| P::build(options, cx));
                built
                    .map(|plugin| Arc::new(plugin) as Arc<dyn Plugin>)
                    .map_err(|problems| explain(problems, cx.block, P::LATER, P::NEVER))
            },
        }
    }
}
