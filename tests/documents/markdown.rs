//! What a Markdown document has that can be called.

/// The lines of its `sh` blocks that are commands, without their comments.
pub fn sh_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut in_sh = false;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            in_sh = kind == "sh";
        } else if in_sh {
            let command = line.split("  #").next().unwrap_or_default().trim();
            if !command.is_empty() && !command.starts_with('#') {
                lines.push(command.to_owned());
            }
        }
    }
    lines
}

/// Its code: each `sh` line, and each span between backticks. What isn't built yet is said to be so.
pub fn code(text: &str) -> Vec<String> {
    let mut code = sh_lines(text);
    let mut in_block = false;
    for line in text.lines().filter(|line| !line.starts_with("Not built yet")) {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

#[test]
fn commands_are_found() {
    let text = "a `credd x --y` b\n```sh\n# all\ncredd a  # one\n\ncredd b | c\n```\n```toml\ncredd z\n```\nNot built yet: `credd n`\n";
    assert_eq!(sh_lines(text), ["credd a", "credd b | c"]);
    assert_eq!(code(text), ["credd a", "credd b | c", "credd x --y"]);
}
