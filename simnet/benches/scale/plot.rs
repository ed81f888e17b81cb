//! The table's first line, drawn: what a node costs against the logarithm of their number.

use std::fmt::Write as _;

use holloway_simnet::scale::Kind;

use crate::figures::Figures;
use crate::table::fitted;

/// Characters of the longest bar.
const BAR: f64 = 60.0;

/// One letter for each kind, in the order of [`Kind::ALL`].
const LETTERS: &[u8; 10] = b"RPLBGEIULD";

/// Colours that can be told apart on black and on white.
const COLOURS: [&str; 10] =
    ["#7f7f7f", "#4c8bf5", "#e67e22", "#9b59b6", "#d64550", "#c49c1b", "#2a9d8f", "#6aa84f", "#00a3c7", "#a0695a"];

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 60.0;

/// Bars on the terminal, each made of the letters of what the bytes are spent on.
pub(crate) fn text(rows: &[Figures]) -> String {
    let most = most(rows);
    let mut text = String::from("bytes a node and minute\n");
    for row in rows {
        let mut bar = String::new();
        let mut sum = 0.0;
        for (kind, letter) in Kind::ALL.into_iter().zip(LETTERS) {
            sum += row.get(kind.name());
            while (bar.len() as f64) < (sum / most * BAR).round() {
                bar.push(char::from(*letter));
            }
        }
        let _ = writeln!(text, "{:>8} {bar} {:.0}", row.get("nodes"), row.get("bytes"));
    }
    let key: Vec<String> = Kind::ALL
        .into_iter()
        .zip(LETTERS)
        .map(|(kind, letter)| format!("{} {}", char::from(*letter), kind.name()))
        .collect();
    text + &key.join(", ") + "\n"
}

/// The same as a drawing: stacked bars over a logarithmic axis, and the straight line that fits their tops.
pub(crate) fn svg(rows: &[Figures]) -> String {
    let most = most(rows) * 1.05;
    let y = |bytes: f64| HEIGHT - BOTTOM - bytes / most * (HEIGHT - TOP - BOTTOM);
    let (first, last) = (rows.first().map_or(3.0, log), rows.last().map_or(5.0, log));
    let step = (WIDTH - LEFT - RIGHT) / rows.len().max(1) as f64;
    let x = |log: f64| {
        let share = if last > first { (log - first) / (last - first) } else { 0.5 };
        LEFT + step / 2.0 + share * (WIDTH - LEFT - RIGHT - step)
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#808080\">\n<title>Bytes for each node and minute against nodes</title>\n"
    );
    let between = round(most / 4.0);
    for tick in 0..=(most / between) as u32 {
        let bytes = between * f64::from(tick);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#808080\" stroke-opacity=\".3\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(bytes) + 4.0,
            bytes / 1000.0,
            y = y(bytes),
        );
    }
    for row in rows {
        let middle = x(log(row));
        let mut sum = 0.0;
        for (kind, colour) in Kind::ALL.into_iter().zip(COLOURS) {
            let bytes = row.get(kind.name());
            sum += bytes;
            let (left, width) = (middle - step * 0.3, step * 0.6);
            let (top, height) = (y(sum), y(0.0) - y(bytes));
            let _ = writeln!(
                svg,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{middle:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{:.0}</text>",
            HEIGHT - BOTTOM + 18.0,
            row.get("nodes"),
        );
    }
    let (slope, at_one) = fitted(rows);
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#808080\" stroke-width=\"2\" \
         stroke-dasharray=\"6 4\"/>",
        x(first),
        y(at_one + slope * first),
        x(last),
        y(at_one + slope * last),
    );
    for (at, (kind, colour)) in Kind::ALL.into_iter().zip(COLOURS).enumerate() {
        let top = TOP + 20.0 * at as f64;
        let _ = writeln!(
            svg,
            "<rect x=\"{:.0}\" y=\"{top:.0}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
            WIDTH - RIGHT + 20.0,
            WIDTH - RIGHT + 38.0,
            top + 10.0,
            kind.name(),
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">nodes (logarithmic)</text>\
         <text x=\"{:.0}\" y=\"{:.0}\">kB for each node and minute; dashed: fitted to log n</text>\n</svg>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 14.0,
        LEFT,
        TOP - 12.0,
    );
    svg
}

/// The next of 1, 2, 5, 10, 20 and so on: what people count by.
fn round(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    steps.into_iter().find(|step| *step >= number).unwrap_or(number)
}

fn log(row: &Figures) -> f64 {
    row.get("nodes").log10()
}

fn most(rows: &[Figures]) -> f64 {
    rows.iter().map(|row| row.get("bytes")).fold(1.0, f64::max)
}
