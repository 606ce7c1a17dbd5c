//! The word that was probably meant, by edit distance.

/// The candidate nearest to `word`, if one is near enough to be a slip of the fingers.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    candidates
        .into_iter()
        .map(|candidate| (candidate, (candidate.chars().count().max(3) / 3).min(3)))
        // Each character more or less is a slip of its own.
        .filter(|(candidate, slips)| candidate.chars().count().abs_diff(length) <= *slips)
        .map(|(candidate, slips)| (distance(&lower, &candidate.to_lowercase()), candidate, slips))
        .filter(|(distance, _, slips)| distance <= slips)
        .map(|(distance, candidate, _)| (distance, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// What to write instead: the word that was probably meant, or else all there are.
pub fn one_of<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    match did_you_mean(word, candidates.iter().copied()) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None if candidates.is_empty() => "there is none".to_owned(),
        None => format!("there is: {}", candidates.join(", ")),
    }
}

fn distance(a: &str, b: &str) -> usize {
    strsim::osa_distance(&a.replace('_', "-"), &b.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(did_you_mean(word, ["demo", "limit", "window_size", "rate-limiting-advanced"]), expected);
    }

    #[test]
    fn a_slip_is_recognised_and_a_different_word_is_not() {
        check("dmeo", Some("demo"));
        check("limt", Some("limit"));
        check("window-size", Some("window_size"));
        check("rate-limting-advanced", Some("rate-limiting-advanced"));
        check("payment", None);
    }
}
