//! Tables in the README, between marks, so that each can be measured anew by itself.

use std::fs;
use std::path::Path;

/// Puts a text between `<!-- MARK -->` and `<!-- /MARK -->`.
pub fn write(mark: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let (begin, end) = (format!("<!-- {mark} -->"), format!("<!-- /{mark} -->"));
    let readme = fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(&begin).expect("the mark where the table begins");
    let (_, tail) = rest.split_once(&end).expect("the mark where the table ends");
    fs::write(&path, format!("{head}{begin}\n{text}{end}{tail}")).unwrap();
}
