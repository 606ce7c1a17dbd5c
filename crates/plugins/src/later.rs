//! Options that Kong has and Sluice does not: an unknown key that says so, instead of a guess at what was meant.

use sluice_config::{Block, KeyPath, Problem};

/// Rewrites what is said of keys that are known to be missing here: not available yet, or never, and why.
pub(crate) fn explain(problems: Vec<Problem>, block: &Block, later: &[&str], never: &[(&str, &str)]) -> Vec<Problem> {
    let rewrite = |problem: Problem| {
        let is = |key: &str| problem.path.below(block.path()) == Some(KeyPath::of(key.split('.')));
        let message = if let Some(key) = later.iter().find(|key| is(key)) {
            format!("`{key}` is an option of Kong that is not available yet")
        } else if let Some((key, why)) = never.iter().find(|(key, _)| is(key)) {
            format!("`{key}` is an option of Kong without a meaning here: {why}")
        } else {
            return problem;
        };
        Problem::at_key(problem.path, message).help("take it out")
    };
    problems.into_iter().map(rewrite).collect()
}
