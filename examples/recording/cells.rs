//! Lines of a terminal with their colours, as tmux gives them: text and `ESC [ … m`.

/// How a run of characters looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    pub bold: bool,
    pub dim: bool,
    /// 0 to 7, as SGR counts.
    pub colour: Option<u8>,
}

/// A run of characters that look alike, and the column of the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub column: usize,
    pub look: Look,
    pub text: String,
}

/// Takes a screen apart, row by row; looks go on from row to row.
pub fn rows(screen: &str) -> Vec<Vec<Run>> {
    let mut look = Look::default();
    screen.lines().map(|line| row(line, &mut look)).collect()
}

fn row(line: &str, look: &mut Look) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut column = 0;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(sequence) = rest.strip_prefix("\u{1b}[") {
            let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(sequence.len() - 1);
            change(look, &sequence[..end]);
            rest = &sequence[end + 1..];
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.look == *look => last.text.push(c),
            _ => runs.push(Run { column, look: *look, text: c.to_string() }),
        }
        column += 1;
        rest = &rest[c.len_utf8()..];
    }
    runs.retain(|run| !run.text.trim().is_empty());
    runs
}

fn change(look: &mut Look, codes: &str) {
    for code in codes.split(';').map(|code| code.parse::<u8>().unwrap_or(0)) {
        match code {
            0 => *look = Look::default(),
            1 => look.bold = true,
            2 => look.dim = true,
            22 => (look.bold, look.dim) = (false, false),
            30..=37 => look.colour = Some(code - 30),
            39 => look.colour = None,
            _ => {}
        }
    }
}
