//! Telling the plain `KEY=value` files of docker and systemd from files that a shell sources.

use super::Style;
use super::eval::Findings;

/// A file is plain where it assigns something and nothing in it exports, or might: such a file is written for a reader
/// that takes every assignment for the environment. Their values are still only claimed where the shells agree.
pub(super) fn style(findings: &Findings) -> Style {
    if findings.may_export || findings.assignments.is_empty() { Style::Shell } else { Style::Plain }
}
