//! One connection: its statements, and several of them in one round trip.
//!
//! Boundary: what is sent and when; what it means is the caller's. The types of a statement's
//! parameters stand in its first line (`-- takes:`), so that it can also be sent without being
//! prepared, which a pool of connections for single transactions needs.
//! Invariants: PGS-1 the end of a transaction is COMMIT only if everything before it was sent.
//! Read first: [`Session::transact`].   Tests: `tests/postgres.rs`

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Connection, Row, Statement};

use super::Pooling;
use super::failure::Trouble;

/// A value, or a column of values.
pub(crate) type Value<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// Values for a statement, each as its own box.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$(Box::new($value) as $crate::postgres::session::Value<'_>),*]
    };
}
pub(super) use values;

/// A statement with its values.
pub(super) struct Write<'a> {
    pub(super) sql: &'static str,
    pub(super) values: Vec<Value<'a>>,
}

/// Keeps a connection going, and counts what it hears.
#[derive(Clone, Default)]
pub(crate) struct Driver {
    pub(super) changes: Option<watch::Sender<u64>>,
}

/// How a statement is sent.
#[derive(Clone)]
enum Form {
    Prepared(Statement),
    Typed(Arc<[Type]>),
}

/// A connection that is in use.
pub(crate) struct Session {
    client: Client,
    pooling: Pooling,
    forms: Mutex<HashMap<&'static str, Form>>,
    /// Ends with the session.
    _driver: JoinSet<()>,
}

type Step<'a> = Pin<Box<dyn Future<Output = Result<u64, tokio_postgres::Error>> + Send + 'a>>;

impl Driver {
    pub(super) fn drive<S, T>(self, mut connection: Connection<S, T>) -> JoinSet<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await
            {
                // Notices are for people at a terminal.
                if let (AsyncMessage::Notification(_), Some(changes)) = (message, &self.changes) {
                    changes.send_modify(|number| *number += 1);
                }
            }
        });
        driver
    }
}

impl Session {
    pub(super) fn new(client: Client, driver: JoinSet<()>, pooling: Pooling) -> Self {
        Self { client, pooling, forms: Mutex::default(), _driver: driver }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// What `error` of this session means.
    pub(super) fn trouble(&self, error: tokio_postgres::Error) -> Trouble {
        Trouble::of(error, self.is_closed())
    }

    /// Runs statements without values.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// The rows of one statement.
    pub(super) async fn rows(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self.form(sql).await? {
            Form::Prepared(statement) => self.client.query(&statement, &refs(values)).await,
            Form::Typed(types) => self.client.query_typed(sql, &pairs(values, &types)).await,
        }
    }

    /// The rows of a statement that is made while running, with the types of its values.
    pub(crate) async fn ask(
        &self,
        sql: &str,
        values: &[(Value<'_>, Type)],
    ) -> Result<Vec<Row>, tokio_postgres::Error> {
        let pairs: Vec<_> = values
            .iter()
            .map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone()))
            .collect();
        self.client.query_typed(sql, &pairs).await
    }

    /// Runs statements in one transaction, all of it in one round trip.
    pub(super) async fn transact(
        &self,
        begin: &str,
        writes: &[Write<'_>],
    ) -> Result<(), tokio_postgres::Error> {
        let mut forms = Vec::with_capacity(writes.len());
        for write in writes {
            forms.push(self.form(write.sql).await?);
        }
        let mut steps: Vec<Step<'_>> = Vec::with_capacity(writes.len() + 2);
        steps.push(Box::pin(async { self.batch(begin).await.map(|()| 0) }));
        for (write, form) in writes.iter().zip(forms) {
            steps.push(Box::pin(self.execute(write, form)));
        }
        let mut results: Vec<Option<Result<u64, _>>> = Vec::new();
        results.resize_with(steps.len(), || None);
        // A statement is handed to the connection when it is polled for the first time.
        poll_fn(|context| {
            for (step, result) in steps.iter_mut().zip(&mut results) {
                if let Poll::Ready(ready) = step.as_mut().poll(context) {
                    *result = Some(ready);
                }
            }
            Poll::Ready(())
        })
        .await;
        // PGS-1: what could not even be sent would be missing.
        let is_sent = !results.iter().any(|result| matches!(result, Some(Err(_))));
        let end = if is_sent { "COMMIT" } else { "ROLLBACK" };
        steps.push(Box::pin(async { self.batch(end).await.map(|()| 0) }));
        results.push(None);
        poll_fn(|context| {
            let mut is_over = true;
            for (step, result) in steps.iter_mut().zip(&mut results) {
                if result.is_none() {
                    match step.as_mut().poll(context) {
                        Poll::Ready(ready) => *result = Some(ready),
                        Poll::Pending => is_over = false,
                    }
                }
            }
            if is_over { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        // The first one is the cause; those behind it only say that the transaction has failed.
        results.into_iter().flatten().collect::<Result<Vec<_>, _>>().map(drop)
    }

    async fn execute(&self, write: &Write<'_>, form: Form) -> Result<u64, tokio_postgres::Error> {
        match form {
            Form::Prepared(statement) => {
                self.client.execute(&statement, &refs(&write.values)).await
            }
            Form::Typed(types) => {
                self.client.execute_typed(write.sql, &pairs(&write.values, &types)).await
            }
        }
    }

    /// How to send the statement; prepares it if need be.
    async fn form(&self, sql: &'static str) -> Result<Form, tokio_postgres::Error> {
        let known = || self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(form) = known().get(sql) {
            return Ok(form.clone());
        }
        let types = types(sql);
        let form = match self.pooling {
            Pooling::Session => Form::Prepared(self.client.prepare_typed(sql, &types).await?),
            Pooling::Transaction => Form::Typed(types.into()),
        };
        known().insert(sql, form.clone());
        Ok(form)
    }
}

fn refs<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
}

fn pairs<'a>(values: &'a [Value<'_>], types: &[Type]) -> Vec<(&'a (dyn ToSql + Sync), Type)> {
    refs(values).into_iter().zip(types.iter().cloned()).collect()
}

/// The types in the first line of a statement.
fn types(sql: &str) -> Vec<Type> {
    let line = sql.lines().next().and_then(|line| line.strip_prefix("-- takes:")).unwrap_or("");
    line.split(',').filter_map(|name| type_of(name.trim())).collect()
}

fn type_of(name: &str) -> Option<Type> {
    Some(match name {
        "bool" => Type::BOOL,
        "bool[]" => Type::BOOL_ARRAY,
        "smallint" => Type::INT2,
        "smallint[]" => Type::INT2_ARRAY,
        "int" => Type::INT4,
        "int[]" => Type::INT4_ARRAY,
        "bigint" => Type::INT8,
        "bigint[]" => Type::INT8_ARRAY,
        "text" => Type::TEXT,
        "text[]" => Type::TEXT_ARRAY,
        "bytea" => Type::BYTEA,
        "bytea[]" => Type::BYTEA_ARRAY,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_type() {
        let files = [
            include_str!("../sql/aggregates.postgres.sql"),
            include_str!("../sql/audit.postgres.sql"),
            include_str!("../sql/cluster.postgres.sql"),
            include_str!("../sql/documents.postgres.sql"),
            include_str!("../sql/exchange.postgres.sql"),
            include_str!("../sql/incidents.postgres.sql"),
            include_str!("../sql/instances.postgres.sql"),
            include_str!("../sql/jobs.postgres.sql"),
            include_str!("../sql/packages.postgres.sql"),
            include_str!("../sql/shards.postgres.sql"),
            include_str!("../sql/timers.postgres.sql"),
        ];
        for statement in files.iter().flat_map(|file| file.split("\n\n")) {
            let (heading, sql) = statement.split_once('\n').expect("a heading");
            assert!(sql.starts_with("-- takes:"), "{heading}");
            let used = (1..20).rev().find(|number| sql.contains(&format!("${number}")));
            assert_eq!(types(sql).len(), used.unwrap_or(0), "{heading}");
        }
    }
}
