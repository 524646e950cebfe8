//! From the end of an edit to the daemon's decision.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::arguments::Wanted;
use super::log::Logged;
use super::spread::Spread;
use super::support::bedrock::BedrockStandIn;
use super::support::daemon::SOON;
use super::support::home::Home;

/// As the contract says.
pub const QUIET: Duration = Duration::from_millis(250);
/// What the daemon says of a new value.
pub const SEEN: &str = "event=key-new";
/// Long enough for all that follows an edit.
const SETTLING: Duration = Duration::from_millis(500);
const EDITS: usize = 50;
const BURST: usize = 10_000;

pub fn measure(_: &Wanted) -> String {
    let bedrock = BedrockStandIn::start(
        (0..=EDITS).map(|number| key("edit", number)).chain([key("last", 0)]).chain((0..BURST).map(|number| key("burst", number))),
    );
    let home = Home::new().asking(&bedrock.url());
    home.set_key(&key("edit", 0));
    home.write_config("[[consumers]]\nname = \"litellm\"\nmatch = [\"credd-bench-nobody\", \"--config\"]\n");
    let daemon = Logged::start(&home);
    daemon.wait_for(SEEN, SOON);
    let took = Spread::of((1..=EDITS).map(|number| {
        sleep(SETTLING);
        daemon.forget();
        let edited = edit(&home.env_file(), &key("edit", number));
        (daemon.wait_for(SEEN, SOON) - edited).saturating_sub(QUIET)
    }));

    let reads = Reads::count(&home.env_file());
    sleep(SETTLING);
    daemon.forget();
    edit(&home.env_file(), &key("last", 0));
    daemon.wait_for(SEEN, SOON);
    sleep(SETTLING);
    let of_one_edit = reads.so_far();
    daemon.forget();
    let begun = Instant::now();
    let last = (0..BURST).fold(begun, |_, number| edit(&home.env_file(), &key("burst", number)));
    let lasted = (last - begun).as_secs_f64();
    let after = (daemon.wait_for(SEEN, SOON) - last).saturating_sub(QUIET);
    sleep(SETTLING);
    let of_burst = reads.so_far() - of_one_edit;
    format!(
        "| Edit | Beyond the quiet period | The file was opened for reading |\n| --- | --- | --- |\n\
         | one, median of {EDITS} (worst) | {:.1} ms ({:.1} ms) | {of_one_edit} times |\n\
         | the last of {BURST} in {lasted:.1} s | {:.1} ms | {of_burst} times for all |\n\n\
         From the end of the last write to the daemon's decision in its log, less the {} ms for which a file must be quiet.\n",
        took.median() * 1e3,
        took.worst() * 1e3,
        after.as_secs_f64() * 1e3,
        QUIET.as_millis(),
    )
}

fn key(what: &str, number: usize) -> String {
    format!("ABSK-planted-{what}-{number}")
}

/// In place, as `>` does; when the file was closed.
pub fn edit(path: &Path, value: &str) -> Instant {
    fs::write(path, format!("export AWS_BEARER_TOKEN_BEDROCK=\"{value}\"\n")).unwrap();
    Instant::now()
}

/// How often a file was opened for reading and closed again, whoever did so.
struct Reads {
    watch: Child,
    closed: Arc<AtomicUsize>,
}

impl Reads {
    fn count(path: &Path) -> Self {
        // The kernel tells an event once that follows itself: what comes between two closings has to be watched too.
        let mut command = Command::new("inotifywait");
        command.args(["--monitor", "--event", "open", "--event", "close_nowrite", "--format", "%e"]).arg(path);
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut watch = spawned.unwrap_or_else(|error| panic!("inotifywait: {error}; run tests/setup --only bench"));
        let established =
            BufReader::new(watch.stderr.take().unwrap()).lines().map_while(Result::ok).any(|line| line.contains("established"));
        assert!(established, "inotifywait doesn't watch");
        let events = BufReader::new(watch.stdout.take().unwrap());
        let closed = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&closed);
        thread::spawn(move || {
            for line in events.lines().map_while(Result::ok) {
                if line.starts_with("CLOSE_NOWRITE") {
                    counting.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { watch, closed }
    }

    fn so_far(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}
