//! What a backup consists of: written last, so that a backup without it is not one.
//!
//! Boundary: text. Every line is covered by the digest at its end.
//! Read first: [`Manifest`].   Tests: at the end of this file

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use crate::blobs::{Name, digest};
use crate::port::Error;
use crate::sqlite::failure::of_file;

/// The file.
pub(super) const FILE: &str = "backup.txt";
const TITLE: &str = "pointsman backup";
/// The version of this form.
const VERSION: u32 = 1;

/// What a backup consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    /// The format of the database in it.
    pub(super) format: u32,
    /// The sha256 of its file.
    pub(super) database: [u8; 32],
    /// Rows of all tables.
    pub(super) rows: u64,
    /// Objects with their lengths.
    pub(super) objects: BTreeMap<Name, u64>,
}

impl Manifest {
    fn to_text(&self) -> String {
        let mut out = format!(
            "{TITLE} {VERSION}\nformat {}\nrows {}\ndatabase {}\n",
            self.format,
            self.rows,
            hexadecimal(&self.database)
        );
        for (name, bytes) in &self.objects {
            // Writing to a text cannot fail.
            let _ = writeln!(out, "object {bytes} {name}");
        }
        let seal = hexadecimal(&digest(out.as_bytes()));
        let _ = writeln!(out, "end {seal}");
        out
    }

    /// None if it is damaged; an error says that it is of another version.
    fn parse(text: &str) -> Result<Option<Self>, u32> {
        let mut lines = text.lines();
        let version = lines.next().and_then(|line| line.strip_prefix(TITLE)?.trim().parse().ok());
        match version {
            None => return Ok(None),
            Some(VERSION) => {}
            Some(other) => return Err(other),
        }
        let mut read = || {
            let (body, seal) = text.rsplit_once("\nend ")?;
            let body = format!("{body}\n");
            (hexadecimal(&digest(body.as_bytes())) == seal.strip_suffix('\n')?).then_some(())?;
            let format = lines.next()?.strip_prefix("format ")?.parse().ok()?;
            let rows = lines.next()?.strip_prefix("rows ")?.parse().ok()?;
            let database = bytes_of(lines.next()?.strip_prefix("database ")?)?;
            let mut objects = BTreeMap::new();
            for line in body.lines().skip(4) {
                let (bytes, name) = line.strip_prefix("object ")?.split_once(' ')?;
                objects.insert(Name::parse(name)?, bytes.parse().ok()?);
            }
            Some(Self { format, database, rows, objects })
        };
        Ok(read())
    }

    /// Writes it into the directory, whole or not at all.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Error> {
        let (path, draft) = (directory.join(FILE), directory.join("backup.draft"));
        let write = || {
            let mut file = File::create(&draft)?;
            file.write_all(self.to_text().as_bytes())?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|error| of_file("write", &path, error))
    }

    /// Reads it from the directory.
    pub(super) fn read(directory: &Path) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let detail = format!("it is no backup, or one that was not finished: no `{FILE}`");
                return Err(Error::Foreign { place: directory.display().to_string(), detail });
            }
            Err(error) => return Err(of_file("read", &path, error)),
        };
        let place = || directory.display().to_string();
        match Self::parse(&String::from_utf8_lossy(&text)) {
            Ok(Some(manifest)) => Ok(manifest),
            Ok(None) => Err(Error::Spoilt { place: place(), detail: format!("`{FILE}` is") }),
            Err(found) => Err(Error::Newer { place: place(), found, known: VERSION }),
        }
    }
}

fn hexadecimal(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut out, byte| {
        // Writing to a text cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn bytes_of(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    (text.len() == 64 && text.is_ascii()).then_some(())?;
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::Manifest;
    use crate::blobs::Name;

    #[test]
    fn a_manifest_comes_back_and_a_changed_one_does_not() {
        let name = Name { digest: [0xAB; 32], shard: 7, epoch: 2, sequence: 9 };
        let manifest =
            Manifest { format: 2, database: [1; 32], rows: 77, objects: [(name, 12)].into() };
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text), Ok(Some(manifest)));
        assert_eq!(Manifest::parse(&text.replace("backup 1", "backup 9")), Err(9));
        for end in 0..text.len() {
            assert!(!matches!(Manifest::parse(&text[..end]), Ok(Some(_))), "{end}");
        }
        for (from, to) in [("rows 77", "rows 78"), ("object 12", "object 13"), ("-7-", "-8-")] {
            assert_eq!(Manifest::parse(&text.replace(from, to)), Ok(None));
        }
    }
}
