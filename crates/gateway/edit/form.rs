//! Keeps what toml_edit does not: the ends of lines as Windows has them, and spaces in headers.

use std::borrow::Cow;

use similar::{Algorithm, DiffOp, capture_diff_slices};

/// The text after an edit, in which every line that the edit did not touch is as it was before. `as_printed` is the text
/// before, as the document prints it: line for line the same.
pub fn keep(before: &str, as_printed: &str, after: String) -> String {
    if before == as_printed {
        return after;
    }
    let [old, printed, new] = [before, as_printed, &after].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    if old.len() != printed.len() {
        return after;
    }
    let has_returns = old.iter().any(|line| line.ends_with("\r\n"));
    let mut kept = String::with_capacity(before.len().max(after.len()));
    for change in capture_diff_slices(Algorithm::Myers, &printed, &new) {
        if let DiffOp::Equal { old_index, len, .. } = change {
            kept.extend(old[old_index..old_index + len].iter().copied());
        } else {
            kept.extend(new[change.new_range()].iter().map(|line| end_of(line, has_returns)));
        }
    }
    kept
}

/// The line with the end that the others have.
fn end_of(line: &str, has_returns: bool) -> Cow<'_, str> {
    match line.strip_suffix('\n') {
        Some(text) if has_returns => Cow::Owned(format!("{}\r\n", text.trim_end_matches('\r'))),
        _ => Cow::Borrowed(line),
    }
}
