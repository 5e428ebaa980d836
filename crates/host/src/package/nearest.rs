//! The known name that a misspelt one probably means.
//!
//! Boundary: plain edit distance; bounded by the short names it is used on.
//! Read first: [`nearest`].

/// The candidate closest to `name`, if it is close enough to be meant.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let letters: Vec<char> = name.chars().take(64).collect();
    let distances = candidates.iter().map(|candidate| (distance(&letters, candidate), *candidate));
    let allowed = (letters.len() / 3).max(1);
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

/// Insertions, deletions and replacements that turn one into the other.
fn distance(from: &[char], to: &str) -> usize {
    let mut row: Vec<usize> = (0..=from.len()).collect();
    for (line, letter) in to.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, other) in from.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[from.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_near_miss_finds_its_word() {
        let known = ["correlation-key", "time-to-live", "filter", "retries"];
        assert_eq!(nearest("filtr", &known), Some("filter"));
        assert_eq!(nearest("correlation_key", &known), Some("correlation-key"));
        assert_eq!(nearest("timetolive", &known), Some("time-to-live"));
        assert_eq!(nearest("colour", &known), None);
    }
}
