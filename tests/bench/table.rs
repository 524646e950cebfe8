//! The table, and its place in the README.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::measure::Change;

const BEGIN: &str = "<!-- key-change -->";
const END: &str = "<!-- /key-change -->";

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

/// Sorted, so that the worst is the last and the median in the middle: of an even number the upper one.
struct Spread(Vec<f64>);

impl Spread {
    fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut seconds: Vec<f64> = durations.map(|one| one.as_secs_f64()).collect();
        seconds.sort_by(f64::total_cmp);
        Self(seconds)
    }

    fn worst(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s ({:.2} s)", self.worst(), self.median())
    }
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

/// Puts it between the marks in the README.
pub fn write(run: &Run) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (head, rest) = readme.split_once(BEGIN).expect("the mark where the table begins");
    let (_, tail) = rest.split_once(END).expect("the mark where the table ends");
    fs::write(&path, format!("{head}{BEGIN}\n{run}{END}{tail}")).unwrap();
}
