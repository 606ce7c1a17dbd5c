//! Sees that files of certificates were replaced: by a look at each, as often as that costs nothing.
//!
//! A file that is being written is waited for: what is new must look the same twice.

use std::collections::HashMap;
use std::path::PathBuf;

use sluice_config::Config;

use crate::watch::Look;

/// What the files looked like.
#[derive(Default)]
pub struct Renewal {
    in_force: HashMap<PathBuf, Look>,
    /// What they looked like last, if that was something new.
    unsettled: Option<HashMap<PathBuf, Look>>,
}

impl Renewal {
    /// Looks at the files of this configuration. True if they say something new, and have said so since the last look.
    pub fn look(&mut self, config: &Config) -> bool {
        let now: HashMap<PathBuf, Look> = config.certificate_files().map(|file| (file.to_owned(), Look::at(file))).collect();
        self.in_force.retain(|file, _| now.contains_key(file));
        for (file, look) in &now {
            // What was named just now was read just now.
            self.in_force.entry(file.clone()).or_insert_with(|| look.clone());
        }
        if now == self.in_force {
            self.unsettled = None;
            return false;
        }
        if self.unsettled.as_ref() != Some(&now) {
            self.unsettled = Some(now);
            return false;
        }
        self.unsettled = None;
        self.in_force = now;
        true
    }
}
