//! The configuration as a whole: shown, tried, and replaced.

use std::sync::PoisonError;

use sluice_admin::{Difference, Plan, Planned, Refusal, Replaced, Told};
use sluice_config::{KeyPath, ProcessEnvironment, Source, masked};

use super::{Control, Origin, State, busy, waiting};
use crate::difference::differences;
use crate::write_back::replace_files;
use crate::{config_file, edit};

impl Control {
    /// The texts in force, with a mask in the place of every secret.
    pub fn masked(&self) -> String {
        let files = self.state.lock().unwrap_or_else(PoisonError::into_inner).files.clone();
        masked(files, &ProcessEnvironment)
    }

    /// What would become of entities if the main file said this.
    pub fn check(&self, text: &str) -> Result<Vec<Told>, Refusal> {
        let files = config_file::with_included(Source::new(&self.file, text));
        let prepared = self.prepare(files).map_err(|problems| Refusal::Invalid(problems, KeyPath::default()))?;
        Ok(differences(&self.config.load(), &prepared.config).iter().map(Difference::told).collect())
    }

    /// What would be wrong if a change of the Admin API were made.
    pub fn rehearse(&self, plan: &Plan) -> Result<(), Refusal> {
        let (files, config) = {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            (state.files.clone(), self.config())
        };
        let Planned { steps, at, .. } = plan(&config).map_err(Refusal::Unplanned)?;
        let files = edit::apply(&files, &steps)?;
        self.prepare(files).map(drop).map_err(|problems| Refusal::Invalid(problems, at))
    }

    /// Makes this what the main file says, and puts it into force.
    pub fn replace(&self, text: &str, expected: Option<&[u64]>) -> Result<Replaced, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let config = self.config();
        if !config.admin.write_back {
            return Err(Refusal::ReadOnly);
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.follow(&state.files);
        if !others.leave() {
            return Err(busy());
        }
        let version = self.status.load().version;
        let before = config_file::read_whole(&self.file);
        let edited = Some(&before) != state.files.first();
        if expected.is_some_and(|all| edited || !all.contains(&version)) {
            return Err(Refusal::Stale(version));
        }
        let files = config_file::with_included(Source::new(&self.file, text));
        if files == state.files && !edited {
            return Ok(Replaced { version, is_new: false, changes: Vec::new(), waiting_for_start: Vec::new() });
        }
        let prepared = self.prepare(files.clone()).map_err(|problems| Refusal::Invalid(problems, KeyPath::default()))?;
        let waiting_for_start = waiting(&config, &prepared.config);
        if !replace_files(&[before], &files[..1], &mut others).map_err(Refusal::File)? {
            return Err(busy());
        }
        self.swap(&mut state, State { files, refused: None }, prepared, Origin::Admin);
        let status = self.status.load();
        Ok(Replaced { version: status.version, is_new: true, changes: status.changes.clone(), waiting_for_start })
    }
}
