//! A text as a QR code on a terminal: two modules per character, light ones drawn, as terminals are dark.

use fast_qr::{ECL, QRBuilder, QRCode};

/// Light modules around the code (ISO/IEC 18004 asks for four; readers are content with two).
const QUIET_MODULES: usize = 2;

/// Draws `text`; `None` when it is too long for any QR code.
pub(crate) fn draw(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::L).build().ok()?;
    let side = code.size + 2 * QUIET_MODULES;
    let mut drawing = String::new();
    for row in (0..side).step_by(2) {
        drawing
            .extend((0..side).map(|column| half_blocks(is_dark(&code, row, column), is_dark(&code, row + 1, column))));
        drawing.push('\n');
    }
    Some(drawing)
}

fn is_dark(code: &QRCode, row: usize, column: usize) -> bool {
    let inside = |position: usize| position.checked_sub(QUIET_MODULES).filter(|position| *position < code.size);
    match (inside(row), inside(column)) {
        (Some(row), Some(column)) => code[row][column].value(),
        _ => false,
    }
}

fn half_blocks(upper_is_dark: bool, lower_is_dark: bool) -> char {
    match (upper_is_dark, lower_is_dark) {
        (false, false) => '█',
        (false, true) => '▀',
        (true, false) => '▄',
        (true, true) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_framed_by_light_modules_and_has_its_three_marks() {
        let drawing = draw("HOLLOWAY1ABC").unwrap();
        let lines: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
        assert!(lines[0].iter().all(|c| *c == '█'));
        assert!(lines.iter().all(|line| line.len() == lines[0].len() && line[0] == '█'));
        // The upper edge of a position mark: seven dark modules over one dark and five light ones.
        let mark: String = lines[1][QUIET_MODULES..QUIET_MODULES + 7].iter().collect();
        assert_eq!(mark, " ▄▄▄▄▄ ");
    }

    #[test]
    fn a_text_beyond_every_code_is_not_drawn() {
        assert!(draw(&"x".repeat(10_000)).is_none());
    }
}
