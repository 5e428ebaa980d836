//! One of two databases: pages of rows out of it, pages of rows into it, in one transaction.
//!
//! Boundary: rows of cells; which tables there are is in `tables`. The work is done where it is
//! called, also what blocks: nothing else runs then.
//! Read first: [`Side`].   Tests: `tests/transfer.rs`

use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Connection, params_from_iter};
use tokio_postgres::types::Type;

use super::Location;
use super::tables::{Kind, Table};
use crate::cluster::Bond;
use crate::port::Error;
use crate::postgres::failure::{text_of, translate};
use crate::postgres::session::{Driver, Session, Value};
use crate::postgres::target::Target;
use crate::postgres::text::{decode, encode};
use crate::postgres::{self, Migrate, migrate};
use crate::sqlite::{self, failure, open};
use crate::stored::mark;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Number(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A database that nobody else uses, inside a transaction.
pub(super) enum Side {
    Sqlite { place: open::Place, connection: Connection },
    Postgres { place: String, session: Session },
}

/// What a transaction is for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wish {
    /// Everything in it is of one moment, and no server uses the directory.
    Read,
    /// Everything in it is of one moment; servers go on.
    Beside,
    /// Nothing may be there, and everything or nothing will be.
    Fill,
}

impl Side {
    pub(super) async fn open(location: &Location, wish: Wish) -> Result<Self, Error> {
        match location {
            Location::Directory(directory) if wish == Wish::Beside => {
                let place = open::Place::beside(directory)?;
                let connection = place.open_reader()?;
                let side = Self::Sqlite { place, connection };
                // The moment is that of the first read.
                side.run("BEGIN").await?;
                side.bond().await?;
                Ok(side)
            }
            Location::Directory(directory) => {
                let place = open::Place::claim(directory)?;
                if wish == Wish::Read {
                    let foreign = |detail| {
                        let place = directory.display().to_string();
                        Err(Error::Foreign { place, detail })
                    };
                    match place.format()? {
                        None => return foreign("there is no store in the directory".into()),
                        // Who reads changes nothing.
                        Some(found) if found < open::FORMAT => {
                            return foreign(format!(
                                "it has format {found}, this version needs {}: `pointsman store \
                                 migrate` makes it so",
                                open::FORMAT
                            ));
                        }
                        Some(_) => {}
                    }
                }
                let connection = place.open(&sqlite::Options::default())?;
                let side = Self::Sqlite { place, connection };
                side.run("BEGIN IMMEDIATE").await?;
                Ok(side)
            }
            Location::Postgres(options) => Self::open_postgres(options, wish).await,
        }
    }

    async fn open_postgres(options: &postgres::Options, wish: Wish) -> Result<Self, Error> {
        let roots = options.root_certificates.as_deref();
        let target = Target::new(&options.url, roots, options.pooling)?;
        let place = target.place.clone();
        let session = target
            .connect(Driver::default())
            .await
            .map_err(|error| translate("connect to", &place, &error))?;
        let migration = if wish == Wish::Fill { options.migrate } else { Migrate::Refuse };
        migrate::migrate(&session, &place, migration).await?;
        let side = Self::Postgres { place, session };
        match wish {
            Wish::Read | Wish::Beside => {
                side.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            }
            Wish::Fill => {
                side.run("BEGIN").await?;
                // No server can join before this is over.
                side.run("LOCK TABLE members, shards IN ACCESS EXCLUSIVE MODE").await?;
            }
        }
        Ok(side)
    }

    pub(super) fn place(&self) -> String {
        match self {
            Self::Sqlite { place, .. } => place.database().display().to_string(),
            Self::Postgres { place, .. } => place.clone(),
        }
    }

    /// Whether a server uses it: for a directory that was decided by its lock.
    pub(super) async fn is_in_use(&self) -> Result<bool, Error> {
        match self {
            Self::Sqlite { .. } => Ok(false),
            Self::Postgres { .. } => {
                let alive = "SELECT count(*) FROM members WHERE lease_until_ms > now_ms()";
                Ok(self.number(alive).await? > 0)
            }
        }
    }

    pub(super) async fn count(&self, table: &Table) -> Result<u64, Error> {
        let (name, only) = self.part(table);
        let sql = format!("SELECT count(*) FROM {name} WHERE {only}");
        Ok(self.number(&sql).await?.cast_unsigned())
    }

    /// How the store stands to a storage.
    pub(super) async fn bond(&self) -> Result<Option<Bond>, Error> {
        let sql = "SELECT revision FROM revisions WHERE name = 'storage'";
        let rows = self.rows(sql, &[], &[Kind::Bigint]).await?;
        let number = rows.first().and_then(|row| row.first()).and_then(Cell::number);
        Ok(number.map(Bond::of_number))
    }

    /// Says how the store stands to a storage.
    pub(super) async fn tie(&self, bond: Bond) -> Result<(), Error> {
        self.run(&format!(
            "DELETE FROM revisions WHERE name = 'storage';
            INSERT INTO revisions (name, revision) VALUES ('storage', {})",
            bond.to_number()
        ))
        .await
    }

    /// The values of a table that refer to objects.
    pub(super) async fn references(
        &self,
        table: &Table,
        column: usize,
    ) -> Result<Vec<Vec<Cell>>, Error> {
        let (name, only) = self.part(table);
        let (column, _) = table.columns[column];
        let place = self.places(1);
        let sql = format!(
            "SELECT {column} FROM {name} WHERE {only} AND substr({column}, 1, 2) = {place}"
        );
        let begin = Cell::Bytes(mark::BEGIN.to_vec());
        self.rows(&sql, &[(begin, Kind::Bytes)], &[Kind::Bytes]).await
    }

    /// Runs a statement without an answer.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Error> {
        match self {
            Self::Sqlite { place, connection } => connection
                .execute_batch(sql)
                .map_err(|error| failure::translate("write", place.database(), error)),
            Self::Postgres { place, session } => {
                session.batch(sql).await.map_err(|error| translate("write", place, &error))
            }
        }
    }

    /// The one number that a query answers.
    async fn number(&self, sql: &str) -> Result<i64, Error> {
        let rows = self.rows(sql, &[], &[Kind::Bigint]).await?;
        match rows.first().and_then(|row| row.first()) {
            Some(Cell::Number(number)) => Ok(*number),
            _ => Ok(0),
        }
    }

    /// The rows of a query whose columns are of these kinds.
    pub(super) async fn rows(
        &self,
        sql: &str,
        values: &[(Cell, Kind)],
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Cell>>, Error> {
        match self {
            Self::Sqlite { place, connection } => {
                let read = || {
                    let mut statement = connection.prepare_cached(sql)?;
                    let values = params_from_iter(values.iter().map(|(value, _)| value));
                    let mut rows = statement.query(values)?;
                    let mut found = Vec::new();
                    while let Some(row) = rows.next()? {
                        let cells = (0..kinds.len()).map(|at| Ok(Cell::of(row.get_ref(at)?)));
                        found.push(cells.collect::<rusqlite::Result<Vec<_>>>()?);
                    }
                    Ok(found)
                };
                read().map_err(|error| failure::translate("read", place.database(), error))
            }
            Self::Postgres { place, session } => {
                let values: Vec<_> = values.iter().map(|(cell, kind)| one(cell, *kind)).collect();
                let cannot = |error: tokio_postgres::Error| translate("read", place, &error);
                let rows = session.ask(sql, &values).await.map_err(cannot)?;
                rows.iter()
                    .map(|row| {
                        let cells = kinds.iter().enumerate();
                        cells.map(|(at, kind)| read(row, at, *kind)).collect()
                    })
                    .collect::<Result<_, _>>()
                    .map_err(cannot)
            }
        }
    }

    /// The next rows of a table behind one of them.
    pub(super) async fn page(
        &self,
        table: &Table,
        after: Option<&[Cell]>,
    ) -> Result<Vec<Vec<Cell>>, Error> {
        let (name, only) = self.part(table);
        let keys = table.names(table.keys);
        let behind = after
            .map_or(String::new(), |_| format!(" AND ({keys}) > ({})", self.places(table.keys)));
        let columns = table.names(table.columns.len());
        let sql = format!(
            "SELECT {columns} FROM {name} WHERE {only}{behind} ORDER BY {keys} LIMIT {}",
            table.page
        );
        let kinds: Vec<Kind> = table.columns.iter().map(|(_, kind)| *kind).collect();
        let values: Vec<_> = after
            .unwrap_or(&[])
            .iter()
            .take(table.keys)
            .cloned()
            .zip(kinds.iter().copied())
            .collect();
        self.rows(&sql, &values, &kinds).await
    }

    /// Adds rows to a table.
    pub(super) async fn add(&self, table: &Table, rows: &[Vec<Cell>]) -> Result<(), Error> {
        let columns = table.names(table.columns.len());
        let places = self.places(table.columns.len());
        match self {
            Self::Sqlite { place, connection } => {
                let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
                let write = || {
                    let mut statement = connection.prepare_cached(&sql)?;
                    for row in rows {
                        statement.execute(params_from_iter(row))?;
                    }
                    Ok(())
                };
                write().map_err(|error| failure::translate("write", place.database(), error))
            }
            Self::Postgres { place, session } => {
                let name = table.postgres;
                let sql = format!("INSERT INTO {name} ({columns}) SELECT * FROM unnest({places})");
                let kinds = table.columns.iter().enumerate();
                let values: Vec<_> = kinds.map(|(at, (_, kind))| many(rows, at, *kind)).collect();
                let added = session.ask(&sql, &values).await;
                added.map(drop).map_err(|error| translate("write", place, &error))
            }
        }
    }

    /// Makes everything true, or says that it may not be.
    pub(super) async fn commit(self) -> Result<(), Error> {
        match &self {
            Self::Sqlite { .. } => {
                self.run(
                    "INSERT INTO counts (definition, active, with_incidents)
                    SELECT definition, count(*), sum(incidents > 0)
                    FROM instances WHERE state = 1 GROUP BY definition",
                )
                .await?;
                self.run("COMMIT").await
            }
            Self::Postgres { place, session } => {
                // Plans are made from what is known of the tables.
                self.run("ANALYZE").await?;
                session.batch("COMMIT").await.map_err(|error| {
                    let text = format!(
                        "{}; look whether it is empty before trying again",
                        text_of(&error)
                    );
                    crate::postgres::failure::failed("commit to", place, text)
                })
            }
        }
    }

    /// The table, and which of its rows.
    fn part<'t>(&self, table: &'t Table) -> (&'t str, &'t str) {
        match self {
            Self::Sqlite { .. } => (table.name, "TRUE"),
            Self::Postgres { .. } => (table.postgres, table.only),
        }
    }

    /// Places for so many values.
    fn places(&self, number: usize) -> String {
        let sign = match self {
            Self::Sqlite { .. } => '?',
            Self::Postgres { .. } => '$',
        };
        let places: Vec<String> = (1..=number).map(|at| format!("{sign}{at}")).collect();
        places.join(", ")
    }
}

impl Cell {
    fn of(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Number(number),
            // There is no such column.
            ValueRef::Real(number) => Self::Number(number as i64),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Bytes(bytes.to_vec()),
        }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Null | Self::Text(_) | Self::Bytes(_) => None,
        }
    }

    fn is_true(&self) -> Option<bool> {
        self.number().map(|number| number != 0)
    }

    /// A number for a narrower column; what does not fit was never written.
    fn narrow<T: TryFrom<i64>>(&self) -> Option<T> {
        self.number().and_then(|number| T::try_from(number).ok())
    }

    fn text(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(encode(text)),
            Self::Null | Self::Number(_) | Self::Bytes(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Null | Self::Number(_) | Self::Text(_) => None,
        }
    }
}

impl rusqlite::ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Owned(Stored::Null),
            Self::Number(number) => ToSqlOutput::Owned(Stored::Integer(*number)),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// A cell as a parameter.
fn one(cell: &Cell, kind: Kind) -> (Value<'_>, Type) {
    match kind {
        Kind::Bigint => (Box::new(cell.number()), Type::INT8),
        Kind::Int => (Box::new(cell.narrow::<i32>()), Type::INT4),
        Kind::Smallint => (Box::new(cell.narrow::<i16>()), Type::INT2),
        Kind::Bool => (Box::new(cell.is_true()), Type::BOOL),
        Kind::Text => (Box::new(cell.text()), Type::TEXT),
        Kind::Bytes | Kind::Value => (Box::new(cell.bytes()), Type::BYTEA),
    }
}

/// A column of cells as a parameter.
fn many(rows: &[Vec<Cell>], at: usize, kind: Kind) -> (Value<'_>, Type) {
    fn column<'r, T>(rows: &'r [Vec<Cell>], at: usize, of: impl Fn(&'r Cell) -> T) -> Vec<T> {
        rows.iter().filter_map(|row| row.get(at)).map(of).collect()
    }
    match kind {
        Kind::Bigint => (Box::new(column(rows, at, Cell::number)), Type::INT8_ARRAY),
        Kind::Int => (Box::new(column(rows, at, Cell::narrow::<i32>)), Type::INT4_ARRAY),
        Kind::Smallint => (Box::new(column(rows, at, Cell::narrow::<i16>)), Type::INT2_ARRAY),
        Kind::Bool => (Box::new(column(rows, at, Cell::is_true)), Type::BOOL_ARRAY),
        Kind::Text => (Box::new(column(rows, at, Cell::text)), Type::TEXT_ARRAY),
        Kind::Bytes | Kind::Value => (Box::new(column(rows, at, Cell::bytes)), Type::BYTEA_ARRAY),
    }
}

fn read(row: &tokio_postgres::Row, at: usize, kind: Kind) -> Result<Cell, tokio_postgres::Error> {
    let number = |number: Option<i64>| number.map_or(Cell::Null, Cell::Number);
    Ok(match kind {
        Kind::Bigint => number(row.try_get(at)?),
        Kind::Int => number(row.try_get::<_, Option<i32>>(at)?.map(i64::from)),
        Kind::Smallint => number(row.try_get::<_, Option<i16>>(at)?.map(i64::from)),
        Kind::Bool => number(row.try_get::<_, Option<bool>>(at)?.map(i64::from)),
        Kind::Text => row
            .try_get::<_, Option<&str>>(at)?
            .map_or(Cell::Null, |text| Cell::Text(decode(text).into_owned())),
        Kind::Bytes | Kind::Value => {
            row.try_get::<_, Option<Vec<u8>>>(at)?.map_or(Cell::Null, Cell::Bytes)
        }
    })
}
