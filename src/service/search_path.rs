//! The `PATH` that a service is given.

use std::collections::BTreeSet;
use std::ffi::OsStr;

/// Where the system's own programs are: what a service gets whose installer had no `PATH` to speak of.
const USUAL: &str = "/usr/local/bin:/usr/bin:/bin";

/// The absolute directories of a `PATH`, each once, in order.
///
/// Empty and relative entries mean the current directory of a shell, which a service doesn't have; one
/// that can't be written into a service's file is left out as well.
pub(super) fn clean(path: &OsStr) -> String {
    let mut seen = BTreeSet::new();
    let kept: Vec<_> = std::env::split_paths(path)
        .filter(|dir| dir.is_absolute())
        .filter_map(|dir| dir.to_str().map(str::to_owned))
        .filter(|dir| !super::has_control(dir))
        .filter(|dir| seen.insert(dir.clone()))
        .collect();
    if kept.is_empty() { USUAL.to_owned() } else { kept.join(":") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_directories_stay() {
        let path = ":.:bin:/usr/bin:~/bin:/opt/a b:/usr/bin:/bad\ndir:/bin:";
        assert_eq!(clean(OsStr::new(path)), "/usr/bin:/opt/a b:/bin");
        assert_eq!(clean(OsStr::new("")), USUAL);
        assert_eq!(clean(OsStr::new(".:")), USUAL);
    }
}
