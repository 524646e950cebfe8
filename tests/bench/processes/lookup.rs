//! What finding a consumer costs among many processes.

use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use super::arguments::Wanted;
use super::log::Logged;
use super::stand_in::Consumer;
use super::support::daemon::SOON;
use super::support::home::Home;

const PROCESSES: usize = 500;
const LOOKS: u32 = 20;
/// Longer than a look takes.
const SETTLING: Duration = Duration::from_millis(150);

pub fn measure(_: &Wanted) -> String {
    let mut table =
        "| Processes | Configuration read anew | The same and a consumer looked for | Hence the look |\n| --- | --- | --- | --- |\n"
            .to_owned();
    let few = row(&mut table);
    let crowd = Crowd::gather(PROCESSES.saturating_sub(few));
    row(&mut table);
    drop(crowd);
    writeln!(table, "\nProcessor time of the daemon and its worker, the mean of {LOOKS}.").unwrap();
    table
}

/// Returns how many processes there are.
fn row(table: &mut String) -> usize {
    let home = Home::new();
    home.set_key("planted-lookup");
    let keys = "[[keys]]\nprobe = \"off\"\n";
    let without = reading_anew(&home, &format!("consumers = []\n{keys}"));
    let consumer = Consumer::start(&home, "litellm", &[("AWS_BEARER_TOKEN_BEDROCK", "planted-lookup")]);
    let with = reading_anew(&home, &format!("{keys}{}", consumer.config()));
    let count = processes();
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let look = ms(with.saturating_sub(without));
    writeln!(table, "| {count} | {:.1} ms | {:.1} ms | {look:.1} ms |", ms(without), ms(with)).unwrap();
    count
}

/// Processor time of taking up another configuration, after which each consumer is looked for.
fn reading_anew(home: &Home, config: &str) -> Duration {
    home.write_config(config);
    let daemon = Logged::start(home);
    daemon.wait_for("started", SOON);
    sleep(Duration::from_secs(1));
    let before = daemon.process().cpu();
    for round in 1..=LOOKS {
        home.write_config(&format!("{config}[alerts]\ndays = [{}]\n", 10 + round % 2));
        daemon.wait_for("read anew", SOON);
        sleep(SETTLING);
    }
    daemon.process().cpu().saturating_sub(before) / LOOKS
}

fn processes() -> usize {
    let names = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name());
    names.filter(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit())).count()
}

/// Processes that do nothing.
struct Crowd(Vec<Child>);

impl Crowd {
    fn gather(count: usize) -> Self {
        Self((0..count).map(|_| Command::new("sleep").arg("600").spawn().unwrap()).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
