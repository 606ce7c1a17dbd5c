//! Looks in: records for people, and what is to be replayed. It reads beside the writer and stops nobody.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, ToSql};
use serde_json::Value;
use uuid::Uuid;

use super::change::State;
use super::database::{KEPT, Kept, signed, unsigned};
use super::schema;
use crate::job::first_seq_at;
use crate::record::{Record, Reference};

/// Which deliveries are wanted.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Of this hook only.
    pub hook: Option<Uuid>,
    /// `waiting`, `delivered` or `dead` only.
    pub state: Option<&'static str>,
    /// Taken in at this time (in Unix milliseconds) or later.
    pub since: Option<u64>,
    /// Taken in before this time.
    pub until: Option<u64>,
    /// Before this place: the next page.
    pub before: Option<u64>,
    /// So many at most, the newest first.
    pub limit: usize,
}

impl Wanted {
    /// The states that one can ask for.
    pub fn states() -> impl Iterator<Item = &'static str> {
        State::ALL.iter().map(|state| state.name())
    }

    /// What follows `FROM deliveries`, and its values.
    fn sql(&self) -> (String, Vec<Box<dyn ToSql>>) {
        let mut terms = vec!["1".to_owned()];
        let mut values: Vec<Box<dyn ToSql>> = Vec::new();
        let mut term = |sql: &str, value: Box<dyn ToSql>| {
            values.push(value);
            terms.push(format!("{sql} ?{}", values.len()));
        };
        if let Some(hook) = self.hook {
            term("hook =", Box::new(*hook.as_bytes()));
        }
        if let Some(state) = State::ALL.iter().find(|state| Some(state.name()) == self.state) {
            term("state =", Box::new(*state as u8));
        }
        if let Some(since) = self.since {
            term("seq >=", Box::new(signed(first_seq_at(since))));
        }
        let until = self.until.map(first_seq_at).into_iter().chain(self.before).min();
        if let Some(before) = until {
            term("seq <", Box::new(signed(before)));
        }
        (format!("WHERE {} ORDER BY seq DESC LIMIT {}", terms.join(" AND "), self.limit), values)
    }
}

const RECORD: &str = "id, hook, source, event, state, count, first_at, last_at, attempts, due_at, ended_at, tries, answer, seq";

/// The records that are wanted, without their data.
pub(crate) fn page(dir: &Path, wanted: &Wanted) -> rusqlite::Result<Vec<Record>> {
    let (rest, values) = wanted.sql();
    let database = schema::look_in(dir)?;
    let mut select = database.prepare(&format!("SELECT {RECORD}, NULL FROM deliveries {rest}"))?;
    select.query_map(rusqlite::params_from_iter(values), record)?.collect()
}

/// The record at this place.
pub(crate) fn one(dir: &Path, seq: u64) -> rusqlite::Result<Option<Record>> {
    let sql = format!("SELECT {RECORD}, data FROM deliveries WHERE seq = ?1");
    schema::look_in(dir)?.query_row(&sql, [signed(seq)], record).optional()
}

/// What is wanted, to be delivered again; the oldest first.
pub(crate) fn to_replay(dir: &Path, wanted: &Wanted) -> rusqlite::Result<Vec<Kept>> {
    let (rest, values) = wanted.sql();
    let database = schema::look_in(dir)?;
    let mut select = database.prepare(&format!("SELECT {KEPT} FROM deliveries {rest}"))?;
    let mut all: Vec<Kept> = select.query_map(rusqlite::params_from_iter(values), Kept::read)?.collect::<Result<_, _>>()?;
    all.reverse();
    Ok(all)
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let number = |at: usize| row.get::<_, i64>(at).map(unsigned);
    let time = |at: usize| row.get::<_, Option<i64>>(at).map(|time| time.map(unsigned));
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    let state: u8 = row.get(4)?;
    let tries: Option<String> = row.get(11)?;
    Ok(Record {
        id: row.get(0)?,
        event_hook: Reference { id: Uuid::from_bytes(row.get(1)?) },
        source: row.get(2)?,
        event: row.get(3)?,
        state: State::ALL.iter().find(|one| **one as u8 == state).map_or("unknown", |state| state.name()),
        count: number(5)?,
        first_at: number(6)?,
        last_at: number(7)?,
        attempts: row.get(8)?,
        next_attempt_at: time(9)?,
        ended_at: time(10)?,
        tries: json(Some(format!("[{}]", tries.unwrap_or_default()))).unwrap_or_default(),
        response: json(row.get(12)?).unwrap_or(Value::Null),
        data: json(row.get(14)?),
        seq: number(13)?,
    })
}
