//! Keys: one 64-bit key space per shard, made so that every key names its instance.
//!
//! Boundary: numbers only; who hands out blocks is the shard (`node`), who stores them `store`.
//! Invariants: IDS-1 a key is `shard << 51 | block << 8 | local`, positive as an `i64`.
//! IDS-2 the first block of an instance is the block of its own key, so that a key whose block
//! was not handed out later leads to its instance without a lookup.
//! Read first: [`Block`], then [`KeyCursor`].   Tests: at the end of this file.

use alloc::vec::Vec;
use core::fmt;

use feel::Str;
use minicbor::{Decode, Encode};

/// Bits of a key that count inside one block.
const LOCAL_BITS: u32 = 8;
/// Bits below the shard number (Zeebe's layout: 13 bits of partition, 51 of counter).
const SHARD_SHIFT: u32 = 51;
/// Keys in one block.
pub const KEYS_PER_BLOCK: u16 = 1 << LOCAL_BITS;

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u64);

        impl $name {
            /// The key as the compatible API shows it.
            #[must_use]
            pub fn to_i64(self) -> i64 {
                self.0.cast_signed()
            }

            /// The key for what a client sent; negative numbers are no keys.
            #[must_use]
            pub fn from_i64(value: i64) -> Option<Self> {
                u64::try_from(value).ok().filter(|value| *value > 0).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

key!(
    /// One run of one process version.
    InstanceKey, "ins_"
);
key!(
    /// One element as executed; the process itself has the key of its instance.
    StepKey, "stp_"
);
key!(
    /// One durable unit of work outside the state machine.
    JobKey, "job_"
);
key!(
    /// One failure that waits for a person.
    IncidentKey, "inc_"
);
key!(
    /// One published message in a bucket.
    MessageKey, "msg_"
);
key!(
    /// One accepted document.
    DocumentKey, "doc_"
);
key!(
    /// One document on one trigger's queue.
    EntryKey, "ent_"
);
key!(
    /// One version of one process.
    DefinitionKey, "def_"
);
key!(
    /// One deployment of packages on all servers.
    DeploymentKey, "dep_"
);

key!(
    /// One durable request to run a process.
    RequestKey, "req_"
);

/// The number of a shard, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct ShardId(#[n(0)] pub u16);

/// A run of [`KEYS_PER_BLOCK`] keys; an instance owns one, and takes more when it needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Block(#[n(0)] pub u64);

impl Block {
    /// The block of number `number` (from 1) in `shard`.
    #[must_use]
    pub fn new(shard: ShardId, number: u64) -> Self {
        Self((u64::from(shard.0) << SHARD_SHIFT) | (number << LOCAL_BITS))
    }

    /// The block that holds `key`.
    #[must_use]
    pub fn of(key: u64) -> Self {
        Self(key & !u64::from(KEYS_PER_BLOCK - 1))
    }

    /// The first key of the block; never zero.
    #[must_use]
    pub fn first(self) -> u64 {
        self.0
    }

    /// The shard that handed the block out.
    #[must_use]
    pub fn shard(self) -> ShardId {
        ShardId((self.0 >> SHARD_SHIFT) as u16)
    }
}

/// Hands out the blocks of one shard, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocks {
    shard: ShardId,
    next: u64,
}

impl Blocks {
    /// Blocks of `shard` from number `next` on.
    #[must_use]
    pub fn new(shard: ShardId, next: u64) -> Self {
        Self { shard, next: next.max(1) }
    }

    /// The next block.
    pub fn take(&mut self) -> Block {
        let block = Block::new(self.shard, self.next);
        self.next += 1;
        block
    }

    /// The number of the block that comes next; what the shard commits.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }
}

/// Where an instance takes its keys from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct KeyCursor {
    /// The block in use.
    #[n(0)]
    pub block: Block,
    /// The next unused position in it.
    #[n(1)]
    pub next: u16,
}

impl KeyCursor {
    /// A cursor at the beginning of `block`, behind the instance's own key.
    #[must_use]
    pub fn behind(instance: InstanceKey) -> Self {
        Self { block: Block(instance.0), next: 1 }
    }

    /// Whether the block is used up.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.next >= KEYS_PER_BLOCK
    }

    /// The key at the cursor.
    #[must_use]
    pub fn peek(&self) -> u64 {
        self.block.0 | u64::from(self.next)
    }
}

/// The name of an aggregate: what is loaded, decided on and stored as one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A process instance.
    Instance(InstanceKey),
    /// The messages and subscriptions of one name and correlation key.
    Bucket {
        /// The message name.
        name: Str,
        /// The correlation key.
        key: Str,
    },
    /// The timer start event of a process version.
    Schedule {
        /// The version.
        definition: DefinitionKey,
        /// Position of the start event in the program.
        element: u32,
    },
    /// A named lock, with those who wait for it.
    Lock {
        /// Its name.
        name: Str,
    },
}

impl Address {
    /// A unique byte form that sorts instances by key: what stores use as primary key.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16);
        match self {
            Self::Instance(key) => {
                bytes.push(b'i');
                bytes.extend_from_slice(&key.0.to_be_bytes());
            }
            Self::Bucket { name, key } => {
                bytes.push(b'm');
                let length = u32::try_from(name.len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(name.as_bytes());
                bytes.extend_from_slice(key.as_bytes());
            }
            Self::Schedule { definition, element } => {
                bytes.push(b's');
                bytes.extend_from_slice(&definition.0.to_be_bytes());
                bytes.extend_from_slice(&element.to_be_bytes());
            }
            Self::Lock { name } => {
                bytes.push(b'l');
                bytes.extend_from_slice(name.as_bytes());
            }
        }
        bytes
    }

    /// The address that [`Address::to_bytes`] made, or none if the bytes are not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        match tag {
            b'i' => Some(Self::Instance(InstanceKey(u64::from_be_bytes(rest.try_into().ok()?)))),
            b'm' => {
                let (length, rest) = rest.split_first_chunk::<4>()?;
                let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
                let (name, key) = rest.split_at_checked(length)?;
                Some(Self::Bucket {
                    name: core::str::from_utf8(name).ok()?.into(),
                    key: core::str::from_utf8(key).ok()?.into(),
                })
            }
            b's' => {
                let (definition, element) = rest.split_first_chunk::<8>()?;
                Some(Self::Schedule {
                    definition: DefinitionKey(u64::from_be_bytes(*definition)),
                    element: u32::from_be_bytes(element.try_into().ok()?),
                })
            }
            b'l' => Some(Self::Lock { name: core::str::from_utf8(rest).ok()?.into() }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leads_to_its_block_and_shard() {
        let mut blocks = Blocks::new(ShardId(1), 0);
        let block = blocks.take();
        assert_eq!(block.first(), (1 << 51) + 256, "IDS-1");
        assert_eq!(block.shard(), ShardId(1));
        let mut cursor = KeyCursor::behind(InstanceKey(block.first()));
        cursor.next = KEYS_PER_BLOCK - 1;
        assert_eq!(Block::of(cursor.peek()), block, "IDS-2");
        assert!(!cursor.is_exhausted());
        cursor.next += 1;
        assert!(cursor.is_exhausted());
        assert_eq!(blocks.next(), 2);
    }

    #[test]
    fn an_address_survives_its_byte_form() {
        for address in [
            Address::Instance(InstanceKey(7)),
            Address::Bucket { name: "paid".into(), key: "o-1".into() },
            Address::Bucket { name: "".into(), key: "".into() },
            Address::Schedule { definition: DefinitionKey(9), element: 3 },
            Address::Lock { name: "printer".into() },
        ] {
            assert_eq!(Address::from_bytes(&address.to_bytes()), Some(address));
        }
        assert_eq!(Address::from_bytes(b"m\xff\xff\xff\xff"), None);
    }
}
