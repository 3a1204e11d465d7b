//! The words for the statements of a commit. Each runs once for all of its rows, which come as one array for each column.

use std::borrow::Cow;

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::store::sql::batch::{Rows, Statement, Value};
use crate::store::sql::error::SqlError;

use self::Kind::{Id, Integer, Raw, Text};
use super::row::kept;

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Text,
    /// A text of somebody else, which stands there as it is.
    Raw,
    Id,
}

/// What is done with the rows.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// They are new in this table.
    Add(&'static str),
    /// They are new, unless they are there already.
    KeepFirst(&'static str),
    /// They are there afterwards; so many columns are the key.
    Keep(&'static str, usize),
    /// They are there, and found by their first column.
    Change(&'static str),
    /// They are gone.
    Drop(&'static str),
    /// In words of its own, about a table `given`.
    Own(&'static str),
}

type Columns = &'static [(&'static str, Kind)];

/// The columns of the rows, and what is done with them.
const fn of(statement: Statement) -> (Columns, Form) {
    match statement {
        Statement::CreateTask => (&[("number", Integer), ("id", Id), ("agent", Text), ("type", Text), ("stack", Text), ("container", Text), ("generation", Integer), ("status", Text), ("order_at", Integer), ("ready_at", Integer), ("created_at", Integer), ("settled_at", Integer), ("attempt", Integer), ("retry_count", Integer), ("claim_id", Id), ("state", Text)], Form::Add("task")),
        Statement::CreateSpec => (&[("number", Integer), ("spec", Text)], Form::Add("task_spec")),
        Statement::ChangeTask => (&[("number", Integer), ("status", Text), ("order_at", Integer), ("ready_at", Integer), ("settled_at", Integer), ("attempt", Integer), ("retry_count", Integer), ("claim_id", Id), ("state", Text)], Form::Change("task")),
        Statement::HoldTask => (&[("number", Integer), ("status", Text), ("attempt", Integer), ("retry_count", Integer), ("claim_id", Id), ("state", Text)], Form::Change("task")),
        Statement::KeepUnreadable => (&[("number", Integer), ("error", Text), ("found_at", Integer)], Form::Own("
            INSERT INTO unreadable (number, state, error, found_at)
            SELECT task.number, task.state, given.error, given.found_at FROM given JOIN task ON task.number = given.number
            ON CONFLICT (number) DO UPDATE
            SET state = excluded.state, error = excluded.error, found_at = excluded.found_at")),
        Statement::KeepAttempt => (&[("task", Integer), ("attempt", Integer), ("record", Text), ("report", Text)], Form::Keep("attempt", 2)),
        Statement::KeepDependency => (&[("dependency", Id), ("dependant", Id)], Form::KeepFirst("dependency")),
        Statement::KeepKey => (&[("key", Text), ("task", Id)], Form::Add("idempotency")),
        Statement::KeepRecord => (&[("kind", Text), ("name", Text), ("version", Integer), ("body", Text), ("updated_at", Integer)], Form::Keep("record", 2)),
        Statement::DropRecord => (&[("kind", Text), ("name", Text)], Form::Drop("record")),
        Statement::KeepHost => (&[("id", Text), ("session", Text)], Form::Keep("host", 1)),
        Statement::KeepInventory => (&[("host", Text), ("engine", Text), ("instances", Text)], Form::Keep("inventory", 1)),
        Statement::KeepEnded => (&[("agent", Text), ("session", Id), ("ended_at", Integer)], Form::KeepFirst("ended_session")),
        Statement::DropEnded => (&[("agent", Text), ("session", Id)], Form::Drop("ended_session")),
        Statement::KeepGeneration => (&[("stack", Text), ("newest", Integer), ("since", Integer)], Form::Keep("generation", 1)),
        Statement::DropGeneration => (&[("stack", Text)], Form::Drop("generation")),
        Statement::KeepCounter => (&[("kind", Text), ("name", Text), ("value", Integer)], Form::Keep("counter", 2)),
        Statement::AppendEvent => (&[("seq", Integer), ("type", Text), ("at", Integer), ("task", Id), ("stack", Text), ("agent", Text), ("actor", Text), ("data", Text)], Form::Add("event")),
        Statement::TakeLetter => (&[("key", Raw)], Form::Drop("inbox")),
        Statement::RefuseLetter => (&[("key", Raw), ("json", Raw), ("error", Text), ("refused_at", Integer)], Form::Keep("inbox_refused", 1)),
        Statement::KeepEpoch => (&[("epoch", Integer), ("base", Integer), ("restored", Text)], Form::Own("
            UPDATE store SET epoch = given.epoch, base = given.base, restored = given.restored, copied_at = NULL FROM given")),
        Statement::DropTask => (&[("number", Integer)], Form::Drop("task")),
        Statement::DropSpec => (&[("number", Integer)], Form::Drop("task_spec")),
        Statement::DropAttempts => (&[("task", Integer)], Form::Drop("attempt")),
        Statement::DropDependency => (&[("dependency", Id), ("dependant", Id)], Form::Drop("dependency")),
        Statement::DropUnreadable => (&[("number", Integer)], Form::Drop("unreadable")),
        Statement::DropDependencies => (&[("dependant", Id)], Form::Drop("dependency")),
        Statement::DropKeys => (&[("task", Id)], Form::Drop("idempotency")),
        Statement::DropKey => (&[("key", Text)], Form::Drop("idempotency")),
        Statement::DropListing => (&[("field", Text), ("value", Text), ("number", Integer)], Form::Drop("listing")),
        Statement::DropEvents => (&[("seq", Integer)], Form::Own("DELETE FROM event WHERE seq <= (SELECT max(seq) FROM given)")),
        Statement::AnswerCall => (&[("id", Id), ("answer", Text)], Form::Change("call")),
        Statement::DropCounter => (&[("kind", Text), ("name", Text)], Form::Drop("counter")),
    }
}

/// What PostgreSQL is asked.
pub(super) fn words(statement: Statement) -> String {
    let (columns, form) = of(statement);
    let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
    let arrays: Vec<_> =
        columns.iter().enumerate().map(|(at, (_, kind))| format!("${}::{}[]", at + 1, kind.name())).collect();
    let (list, rows) = (names.join(", "), format!("unnest({}) AS given ({})", arrays.join(", "), names.join(", ")));
    let set = |names: &[&str], from: &str| {
        let pairs: Vec<_> = names.iter().map(|name| format!("{name} = {from}.{name}")).collect();
        pairs.join(", ")
    };
    match form {
        Form::Add(table) => format!("INSERT INTO {table} ({list}) SELECT {list} FROM {rows}"),
        Form::KeepFirst(table) => {
            format!("INSERT INTO {table} ({list}) SELECT {list} FROM {rows} ON CONFLICT DO NOTHING")
        }
        Form::Keep(table, key) => {
            let (key, rest) = names.split_at(key);
            let (key, set) = (key.join(", "), set(rest, "excluded"));
            format!("INSERT INTO {table} ({list}) SELECT {list} FROM {rows} ON CONFLICT ({key}) DO UPDATE SET {set}")
        }
        Form::Change(table) => {
            let set = set(names.get(1..).unwrap_or_default(), "given");
            let key = names.first().copied().unwrap_or_default();
            format!("UPDATE {table} SET {set} FROM {rows} WHERE {table}.{key} = given.{key}")
        }
        Form::Drop(table) => {
            let same: Vec<_> = names.iter().map(|name| format!("{table}.{name} = given.{name}")).collect();
            format!("DELETE FROM {table} USING {rows} WHERE {}", same.join(" AND "))
        }
        Form::Own(words) => format!("WITH given AS (SELECT * FROM {rows}) {}", words.trim_start()),
    }
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Integer => "bigint",
            Text | Raw => "text",
            Id => "uuid",
        }
    }
}

/// The types of the arrays of a statement.
pub(super) fn types(statement: Statement) -> Vec<Type> {
    let array = |(_, kind): &(&str, Kind)| match kind {
        Integer => Type::INT8_ARRAY,
        Text | Raw => Type::TEXT_ARRAY,
        Id => Type::UUID_ARRAY,
    };
    of(statement).0.iter().map(array).collect()
}

/// A value that is of another type than its column.
#[derive(Debug)]
struct Mistaken;

/// One array for each column of these rows.
pub(super) fn arrays(rows: &Rows) -> Result<Vec<Array<'_>>, SqlError> {
    let columns = of(rows.statement).0.iter().enumerate();
    let array = |(at, (name, kind)): (usize, &(&'static str, Kind))| {
        let array = array(rows.iter().filter_map(|row| row.get(at)), *kind);
        array.map_err(|Mistaken| {
            SqlError::corrupt(format!("column {name} of {:?}", rows.statement), "a value of another type")
        })
    };
    columns.map(array).collect()
}

/// The values of a column.
pub(super) type Array<'a> = Box<dyn ToSql + Sync + Send + 'a>;

fn array<'a>(values: impl Iterator<Item = &'a Value>, kind: Kind) -> Result<Array<'a>, Mistaken> {
    Ok(match kind {
        Integer => Box::new(values.map(integer).collect::<Result<Vec<_>, _>>()?),
        Raw => Box::new(values.map(raw).collect::<Result<Vec<_>, _>>()?),
        Text => Box::new(values.map(text).collect::<Result<Vec<_>, _>>()?),
        Id => Box::new(values.map(id).collect::<Result<Vec<_>, _>>()?),
    })
}

fn integer(value: &Value) -> Result<Option<i64>, Mistaken> {
    match value {
        Value::Integer(number) => Ok(Some(*number)),
        Value::Null => Ok(None),
        Value::Text(_) | Value::Id(_) => Err(Mistaken),
    }
}

fn text(value: &Value) -> Result<Option<Cow<'_, str>>, Mistaken> {
    match value {
        Value::Text(text) => Ok(Some(kept(text))),
        Value::Null => Ok(None),
        Value::Integer(_) | Value::Id(_) => Err(Mistaken),
    }
}

fn raw(value: &Value) -> Result<Option<&str>, Mistaken> {
    match value {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        Value::Integer(_) | Value::Id(_) => Err(Mistaken),
    }
}

fn id(value: &Value) -> Result<Option<Uuid>, Mistaken> {
    match value {
        Value::Id(id) => Ok(Some(*id)),
        Value::Null => Ok(None),
        Value::Integer(_) | Value::Text(_) => Err(Mistaken),
    }
}
