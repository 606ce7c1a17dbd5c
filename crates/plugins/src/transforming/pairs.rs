//! Rules as they are written: names, and names with values behind a colon.

use sluice_config::Problem;

use super::Template;
use crate::plugin::BuildCx;

/// Names with values.
pub(crate) type Pairs = Vec<(String, Template)>;

/// What is done to things that have names and values.
#[derive(Default)]
pub(crate) struct Rules {
    pub remove: Vec<String>,
    pub rename: Vec<(String, String)>,
    pub replace: Pairs,
    pub add: Pairs,
    pub append: Pairs,
}

impl Rules {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty()
            && self.rename.is_empty()
            && self.replace.is_empty()
            && self.add.is_empty()
            && self.append.is_empty()
    }
}

/// Reads lists of rules, and notes what is wrong with them.
pub(crate) struct Reader<'r, 'c> {
    pub cx: &'r BuildCx<'c>,
    pub problems: &'r mut Vec<Problem>,
    /// Whether values are templates.
    pub templates: bool,
    /// What is wrong with a name, if anything is.
    pub check: fn(&str) -> Option<String>,
}

impl Reader<'_, '_> {
    /// The five lists of what stands under `kind`.
    pub fn rules(&mut self, kind: &str, [remove, rename, replace, add, append]: [&[String]; 5]) -> Rules {
        Rules {
            remove: self.names(&format!("remove.{kind}"), remove),
            rename: self.renames(&format!("rename.{kind}"), rename),
            replace: self.pairs(&format!("replace.{kind}"), replace),
            add: self.pairs(&format!("add.{kind}"), add),
            append: self.pairs(&format!("append.{kind}"), append),
        }
    }

    fn names(&mut self, key: &str, list: &[String]) -> Vec<String> {
        for (index, name) in list.iter().enumerate() {
            self.look_at(key, index, name);
        }
        list.to_vec()
    }

    fn renames(&mut self, key: &str, list: &[String]) -> Vec<(String, String)> {
        let pairs = self.parted(key, list);
        for (index, (_, to)) in pairs.iter().enumerate() {
            self.look_at(key, index, to);
        }
        pairs
    }

    fn pairs(&mut self, key: &str, list: &[String]) -> Pairs {
        let mut pairs = Vec::new();
        for (index, (name, value)) in self.parted(key, list).into_iter().enumerate() {
            let template = if self.templates { Template::read(&value) } else { Ok(Template::plain(value)) };
            match template {
                Ok(template) => pairs.push((name, template)),
                Err(why) => self.note(key, index, why),
            }
        }
        pairs
    }

    fn parted(&mut self, key: &str, list: &[String]) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        for (index, pair) in list.iter().enumerate() {
            match pair.split_once(':').filter(|(name, value)| !name.is_empty() && !value.is_empty()) {
                Some((name, value)) => {
                    self.look_at(key, index, name);
                    pairs.push((name.to_owned(), value.to_owned()));
                }
                None => self.note(key, index, format!("`{pair}` is no name and value with a colon between them")),
            }
        }
        pairs
    }

    fn look_at(&mut self, key: &str, index: usize, name: &str) {
        if let Some(why) = (self.check)(name) {
            self.note(key, index, why);
        }
    }

    fn note(&mut self, key: &str, index: usize, why: String) {
        let path = key.split('.').fold(self.cx.block.path().clone(), |path, key| path.key(key)).index(index);
        self.problems.push(Problem::at(path, why));
    }
}
