//! From byte offsets to lines and columns, cheap even for a file that is one long line.
//!
//! Boundary: columns count characters, lines end at a line feed.
//! Invariants: PLC-1 marks ascend by offset and are at most `STRIDE` bytes apart within a line.
//! Read first: [`Lines::place`].

use crate::Place;

/// Bytes after which a long line gets another mark.
const STRIDE: usize = 1024;

/// The lines of one text.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    marks: Vec<Mark>,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: usize,
    place: Place,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut marks = Vec::with_capacity(text.len() / 32 + 1);
        let mut offset = 0;
        let mut line = 0;
        for piece in text.split_inclusive('\n') {
            line += 1;
            mark_line(&mut marks, piece, offset, line);
            offset += piece.len();
        }
        if text.is_empty() || text.ends_with('\n') {
            marks.push(Mark { offset, place: Place { line: line + 1, column: 1 } });
        }
        Self { text, marks }
    }

    /// The place of the character at `offset`; the end of the text for anything beyond.
    pub(crate) fn place(&self, offset: u32) -> Place {
        let mut offset = (offset as usize).min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        let Some(mark) = after.checked_sub(1).and_then(|index| self.marks.get(index)) else {
            return Place { line: 1, column: 1 };
        };
        let column = mark.place.column + characters(&self.text[mark.offset..offset]);
        Place { line: mark.place.line, column }
    }

    /// The offset of the character at `place`; the end of its line or text for anything beyond.
    pub(crate) fn offset(&self, place: Place) -> u32 {
        let after = self.marks.partition_point(|mark| mark.place <= place);
        let Some(mark) = after.checked_sub(1).and_then(|index| self.marks.get(index)) else {
            return 0;
        };
        let wanted =
            if mark.place.line == place.line { place.column - mark.place.column } else { 0 };
        let rest = &self.text[mark.offset..];
        let skipped = rest.char_indices().nth(wanted as usize).map_or(rest.len(), |(at, _)| at);
        u32::try_from(mark.offset + skipped).unwrap_or(u32::MAX)
    }
}

fn mark_line(marks: &mut Vec<Mark>, piece: &str, offset: usize, line: u32) {
    let mut from = 0;
    let mut column = 1;
    loop {
        marks.push(Mark { offset: offset + from, place: Place { line, column } });
        let mut next = from + STRIDE;
        if next >= piece.len() {
            return;
        }
        while !piece.is_char_boundary(next) {
            next -= 1;
        }
        column += characters(&piece[from..next]);
        from = next;
    }
}

/// The number of characters, saturating.
fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::Lines;

    fn at(text: &str, offset: u32) -> (u32, u32) {
        let place = Lines::new(text).place(offset);
        (place.line, place.column)
    }

    #[test]
    fn lines_and_columns_start_at_one() {
        assert_eq!(at("", 0), (1, 1));
        assert_eq!(at("ab\ncd\n", 0), (1, 1));
        assert_eq!(at("ab\ncd\n", 4), (2, 2));
        assert_eq!(at("ab\ncd\n", 6), (3, 1));
        assert_eq!(at("ab\ncd\n", 99), (3, 1));
    }

    #[test]
    fn offsets_are_found_again() {
        let text = format!("ab\n{}z\n", "é".repeat(3000));
        let lines = Lines::new(&text);
        for offset in [0, 1, 2, 3, 5, 3 + 2048, 3 + 6000] {
            assert_eq!(lines.offset(lines.place(offset)), offset);
        }
    }

    /// Shows PLC-1.
    #[test]
    fn columns_count_characters_also_in_long_lines() {
        let text = format!("x\n{}z", "é".repeat(5000));
        assert_eq!(at(&text, 2 + 10_000), (2, 5001));
        assert_eq!(at(&text, 2 + 9_999), (2, 5000));
    }
}
