//! The table.

use std::fmt;
use std::time::Duration;

use super::measure::Change;
use super::spread::Spread;

pub struct Row {
    pub way: &'static str,
    pub changes: Vec<Change>,
}

pub struct Run {
    pub rows: Vec<Row>,
    /// How long LiteLLM takes by itself with nobody at work.
    pub alone: Vec<Duration>,
    /// The same beside another one that five clients keep at work.
    pub beside: Vec<Duration>,
    pub version: String,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (alone, beside) = (Spread::of(self.alone.iter().copied()), Spread::of(self.beside.iter().copied()));
        writeln!(f, "| Way | Failed / requests | Longest outage | Longest gap between answers | Edit → first answer with the new key |")?;
        writeln!(f, "| --- | --- | --- | --- | --- |")?;
        for Row { way, changes } in &self.rows {
            let failed: usize = changes.iter().map(|change| change.load.failed).sum();
            let total: usize = changes.iter().map(|change| change.load.total).sum();
            let outage = Spread::of(changes.iter().map(|change| change.load.outage));
            let gap = Spread::of(changes.iter().map(|change| change.load.gap));
            let took = Spread::of(changes.iter().map(|change| change.took));
            writeln!(
                f,
                "| {way} | {failed} / {total} | {outage} | {gap} | {:.1} s ({:.1} s = {:.2} × alone, {:.2} × beside) |",
                took.worst(),
                took.median(),
                took.median() / alone.median(),
                took.median() / beside.median()
            )?;
        }
        let changes = self.rows.first().map_or(0, |row| row.changes.len());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(
            f,
            "\nWorst (median) of {changes} changes in a row, requests of all; five clients that ask without pause, a model that takes \
             50 ms, LiteLLM {}, {cores} cores. LiteLLM's own start-up, up to its first answer, in the same run: {:.1} s alone, {:.1} s \
             beside another one that the clients keep at work (medians of {}).",
            self.version,
            alone.median(),
            beside.median(),
            self.alone.len(),
        )
    }
}
