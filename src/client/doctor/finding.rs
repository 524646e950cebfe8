//! What a check found.

use super::repair::Repair;
use crate::client::terminal::clean;
use crate::protocol::{Problem, Severity};

/// Something that a check found, and what can be done about it here and now.
pub struct Finding {
    /// As it is told. Its texts hold names of files and processes, and are fit for a terminal.
    pub problem: Problem,
    /// A repair that can do no harm; carried out only after asking.
    pub repair: Option<Repair>,
}

impl Finding {
    /// Good to know.
    pub fn info(code: &str, message: &str, fix: &str) -> Self {
        Self::new(code, Severity::Info, message, fix)
    }

    /// Will go wrong.
    pub fn warning(code: &str, message: &str, fix: &str) -> Self {
        Self::new(code, Severity::Warning, message, fix)
    }

    /// Is wrong.
    pub fn error(code: &str, message: &str, fix: &str) -> Self {
        Self::new(code, Severity::Error, message, fix)
    }

    /// With its severity as an argument.
    pub fn new(code: &str, severity: Severity, message: &str, fix: &str) -> Self {
        let problem = Problem { code: clean(code), severity, message: clean(message), fix: clean(fix), about: Vec::new() };
        Self { problem, repair: None }
    }

    /// With a repair.
    #[must_use]
    pub fn repaired_by(self, repair: Repair) -> Self {
        Self { repair: Some(repair), ..self }
    }
}
