//! Text as it was when somebody last looked at it and found it good: `tests/golden/NAME.txt`.
//!
//! `CREDD_GOLDEN=write` writes what there is now; the difference is for `git diff` and a reader.

use std::fs;
use std::path::Path;

/// Holds text against what is kept under a name.
pub fn hold(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.txt"));
    if std::env::var("CREDD_GOLDEN").is_ok_and(|what| what == "write") {
        fs::write(&path, text).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; make it with CREDD_GOLDEN=write", path.display()));
    let differs = kept.lines().zip(text.lines()).position(|(kept, now)| kept != now);
    let line = differs.unwrap_or_else(|| kept.lines().count().min(text.lines().count()));
    assert!(
        kept == text,
        "{} differs from line {} on ({:?} is now {:?}); if that is as it should be: CREDD_GOLDEN=write. All of it:\n{text}",
        path.display(),
        line + 1,
        kept.lines().nth(line),
        text.lines().nth(line)
    );
}
