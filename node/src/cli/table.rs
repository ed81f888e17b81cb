//! Columns that stand below each other.

use super::escape;
use super::style::Style;

/// Widest cell: a full overlay address with its zone fits, an endless name does not push the rest off the screen.
const CELL_CHARS_MAX: usize = 48;

/// Blanks between columns.
const GAP: &str = "  ";

/// A table under construction; its cells are escaped as they come.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Row>,
}

/// One line and what stands below it.
struct Row {
    cells: Vec<Cell>,
    below: Option<String>,
}

/// One cell: its text, and how it is painted once its place is measured.
pub(crate) struct Cell {
    text: String,
    paint: Option<fn(Style, &str) -> String>,
}

impl Cell {
    /// A cell with a colour.
    pub(crate) fn painted(text: &str, paint: fn(Style, &str) -> String) -> Self {
        Self { paint: Some(paint), ..Self::from(text) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: escape::shortened(text.as_ref(), CELL_CHARS_MAX), paint: None }
    }
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a line.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.headings.len(), "a row has the columns of its table");
        self.rows.push(Row { cells: cells.into(), below: None });
    }

    /// Writes something below the last line.
    pub(crate) fn below(&mut self, text: &str) {
        if let Some(row) = self.rows.last_mut() {
            row.below = Some(escape::shown(text));
        }
    }

    /// The table as lines, each behind `indent`.
    pub(crate) fn render(&self, indent: &str, style: Style) -> String {
        let widths = self.widths();
        let headings = self.headings.iter().map(|heading| Cell { text: (*heading).to_owned(), paint: None });
        let mut text = format!("{indent}{}\n", style.faint(&line(&headings.collect::<Vec<_>>(), &widths, style)));
        for row in &self.rows {
            text.push_str(&format!("{indent}{}\n", line(&row.cells, &widths, style)));
            if let Some(below) = &row.below {
                text.push_str(&format!("{indent}{GAP}{below}\n"));
            }
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize, heading: &str| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(column));
            cells.map(|cell| cell.text.chars().count()).fold(heading.chars().count(), usize::max)
        };
        self.headings.iter().enumerate().map(|(column, heading)| width(column, heading)).collect()
    }
}

fn line(cells: &[Cell], widths: &[usize], style: Style) -> String {
    let mut text = String::new();
    for (position, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let is_last = position + 1 == cells.len();
        let painted = cell.paint.map_or_else(|| cell.text.clone(), |paint| paint(style, &cell.text));
        text.push_str(&painted);
        if !is_last {
            text.push_str(&" ".repeat(width - cell.text.chars().count()));
            text.push_str(GAP);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_and_lines_end_without_blanks() {
        let mut table = Table::new(["NAME", "PATH"]);
        table.row(["bob".into(), "direct".into()]);
        table.row(["größer".into(), Cell::painted("none", Style::bad)]);
        table.below("why: nobody knows");
        let text = table.render("  ", Style::PLAIN);
        assert_eq!(text, "  NAME    PATH\n  bob     direct\n  größer  none\n    why: nobody knows\n");
    }

    #[test]
    fn hostile_cells_are_escaped_and_cut() {
        let mut table = Table::new(["NAME"]);
        table.row([Cell::from("\u{1b}[31m\u{202e}\n".repeat(100))]);
        table.below("\u{9b}2J");
        let text = table.render("", Style::PLAIN);
        assert_eq!(text.lines().count(), 3);
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']));
    }
}
