//! Which of many entries takes a request: a tree that leaves out, at every step, what a part of the request rules out.
//!
//! First by host, then by path; what is still many then, by whichever of the other conditions parts it best. Entries are
//! numbers here, their ranks: the smallest that takes the request is the one, so whatever cannot be smaller than what was
//! found is not looked at.

use std::collections::{BTreeMap, HashSet};

use sluice_config::{AnyOf, Pattern};

use super::entry::{Beginning, Entry};
use super::hosts::Hosts;
use super::parts::{Parts, Used};
use super::prefixes::Prefixes;
use super::split::Split;
use super::{Match, Target};

/// So many are tried one after the other.
const FEW: usize = 4;
/// How many regular expressions are asked at once whether any of them matches.
const GATE: usize = 128;

/// Entries among which one is chosen.
pub(super) struct Choice {
    /// The smallest of them.
    first: u32,
    among: Among,
}

enum Among {
    /// These, one after the other.
    Listed(Box<[u32]>),
    /// Those that the split leaves, and those that it knows nothing of.
    Parted(Box<(Split, Choice)>),
}

/// A search under way.
pub(super) struct Search<'a> {
    pub entries: &'a [Entry],
    pub target: &'a Target<'a>,
    best: u32,
    prefix: Option<usize>,
}

impl<'a> Search<'a> {
    pub fn new(entries: &'a [Entry], target: &'a Target<'a>) -> Self {
        Self { entries, target, best: u32::MAX, prefix: None }
    }

    pub fn found(&self) -> Option<Match> {
        let entry = self.entries.get(self.best as usize)?;
        Some(Match { route: entry.route, prefix: self.prefix, entry: self.best })
    }
}

impl Choice {
    /// Looks for an entry that is better than what the search has.
    pub fn search(&self, search: &mut Search<'_>) {
        if self.first >= search.best {
            return;
        }
        match &self.among {
            Among::Listed(list) => {
                for at in list.iter().take_while(|at| **at < search.best) {
                    if let Some(prefix) = search.entries[*at as usize].takes(search.target) {
                        (search.best, search.prefix) = (*at, prefix);
                        return;
                    }
                }
            }
            Among::Parted(parted) => {
                let (split, others) = &**parted;
                split.search(search);
                others.search(search);
            }
        }
    }

    fn listed(list: Vec<u32>) -> Self {
        Self { first: list.first().copied().unwrap_or(u32::MAX), among: Among::Listed(list.into()) }
    }

    fn parted(all: &[u32], split: Split, others: Choice) -> Self {
        Self { first: all.first().copied().unwrap_or(u32::MAX), among: Among::Parted(Box::new((split, others))) }
    }
}

/// The tree of these entries, which are sorted by their ranks.
pub(super) fn tree(entries: &[Entry]) -> Choice {
    let all: Vec<u32> = (0..entries.len() as u32).collect();
    let (with, without): (Vec<u32>, Vec<u32>) = all.iter().partition(|at| !entries[**at as usize].hosts.is_empty());
    let others = by_path(entries, &without);
    if with.is_empty() {
        return others;
    }
    Choice::parted(&all, Split::Host(Hosts::new(entries, &with, |list| by_path(entries, &list))), others)
}

/// Entries of one host by what their paths begin with.
fn by_path(entries: &[Entry], list: &[u32]) -> Choice {
    let mut groups: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
    let mut others = Vec::new();
    for at in list {
        match &entries[*at as usize].beginning {
            Beginning::Anything => others.push(*at),
            Beginning::Plain(prefix) => groups.entry(prefix.clone().into_bytes()).or_default().push(*at),
            Beginning::Regex(_, pattern) => {
                pattern.beginnings().iter().for_each(|literal| groups.entry(literal.clone()).or_default().push(*at));
            }
        }
    }
    let others = narrow(entries, others, Used::default());
    if groups.is_empty() {
        return others;
    }
    let groups = groups.into_iter().map(|(prefix, part)| (prefix, narrow(entries, part, Used::default()))).collect();
    Choice::parted(list, Split::Path(Prefixes::new(groups)), others)
}

/// Entries of one host and one path by whatever parts them best, if they are many.
fn narrow(entries: &[Entry], mut list: Vec<u32>, used: Used) -> Choice {
    if list.len() > FEW {
        drop_what_never_has_its_turn(entries, &mut list);
    }
    if !used.gate
        && let Some(choice) = gated(entries, &list, &used)
    {
        return choice;
    }
    if list.len() <= FEW {
        return Choice::listed(list);
    }
    match Parts::best(entries, &list, &used) {
        Some(mut parts) => {
            let others = narrow(entries, std::mem::take(&mut parts.others), used);
            let split = Split::new(parts, |part, used| narrow(entries, part, used));
            Choice::parted(&list, split, others)
        }
        None => Choice::listed(list),
    }
}

/// Regular expressions behind a table that tells whether any of them matches, which costs less than to ask one. One that is
/// looked up by what it begins with mostly matches: it needs none by itself.
fn gated(entries: &[Entry], list: &[u32], used: &Used) -> Option<Choice> {
    let regex = |at: &u32| match &entries[*at as usize].beginning {
        Beginning::Regex(text, pattern) => Some((*at, (text.as_str(), pattern))),
        Beginning::Anything | Beginning::Plain(_) => None,
    };
    let (behind, regexes): (Vec<u32>, Vec<(&str, &Pattern)>) = list.iter().filter_map(regex).take(GATE).unzip();
    let begins_with_anything = |pattern: &Pattern| pattern.beginnings().iter().any(|beginning| beginning.len() <= 1);
    match regexes[..] {
        [] => return None,
        [(_, pattern)] if !begins_with_anything(pattern) => return None,
        _ => {}
    }
    let texts: Vec<&str> = regexes.iter().map(|(text, _)| *text).collect();
    let gate = AnyOf::new(&texts)?;
    let others = list.iter().copied().filter(|at| !behind.contains(at)).collect();
    let split = Split::Gate(gate, narrow(entries, behind, Used { gate: true, ..used.clone() }));
    Some(Choice::parted(list, split, narrow(entries, others, used.clone())))
}

/// Of entries for one host and one path that say the same of everything else, only the first can be found.
fn drop_what_never_has_its_turn(entries: &[Entry], list: &mut Vec<u32>) {
    let mut seen = HashSet::new();
    list.retain(|at| {
        let entry = &entries[*at as usize];
        let regex = match &entry.beginning {
            Beginning::Regex(text, _) => Some(text),
            Beginning::Anything | Beginning::Plain(_) => None,
        };
        seen.insert((regex, &entry.says))
    });
}
