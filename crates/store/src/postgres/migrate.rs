//! From a database to one with the tables of our format.
//!
//! Boundary: forward only, under a lock that all servers share; everything of one opening in one
//! transaction, so that the tables are there whole or not at all. What is in the rows is another
//! format: its gate is the setting `cluster.format`.
//! Invariants: MIG-1 while servers are upgraded one by one, those of the earlier version go on and
//! may start again: a migration says from which format on programs can use its tables, and takes
//! nothing away that a program before the gate needs.
//! Read first: [`Migration`], then [`migrate`].   Tests: `tests/postgres_faults/opening.rs`

use tokio_postgres::error::SqlState;

use super::Migrate;
use super::failure::{failed, translate};
use super::session::Session;
use crate::port::Error;

/// A step from one format of the tables to the next.
struct Migration {
    sql: &'static str,
    /// The oldest format that a program may know and use the tables afterwards (MIG-1). It stays
    /// the same where columns and tables are added. It is raised one version after the one that
    /// raised the gate behind which the old form is not used any more.
    oldest: u32,
}

/// Migrations in order; the table `pointsman` counts those that were done.
const MIGRATIONS: [Migration; 1] =
    [Migration { sql: include_str!("../migrations/postgres/0001_start.sql"), oldest: 1 }];
/// The format that this version writes.
#[expect(clippy::cast_possible_truncation, reason = "a handful")]
pub(crate) const FORMAT: u32 = MIGRATIONS.len() as u32;
/// The oldest PostgreSQL that has what we use.
const OLDEST: i32 = 130_000;

/// Checks the database and brings it to our format.
pub(crate) async fn migrate(session: &Session, place: &str, wish: Migrate) -> Result<(), Error> {
    let trouble = |error: tokio_postgres::Error| translate("migrate", place, &error);
    check_server(session, place).await?;
    session.batch("BEGIN").await.map_err(trouble)?;
    let result = under_lock(session, place, wish).await;
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = session.batch(end).await.map_err(trouble);
    result.and(ended)
}

async fn under_lock(session: &Session, place: &str, wish: Migrate) -> Result<(), Error> {
    let trouble = |error: tokio_postgres::Error| translate("migrate", place, &error);
    let foreign = |detail: &str| Error::Foreign { place: place.into(), detail: detail.into() };
    let lock = "-- takes:
SELECT pg_advisory_xact_lock(hashtext('pointsman'), hashtext(current_schema()))";
    session.rows(lock, &[]).await.map_err(trouble)?;
    let found = format_of(session).await.map_err(|error| match error.code() {
        Some(code) if *code == SqlState::UNDEFINED_COLUMN => {
            foreign("its table `pointsman` is not ours")
        }
        _ => translate("migrate", place, &error),
    })?;
    if found >= FORMAT {
        let oldest = oldest_of(session).await.map_err(trouble)?;
        if found > FORMAT && oldest.is_none_or(|oldest| oldest > FORMAT) {
            return Err(Error::Newer { place: place.into(), found, known: FORMAT });
        }
        return Ok(());
    }
    if wish == Migrate::Refuse {
        let detail = format!("it has format {found}, this version needs {FORMAT}: migrate it");
        return Err(foreign(&detail));
    }
    let mut oldest = 0;
    for (number, migration) in (1_u32..).zip(MIGRATIONS) {
        oldest = migration.oldest;
        if number > found {
            session.batch(migration.sql).await.map_err(|error| match error.code() {
                Some(code)
                    if *code == SqlState::DUPLICATE_TABLE
                        || *code == SqlState::DUPLICATE_FUNCTION =>
                {
                    foreign(&format!(
                        "it has tables of another program ({}): use another database or schema",
                        super::failure::text_of(&error)
                    ))
                }
                _ => translate("migrate", place, &error),
            })?;
        }
    }
    let stamp = format!(
        "DELETE FROM pointsman; INSERT INTO pointsman (format, oldest) VALUES ({FORMAT}, {oldest})"
    );
    session.batch(&stamp).await.map_err(trouble)
}

/// The format of the tables; 0 if there are none.
pub(crate) async fn format_of(session: &Session) -> Result<u32, tokio_postgres::Error> {
    let known = "-- takes:\nSELECT to_regclass('pointsman') IS NOT NULL";
    let rows = session.rows(known, &[]).await?;
    let Some(true) = rows.first().map(|row| row.get::<_, bool>(0)) else { return Ok(0) };
    let rows = session.rows("-- takes:\nSELECT format FROM pointsman", &[]).await?;
    match rows.first() {
        Some(row) => Ok(u32::try_from(row.try_get::<_, i32>(0)?).unwrap_or(u32::MAX)),
        None => Ok(0),
    }
}

/// The oldest format that a program may know to use the tables; none if they do not say.
async fn oldest_of(session: &Session) -> Result<Option<u32>, tokio_postgres::Error> {
    // Tables of early builds have no such column.
    let sql = "-- takes:\nSELECT (to_jsonb(pointsman) ->> 'oldest')::int FROM pointsman";
    let rows = session.rows(sql, &[]).await?;
    let oldest: Option<i32> = rows.first().and_then(|row| row.get(0));
    Ok(oldest.map(|oldest| u32::try_from(oldest).unwrap_or(u32::MAX)))
}

async fn check_server(session: &Session, place: &str) -> Result<(), Error> {
    let sql = "-- takes:
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
    current_setting('server_encoding'), current_schema()::text";
    let rows = session.rows(sql, &[]).await.map_err(|error| translate("open", place, &error))?;
    let Some(row) = rows.first() else { return Ok(()) };
    let refused = |detail: String| Err(failed("use", place, detail));
    let (number, version): (i32, &str) = (row.get(0), row.get(1));
    if number < OLDEST {
        return refused(format!("PostgreSQL {version} is too old: 13 or later is needed"));
    }
    let encoding: &str = row.get(2);
    if encoding != "UTF8" {
        return refused(format!("the database has the encoding {encoding}: UTF8 is needed"));
    }
    if row.get::<_, Option<&str>>(3).is_none() {
        return refused("there is no schema to put tables in: see search_path".into());
    }
    Ok(())
}
