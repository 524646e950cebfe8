//! Env files made up from pieces of shell grammar, and broken ones made from those of the corpus.

use super::fragments::{BARE, DOUBLE, JUNK, SINGLE, STATEMENTS, TEXTS, TRAPS};

/// A small generator of pseudo-random numbers (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from((self.next() >> 16) % (end.max(1) as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// The variables of generated files.
pub const NAMES: [&str; 6] = ["KEY", "A", "B", "FOO", "BAR_1", "_x"];

/// A value as it may stand after `NAME=`.
fn value(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(3) {
        match random.below(7) {
            0 | 1 => text.push_str(random.pick(TEXTS)),
            2 => text += &format!("'{}'", random.pick(SINGLE)),
            3 | 4 => {
                let parts: String = (0..=random.below(2)).map(|_| random.pick(DOUBLE)).collect();
                text += &format!("\"{parts}\"");
            }
            5 => text.push_str(random.pick(BARE)),
            _ => text.push_str(random.pick(&["\\ ", "\\'", "\\\n", "\\$", "\\~", "\\\\", "\\a", "''", "\"\""])),
        }
    }
    text
}

/// A value that every reader agrees on: without such ones nearly every file would be refused.
fn plain_value(random: &mut Random) -> String {
    match random.below(4) {
        0 => format!("'{}'", random.pick(&["abc", "sk-1", "a b", "x=y"])),
        1 => format!("\"{}\"", random.pick(&["abc", "a b", "$HOME/x", "it's"])),
        _ => random.pick(&["abc", "v1", "sk-ant-123", "a.b/c", "1"]).to_owned(),
    }
}

fn assignment(random: &mut Random) -> String {
    let name = NAMES[random.below(NAMES.len())];
    let operator = if random.one_in(12) { "+=" } else { "=" };
    let value = if random.one_in(2) { value(random) } else { plain_value(random) };
    format!("{name}{operator}{value}")
}

fn simple(random: &mut Random) -> String {
    match random.below(16) {
        0..=4 => format!("export {}", assignment(random)),
        5..=7 => assignment(random),
        8 => format!("{} {}", assignment(random), assignment(random)),
        9 => format!("export {} {}", assignment(random), assignment(random)),
        10 => format!("{} {}", random.pick(&["declare -x", "typeset", "readonly", "typeset -gx", "export --"]), assignment(random)),
        11 => format!("{} nosuchcmd x", assignment(random)),
        12 => random.pick(TRAPS).to_owned(),
        _ => random.pick(STATEMENTS).to_owned(),
    }
}

fn redirect(random: &mut Random) -> &'static str {
    random.pick(&["", "", "", "", "", " >/dev/null", " 2>&1", " </dev/null", " <nosuch", " >out", " 2>/dev/null"])
}

fn statement(random: &mut Random, depth: usize) -> String {
    if depth > 2 || !random.one_in(4) {
        return format!("{}{}", simple(random), redirect(random));
    }
    let inner = |random: &mut Random| {
        let count = 1 + random.below(2);
        (0..count).map(|_| statement(random, depth + 1)).collect::<Vec<_>>().join("\n")
    };
    let one = inner(random);
    let two = inner(random);
    let condition = random.pick(&["true", "false", ":", "[ -n \"$A\" ]", "[ -f x ]", "[[ -n $B ]]", "nosuchcmd", "! true"]);
    match random.below(16) {
        0 => format!("if {condition}; then\n{one}\nfi"),
        1 => format!("if {condition}; then {one}\nelse\n{two}\nfi"),
        2 => format!("if {condition}; then\n{one}\nelif {condition}; then\n{two}\nfi"),
        3 => format!("{condition} && {one}"),
        4 => format!("{condition} || {one}"),
        5 => format!("{one} && {two}"),
        6 => format!("for {} in a b; do\n{one}\ndone", random.pick(&NAMES)),
        7 => format!("while false; do {one}\ndone"),
        8 => format!("case $A in\nx*) {one};;\n*) {two};;\nesac"),
        9 => format!("{}() {{\n{one}\n}}", random.pick(&["f", "g", "k"])),
        10 => format!("{{ {one}\n}}"),
        11 => format!("(\n{one}\n)"),
        12 => format!("{one} | {two}"),
        13 => format!("{one} &"),
        14 => format!("cat <<{}EOF{}\n{}\nEOF", random.pick(&["", "'", "-"]).trim_end_matches('\''), "", value(random)),
        _ => format!(": <<'EOF'\nexport KEY=heredoc\n{}\nEOF", plain_value(random)),
    }
}

/// A whole file.
pub fn file(random: &mut Random) -> Vec<u8> {
    let mut text = String::new();
    if random.one_in(60) {
        text.push('\u{feff}');
    }
    for _ in 0..=random.below(6) {
        match random.below(24) {
            0 => text.push_str(random.pick(&["# comment", "#KEY=no", "   # it's", "", "  "])),
            1 => text += &format!("{}; {}", statement(random, 0), statement(random, 0)),
            2 => text += &format!("{} # it's a comment", simple(random)),
            3 => text += &format!("  {} \\\n  {}", simple(random), assignment(random)),
            4 if random.one_in(4) => text.push_str(random.pick(JUNK)),
            _ => text.push_str(&statement(random, 0)),
        }
        text.push('\n');
    }
    if random.one_in(2) {
        text += &format!("export KEY={}\n", plain_value(random));
    }
    if random.one_in(12) {
        text = text.replace('\n', "\r\n");
    }
    if random.one_in(6) {
        text.pop();
    }
    text.into_bytes()
}

/// One of the corpus's files, damaged.
pub fn mutation(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    loop {
        let mut text = corpus[random.below(corpus.len())].clone();
        text.truncate(3000);
        for _ in 0..=random.below(3) {
            damage(random, &mut text, corpus);
        }
        if is_harmless(&text) {
            return text;
        }
    }
}

fn damage(random: &mut Random, text: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    const BYTES: &[u8] = b"'\"\\`$(){}[];&|<# \t\n\r=~:*?!^+-@%,.a1\xc3\xa9";
    let at = random.below(text.len() + 1);
    match random.below(6) {
        0 => text.insert(at, BYTES[random.below(BYTES.len())]),
        1 if at < text.len() => {
            text.remove(at);
        }
        2 if at < text.len() => text[at] = BYTES[random.below(BYTES.len())],
        3 => text.truncate(at),
        4 => {
            let other = &corpus[random.below(corpus.len())];
            text.extend_from_slice(&other[..other.len().min(1000)]);
        }
        _ => {
            let piece = if random.one_in(2) { random.pick(BARE) } else { random.pick(JUNK) };
            text.splice(at..at, piece.bytes());
        }
    }
}

/// Whether a damaged file may be run: it must not write anywhere but to `/dev/null` or its own directory.
fn is_harmless(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'>').skip(1).all(|after| {
        let skipped = after.iter().take_while(|byte| b"|& \t!\\\n\r".contains(byte)).count();
        let target = &after[skipped..];
        let end = target.iter().position(|byte| b" \t\n;&|)<".contains(byte)).unwrap_or(target.len());
        let target = &target[..end];
        target == b"/dev/null" || !target.iter().any(|byte| b"/$~`\\\"'{*?[".contains(byte))
    })
}
