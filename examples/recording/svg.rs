//! The recording as a picture that moves by itself. Each row that stands unchanged for a while is drawn once and
//! shown for that while. Where nothing moves, the end is shown.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Frame;
use crate::cells::{self, Look, Run};

const CELL: (f64, f64) = (8.0, 17.0);
const EDGE: f64 = 14.0;
/// Longer pauses, of LiteLLM loading, are made shorter.
const PAUSE: Duration = Duration::from_millis(1500);
/// The end stands for so long before all begins anew.
const END: Duration = Duration::from_secs(6);
const INK: &str = "#d8dee9";
const PAPER: &str = "#1d2128";
const COLOURS: [&str; 8] = ["#4c566a", "#e0606b", "#8fbf6f", "#e5c07b", "#81a1c1", "#b48ead", "#88c0d0", "#e5e9f0"];

/// The file.
pub fn svg(frames: &[Frame], columns: u32, rows: u32) -> String {
    let (times, whole) = times(frames);
    let screens: Vec<_> = frames.iter().map(|frame| cells::rows(&frame.text)).collect();
    let (width, height) = (f64::from(columns) * CELL.0 + 2.0 * EDGE, f64::from(rows) * CELL.1 + 2.0 * EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"DejaVu Sans Mono,Menlo,Consolas,monospace\" font-size=\"13\" fill=\"{INK}\" xml:space=\"preserve\">\n\
         <title>A renewal in a terminal</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n"
    );
    for row in 0..rows as usize {
        let at = |index: usize| screens[index].get(row).map_or(&[][..], Vec::as_slice);
        let mut begin = 0;
        for index in 1..=screens.len() {
            if index < screens.len() && at(index) == at(begin) {
                continue;
            }
            if !at(begin).is_empty() {
                let end = times.get(index).map_or(1.0, |time| time / whole);
                let _ = writeln!(svg, "<g{}>{}</g>", shown(times[begin] / whole, end, whole), drawn(at(begin), row));
            }
            begin = index;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// When each frame begins, in seconds, pauses made shorter; and how long all takes.
fn times(frames: &[Frame]) -> (Vec<f64>, f64) {
    let mut now = Duration::ZERO;
    let mut times = vec![0.0];
    for pair in frames.windows(2) {
        now += pair[1].at.saturating_sub(pair[0].at).min(PAUSE);
        times.push(now.as_secs_f64());
    }
    (times, (now + END).as_secs_f64())
}

/// What the start tag of a group goes on with that is shown from one part of the whole to another: attributes, and
/// the animation up to its last `>`.
fn shown(from: f64, to: f64, whole: f64) -> String {
    let last = to >= 1.0;
    if from <= 0.0 && last {
        return String::new();
    }
    let (values, times) = match (from <= 0.0, last) {
        (true, _) => ("1;0".to_owned(), format!("0;{to:.4}")),
        (false, true) => ("0;1".to_owned(), format!("0;{from:.4}")),
        (false, false) => ("0;1;0".to_owned(), format!("0;{from:.4};{to:.4}")),
    };
    let still = u8::from(last);
    format!(
        " opacity=\"{still}\"><animate attributeName=\"opacity\" dur=\"{whole:.2}s\" repeatCount=\"indefinite\" \
         calcMode=\"discrete\" values=\"{values}\" keyTimes=\"{times}\"/"
    )
}

fn drawn(runs: &[Run], row: usize) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rows and columns of a terminal")]
    let (place, y) = (|column: usize| EDGE + column as f64 * CELL.0, EDGE + (row as f64 + 0.8) * CELL.1);
    let mut text = String::new();
    for run in runs {
        let length = run.text.trim_end().chars().count();
        #[expect(clippy::cast_precision_loss, reason = "columns of a terminal")]
        let length = length as f64 * CELL.0;
        let written = escaped(run.text.trim_end());
        let _ = write!(
            text,
            "<text x=\"{}\" y=\"{y:.1}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\"{}>{written}</text>",
            place(run.column),
            style(run.look)
        );
    }
    text
}

fn style(look: Look) -> String {
    let mut style = String::new();
    if let Some(colour) = look.colour {
        let _ = write!(style, " fill=\"{}\"", COLOURS[usize::from(colour)]);
    }
    if look.bold {
        style.push_str(" font-weight=\"bold\"");
    }
    if look.dim {
        style.push_str(" fill-opacity=\"0.6\"");
    }
    style
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
