//! How a row says that its value is elsewhere.
//!
//! Boundary: bytes only. What the engine and the node encode is CBOR or JSON, of which nothing
//! begins with [`FIRST`]; whatever else does is marked as it is, so that no value is ever taken
//! for a reference.
//! Invariants: MRK-1 what [`keep`] or [`Reference::encode`] wrote is read by [`read`] as what it
//! was, whatever the bytes.
//! Read first: [`Value`].   Tests: at the end of this file.

use bytes::Bytes;

use crate::blobs::Name;

/// The first byte of a marked value: in CBOR the end of something that never began, in UTF-8
/// nothing.
pub(crate) const FIRST: u8 = 0xFF;
/// The value itself follows.
const KEPT: u8 = 0;
/// A reference follows.
const ELSEWHERE: u8 = 1;
/// What every reference begins with.
pub(crate) const BEGIN: [u8; 2] = [FIRST, ELSEWHERE];
/// Bytes of a reference, its marks included.
const REFERENCE_BYTES: usize = 60;

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) name: Name,
    pub(crate) bytes: u64,
}

/// What a row has.
#[derive(Debug, PartialEq)]
pub(crate) enum Value {
    Here(Bytes),
    Elsewhere(Reference),
    /// A mark of a kind that is not known.
    Unknown,
}

impl Reference {
    pub(crate) fn encode(&self) -> Bytes {
        let Name { digest, shard, epoch, sequence } = &self.name;
        let mut out = Vec::with_capacity(REFERENCE_BYTES);
        out.extend([FIRST, ELSEWHERE]);
        out.extend(self.bytes.to_be_bytes());
        out.extend(digest);
        out.extend(shard.to_be_bytes());
        out.extend(epoch.to_be_bytes());
        out.extend(sequence.to_be_bytes());
        out.into()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let length = u64::from_be_bytes(take(&mut rest)?);
        let digest = take(&mut rest)?;
        let shard = u16::from_be_bytes(take(&mut rest)?);
        let epoch = u64::from_be_bytes(take(&mut rest)?);
        let sequence = u64::from_be_bytes(take(&mut rest)?);
        let name = Name { digest, shard, epoch, sequence };
        rest.is_empty().then_some(Self { name, bytes: length })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*first)
}

/// The value as a row keeps it.
pub(crate) fn keep(value: Bytes) -> Bytes {
    if value.first() != Some(&FIRST) {
        return value;
    }
    [&[FIRST, KEPT], &*value].concat().into()
}

/// What a row's bytes mean.
pub(crate) fn read(bytes: Bytes) -> Value {
    match bytes.get(..2) {
        Some(&[FIRST, KEPT]) => Value::Here(bytes.slice(2..)),
        Some(&[FIRST, ELSEWHERE]) => {
            Reference::decode(&bytes[2..]).map_or(Value::Unknown, Value::Elsewhere)
        }
        Some(&[FIRST, _]) => Value::Unknown,
        _ if bytes.first() == Some(&FIRST) => Value::Unknown,
        _ => Value::Here(bytes),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::{FIRST, REFERENCE_BYTES, Reference, Value, keep, read};
    use crate::blobs::Name;

    proptest! {
        #[test]
        fn any_value_comes_back(tail in any::<Vec<u8>>(), first in 0_u8..4) {
            // MRK-1
            let value: Vec<u8> = match first {
                0 => tail,
                mark => [&[FIRST, mark - 1], &*tail].concat(),
            };
            let value = Bytes::from(value);
            prop_assert_eq!(read(keep(value.clone())), Value::Here(value));
        }
    }

    #[test]
    fn a_reference_comes_back_whole_or_not_at_all() {
        let name = Name { digest: [7; 32], shard: 1, epoch: 2, sequence: 3 };
        let reference = Reference { name, bytes: 1 << 40 };
        let bytes = reference.encode();
        assert_eq!(bytes.len(), REFERENCE_BYTES);
        // MRK-1
        assert_eq!(read(bytes.clone()), Value::Elsewhere(reference));
        assert_eq!(read(keep(bytes.clone())), Value::Here(bytes.clone()));
        for end in 1..REFERENCE_BYTES {
            assert_eq!(read(bytes.slice(..end)), Value::Unknown);
        }
        assert_eq!(read([&*bytes, b"x"].concat().into()), Value::Unknown);
        assert_eq!(read(Bytes::from_static(&[FIRST, 9, 1])), Value::Unknown);
    }
}
