//! How a hook stands besides its configuration: at work, paused by somebody, or disabled because its deliveries fail.
//! The outbox keeps it, so that a restart changes nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// How a hook stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// Somebody paused it: what comes waits.
    pub paused: bool,
    /// It was disabled: nothing comes in any more.
    pub disabled: Option<Disabled>,
    /// Since when every try has failed, in Unix milliseconds.
    pub failing_since: Option<u64>,
    /// Of which version of the hook that is true; a changed one gets another chance.
    version: String,
}

/// Why and since when a hook is disabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Disabled {
    /// In Unix milliseconds.
    pub at: u64,
    pub reason: String,
}

impl Standing {
    /// A hook at work, of this version.
    pub fn of(fingerprint: &Value) -> Self {
        Self { version: version(fingerprint), ..Self::default() }
    }

    /// What of this is true of another version too: who paused it meant the hook.
    pub fn for_version(self, fingerprint: &Value) -> Self {
        let version = version(fingerprint);
        if self.version == version { self } else { Self { paused: self.paused, version, ..Self::default() } }
    }

    /// In a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self { disabled: Some(_), .. } => "disabled",
            Self { paused: true, .. } => "paused",
            _ => "active",
        }
    }
}

/// Secrets are part of a version, so it is kept as a hash.
fn version(fingerprint: &Value) -> String {
    hex::encode(&Sha256::digest(fingerprint.to_string())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_hook_gets_another_chance_but_stays_paused() {
        let (old, new) = (Value::from("old"), Value::from("new"));
        let disabled = Some(Disabled { at: 1, reason: "410".into() });
        let standing = Standing { paused: true, disabled, failing_since: Some(1), ..Standing::of(&old) };
        assert_eq!(standing.clone().for_version(&old), standing);
        assert_eq!(standing.name(), "disabled");
        let changed = standing.for_version(&new);
        assert_eq!(changed, Standing { paused: true, ..Standing::of(&new) });
        assert_eq!((changed.name(), Standing::of(&new).name()), ("paused", "active"));
    }
}
