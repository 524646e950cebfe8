//! The recording as an asciicast, version 2 (<https://docs.asciinema.org/manual/asciicast/v2/>).

use std::fmt::Write as _;

use serde_json::json;

use crate::Frame;

/// The file.
pub fn cast(frames: &[Frame], columns: u32, rows: u32) -> String {
    let header = json!({"version": 2, "width": columns, "height": rows, "idle_time_limit": 2.0, "title": "credd renew"});
    let mut text = format!("{header}\n");
    for frame in frames {
        let lines = frame.text.trim_end_matches('\n').replace('\n', "\r\n");
        let (column, row) = frame.cursor;
        let screen = format!("\u{1b}[H\u{1b}[2J{lines}\u{1b}[0m\u{1b}[{};{}H", row + 1, column + 1);
        let at = (frame.at.as_secs_f64() * 1000.0).round() / 1000.0;
        let _ = writeln!(text, "{}", json!([at, "o", screen]));
    }
    text
}
