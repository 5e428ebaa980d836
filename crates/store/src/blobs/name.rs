//! The names of objects: what they hold, and the unit that wrote them.
//!
//! Boundary: names only. An object is never referred to again by a later unit, even if that has
//! the same content: so whoever cleans need not fear that somebody takes it up in that moment.
//! Read first: [`Name`].   Tests: at the end of this file.

use std::fmt;

use object_store::path::Path;

/// The folder of all objects.
pub(super) const ROOT: &str = "objects";

/// The name of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The sha256 of its content.
    pub digest: [u8; 32],
    /// The shard of the unit that wrote it.
    pub shard: u16,
    /// The epoch of that unit.
    pub epoch: u64,
    /// The sequence of that unit.
    pub sequence: u64,
}

impl Name {
    /// Where the object is, below the root of the storage.
    pub(super) fn path(&self) -> Path {
        Path::from(self.to_string())
    }

    /// Reads what [`Name`] displays.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let last = text.rsplit('/').next()?;
        let mut parts = last.split('-');
        let hexadecimal = parts.next().filter(|digest| digest.len() == 64 && digest.is_ascii())?;
        let mut digest = [0; 32];
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(hexadecimal.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let shard = parts.next()?.parse().ok()?;
        let epoch = parts.next()?.parse().ok()?;
        let sequence = parts.next()?.parse().ok()?;
        let name = Self { digest, shard, epoch, sequence };
        // One way of writing it only.
        (parts.next().is_none() && name.to_string() == text).then_some(name)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{ROOT}/{:02x}/", self.digest[0])?;
        for byte in self.digest {
            write!(out, "{byte:02x}")?;
        }
        write!(out, "-{}-{}-{}", self.shard, self.epoch, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::Name;

    #[test]
    fn a_name_comes_back_and_nothing_else_is_one() {
        let name = Name { digest: [0xAB; 32], shard: 7, epoch: 2, sequence: u64::MAX };
        let text = name.to_string();
        assert_eq!(Name::parse(&text), Some(name));
        for wrong in [
            "",
            "objects/ab/x",
            &text.replace("objects", "things"),
            &text.replace("/ab/", "/ac/"),
            &text.to_uppercase(),
            &format!("{text}-1"),
            &text.replace("-7-", "-07-"),
            &text.replace("-7-", "-70000-"),
            &text.replace("abab", "ab\u{e9}"),
        ] {
            assert_eq!(Name::parse(wrong), None, "{wrong}");
        }
    }
}
