//! Rules on the arguments of a query, or of a form: what no rule is about stays as it was written.

use std::borrow::Cow;

use super::{Env, Rules, Template};

/// Arguments in their order.
pub(crate) struct Query<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Query<'q> {
    /// The arguments of this text: each by its name, and as it is written.
    pub fn read(text: &'q str) -> Self {
        let pieces = text.split('&').filter(|piece| !piece.is_empty());
        let named = |piece: &'q str| {
            let name = form_urlencoded::parse(piece.as_bytes()).next().map_or(Cow::Borrowed(""), |(name, _)| name);
            (name, Cow::Borrowed(piece))
        };
        Self(pieces.map(named).collect())
    }

    /// Applies the rules.
    pub fn apply(&mut self, rules: &Rules, env: &Env<'_>) {
        self.0.retain(|(name, _)| !rules.remove.iter().any(|gone| gone == name));
        for (from, to) in &rules.rename {
            self.rename(from, to);
        }
        for (name, template) in &rules.replace {
            if self.has(name)
                && let Some(value) = template.text(env)
            {
                let at = self.0.iter().position(|(known, _)| known == name).unwrap_or_default();
                self.0[at].1 = written(name, &value).into();
                let mut first = true;
                self.0.retain(|(known, _)| known != name || std::mem::take(&mut first));
            }
        }
        self.put(&rules.add, env, true);
        self.put(&rules.append, env, false);
    }

    fn put(&mut self, pairs: &[(String, Template)], env: &Env<'_>, only_new: bool) {
        for (name, template) in pairs {
            if only_new && self.has(name) {
                continue;
            }
            if let Some(value) = template.text(env) {
                self.0.push((name.clone().into(), written(name, &value).into()));
            }
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    fn rename(&mut self, from: &str, to: &str) {
        if !self.has(from) || from == to {
            return;
        }
        self.0.retain(|(name, _)| name != to);
        for (name, piece) in self.0.iter_mut().filter(|(name, _)| name == from) {
            let value = form_urlencoded::parse(piece.as_bytes()).next().map_or(String::new(), |(_, value)| value.into_owned());
            *piece = written(to, &value).into();
            *name = to.to_owned().into();
        }
    }

    /// The text of all of them.
    pub fn text(&self) -> String {
        self.0.iter().map(|(_, piece)| piece.as_ref()).collect::<Vec<_>>().join("&")
    }
}

fn written(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Memory;
    use http::HeaderMap;

    #[test]
    fn rules_change_what_they_are_about_and_leave_the_rest_as_it_is() {
        let plain = |name: &str, value: &str| (name.to_owned(), Template::plain(value.to_owned()));
        let rules = Rules {
            remove: vec!["gone".into()],
            rename: vec![("old".into(), "new".into())],
            replace: vec![plain("b", "x y"), plain("none", "1")],
            add: vec![plain("a", "no"), plain("added", "&")],
            append: vec![plain("a", "2")],
        };
        let memory = Memory::default();
        let env = Env { headers: &HeaderMap::new(), query: "", memory: &memory };
        let mut query = Query::read("a=%7e&gone&b=1&old=%20&b=2&flag&g%6fne=1");
        query.apply(&rules, &env);
        assert_eq!(query.text(), "a=%7e&b=x+y&new=+&flag&added=%26&a=2");
    }
}
