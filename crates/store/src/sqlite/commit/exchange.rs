//! Writes what shards tell each other, process requests, and the lists of locks and tokens.
//!
//! Boundary: rows of one kind at a time.
//! Read first: [`Exchange::write`].   Tests: `conformance/exchange.rs`

use engine::ids::{InstanceKey, RequestKey, ShardId};

use super::super::read::{Answer, read_request};
use super::super::statement::statements;
use crate::unit::{LockRow, RequestRow, RequestState, TokenRow, Unit};

statements!(
    /// Writes what more than one shard looks at.
    Exchange from "exchange" {
        send, receive, put_request, delete_request, waiting, claim, put_lock, delete_lock,
        put_token, delete_token,
    }
);

impl Exchange<'_> {
    pub(super) fn write(&mut self, shard: ShardId, unit: &Unit) -> rusqlite::Result<()> {
        for letter in &unit.sent {
            let key = letter.key;
            let sequence = key.sequence.cast_signed();
            self.send.execute((letter.to.0, key.from.0, sequence, key.index, &*letter.content))?;
        }
        for key in &unit.received {
            let sequence = key.sequence.cast_signed();
            self.receive.execute((shard.0, key.from.0, sequence, key.index))?;
        }
        for (key, row) in &unit.requests {
            self.write_request(*key, row.as_ref())?;
        }
        for (name, row) in &unit.locks {
            self.write_lock(name, row.as_ref())?;
        }
        for (name, row) in &unit.tokens {
            self.write_token(name, row.as_ref())?;
        }
        Ok(())
    }

    /// Takes requests that wait and are due.
    pub(super) fn claim(
        &mut self,
        shard: ShardId,
        now_ms: i64,
        limit: u32,
    ) -> Answer<Vec<(RequestKey, RequestRow)>> {
        let waiting = self.waiting.query_map((now_ms, limit), read_request)?;
        let mut claimed = waiting.collect::<Answer<Vec<_>>>()?;
        for (key, row) in &mut claimed {
            self.claim.execute((key.to_i64(), shard.0))?;
            row.state = RequestState::Claimed;
            row.shard = Some(shard);
        }
        Ok(claimed)
    }

    fn write_request(&mut self, key: RequestKey, row: Option<&RequestRow>) -> Answer<()> {
        let Some(row) = row else {
            return self.delete_request.execute([key.to_i64()]).map(drop);
        };
        self.put_request
            .execute((
                key.to_i64(),
                &*row.process,
                &*row.variables,
                row.state as u8,
                row.at_ms,
                row.due_ms,
                row.shard.map(|shard| shard.0),
                row.instance.map(InstanceKey::to_i64),
                row.reason.as_deref(),
                row.ended_ms,
            ))
            .map(drop)
    }

    fn write_lock(&mut self, name: &str, row: Option<&LockRow>) -> Answer<()> {
        let Some(row) = row else { return self.delete_lock.execute([name]).map(drop) };
        self.put_lock
            .execute((
                name,
                &*row.holder,
                row.instance.map(InstanceKey::to_i64),
                row.fence.cast_signed(),
                row.since_ms,
                row.waiting,
            ))
            .map(drop)
    }

    fn write_token(&mut self, name: &str, row: Option<&TokenRow>) -> Answer<()> {
        let Some(row) = row else { return self.delete_token.execute([name]).map(drop) };
        self.put_token
            .execute((name, &*row.hash, row.role as u8, row.created_ms, row.expires_ms))
            .map(drop)
    }
}
