//! Options that Kong has and Sluice does not yet: an unknown key that says so, instead of a guess at what was meant.

use sluice_config::{Block, KeyPath, Problem};

/// Rewrites what is said of keys that are known to be missing here.
pub(crate) fn explain(problems: Vec<Problem>, block: &Block, later: &[&str]) -> Vec<Problem> {
    problems
        .into_iter()
        .map(|problem| match later.iter().find(|key| problem.path.below(block.path()) == Some(KeyPath::of([**key]))) {
            Some(key) => Problem::at_key(problem.path, format!("`{key}` is an option of Kong that is not available yet"))
                .help("take it out"),
            None => problem,
        })
        .collect()
}
