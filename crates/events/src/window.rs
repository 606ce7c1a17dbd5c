//! A window's length under the name that Kong gives it.

use serde::{Serialize, Serializer};

/// The length of a limit's window, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window(pub u64);

/// Kong's names for the usual lengths.
const NAMES: &[(u64, &str)] =
    &[(1, "Second"), (60, "Minute"), (3_600, "Hour"), (86_400, "Day"), (2_592_000, "Month"), (31_536_000, "Year")];

impl Window {
    /// The name of the window in a header: `Minute`, or the number of seconds where there is no name.
    pub fn header_name(self) -> String {
        self.name().map_or_else(|| self.0.to_string(), str::to_owned)
    }

    /// The name of the window in a policy: `minute`, or the number of seconds.
    pub fn label(self) -> String {
        self.header_name().to_ascii_lowercase()
    }

    fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(seconds, _)| *seconds == self.0).map(|(_, name)| *name)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            Some(name) => serializer.serialize_str(&name.to_ascii_lowercase()),
            None => serializer.serialize_u64(self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_lengths_have_kongs_names() {
        let check = |seconds, header: &str, json: &str| {
            assert_eq!(Window(seconds).header_name(), header);
            assert_eq!(serde_json::to_string(&Window(seconds)).expect("a window is JSON"), json);
        };
        check(60, "Minute", "\"minute\"");
        check(2_592_000, "Month", "\"month\"");
        check(30, "30", "30");
    }
}
