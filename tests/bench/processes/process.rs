//! What the kernel has counted about a process (proc(5)).

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A process of any program.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

/// In kilobytes.
#[derive(Clone, Copy)]
pub struct Memory {
    pub rss: u64,
    pub pss: u64,
    pub anonymous: u64,
}

/// By thread.
pub struct Switches(HashMap<OsString, u64>);

impl Switches {
    /// Of all threads that are still there.
    pub fn since(&self, before: &Self) -> u64 {
        self.0.iter().map(|(thread, count)| count - before.0.get(thread).unwrap_or(&0)).sum()
    }
}

impl Process {
    fn text(self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; this is to be run as root"))
    }

    pub fn memory(self) -> Memory {
        let text = self.text("smaps_rollup");
        Memory { rss: field(&text, "Rss:"), pss: field(&text, "Pss:"), anonymous: field(&text, "Anonymous:") }
    }

    pub fn threads(self) -> u64 {
        field(&self.text("status"), "Threads:")
    }

    /// How often each of its threads gave up the processor by itself: what it woke up for.
    pub fn switches(self) -> Switches {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.0)).unwrap().flatten();
        // A thread may end meanwhile.
        let texts = tasks.filter_map(|task| Some((task.file_name(), fs::read_to_string(task.path().join("status")).ok()?)));
        Switches(texts.map(|(thread, text)| (thread, field(&text, "voluntary_ctxt_switches:"))).collect())
    }

    /// Processor time of its own and of its children that have ended, in steps of a hundredth of a second.
    pub fn cpu(self) -> Duration {
        let text = self.text("stat");
        // The second field is a name in parentheses; utime, stime, cutime and cstime are the 14th to the 17th.
        let (_, rest) = text.rsplit_once(") ").unwrap();
        let ticks: u64 = rest.split(' ').skip(11).take(4).map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    /// Bytes given to write(2) and its like, also by children that have ended.
    pub fn written(self) -> u64 {
        field(&self.text("io"), "wchar:")
    }

    pub fn descriptors(self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0)).unwrap().count()
    }

    /// Of the program that it runs.
    pub fn program_size(self) -> u64 {
        fs::metadata(PathBuf::from(format!("/proc/{}/exe", self.0))).unwrap().len()
    }
}

fn field(text: &str, name: &str) -> u64 {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.and_then(|value| value.split_whitespace().next()?.parse().ok()).unwrap_or_else(|| panic!("no {name} in {text}"))
}

/// As megabytes.
pub fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}
