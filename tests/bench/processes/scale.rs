//! What ten thousand keys cost.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::arguments::Wanted;
use super::edits::{QUIET, SEEN};
use super::log::Logged;
use super::spread::Spread;
use super::support::home::Home;

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const KEYS_A_FILE: usize = 5;
const KEYS_A_CONSUMER: usize = 50;
const EDITS: u32 = 20;
const PATIENCE: Duration = Duration::from_mins(2);
/// What a start leaves to do.
const SETTLING: Duration = Duration::from_secs(3);

/// What was measured with so many keys.
struct Row {
    keys: usize,
    live: Duration,
    anonymous: u64,
    cpu: Duration,
    /// For each edit, ascending.
    written: Vec<u64>,
    late: Spread,
    json: Duration,
    text: Duration,
    short: Duration,
}

pub fn measure(_: &Wanted) -> String {
    let rows: Vec<Row> = SIZES.into_iter().map(with_keys).collect();
    let mut table =
        "| Keys | Live after | Anonymous | A key | CPU of an edit | Written for an edit | Edit to decision | `status --json` | `status` | \
                     `status --short` |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
            .to_owned();
    for Row { keys, live, anonymous, cpu, written, late, json, text, short } in &rows {
        // By how much it is more than the smallest.
        let more = (anonymous.saturating_sub(rows[0].anonymous) * 1024) / u64::try_from((keys - rows[0].keys).max(1)).unwrap();
        let ms = |duration: &Duration| duration.as_secs_f64() * 1e3;
        writeln!(
            table,
            "| {keys} | {:.2} s | {anonymous} KB | {more} B | {:.1} ms | {} B ({} B) | {:.1} ms | {:.0} ms | {:.0} ms | {:.0} ms |",
            live.as_secs_f64(),
            ms(cpu),
            written[written.len() / 2],
            written[written.len() - 1],
            late.median() * 1e3,
            ms(json),
            ms(text),
            ms(short),
        )
        .unwrap();
    }
    writeln!(
        table,
        "\n{KEYS_A_FILE} keys a file, {KEYS_A_CONSUMER} a consumer, none probed. An edit: of one file, with the worker that reads it, the mean \
         of {EDITS}; what it writes is the median (worst), its time the median beyond the {} ms for which a file must be quiet. A key: what is more than with {} keys.",
        QUIET.as_millis(),
        SIZES[0]
    )
    .unwrap();
    table
}

fn with_keys(keys: usize) -> Row {
    let home = Home::new();
    let file = |number: usize| home.path().join(format!("{number}.env"));
    let mut config = String::new();
    for key in 0..keys {
        let file = file(key / KEYS_A_FILE);
        writeln!(
            config,
            "[[keys]]\nname = \"key-{key}\"\nvariable = \"KEY_{}\"\nenv_file = \"{}\"\nprobe = \"off\"",
            key % KEYS_A_FILE,
            file.display()
        )
        .unwrap();
    }
    for consumer in 0..keys.div_ceil(KEYS_A_CONSUMER) {
        let uses: Vec<String> =
            (0..keys).skip(consumer * KEYS_A_CONSUMER).take(KEYS_A_CONSUMER).map(|key| format!("\"key-{key}\"")).collect();
        writeln!(
            config,
            "[[consumers]]\nname = \"consumer-{consumer}\"\nkeys = [{}]\nmatch = [\"credd-bench-nobody\", \"{consumer}\"]",
            uses.join(", ")
        )
        .unwrap();
    }
    home.write_config(&config);
    let files = keys.div_ceil(KEYS_A_FILE);
    for number in 0..files {
        write(&file(number), number, 0);
    }
    let daemon = Logged::start(&home);
    let live = (0..keys).fold(daemon.begun, |_, _| daemon.wait_for(SEEN, PATIENCE)) - daemon.begun;
    sleep(SETTLING);
    let anonymous = daemon.process().memory().anonymous;

    let cpu = daemon.process().cpu();
    let mut written = Vec::new();
    let late = Spread::of((1..=EDITS).map(|round| {
        daemon.forget();
        let before = daemon.process().written();
        let number = files / 2;
        write(&file(number), number, round);
        let edited = Instant::now();
        let late = (daemon.wait_for(SEEN, PATIENCE) - edited).saturating_sub(QUIET);
        // Consumers are looked at.
        sleep(QUIET);
        written.push(daemon.process().written() - before);
        late
    }));
    let cpu = daemon.process().cpu().saturating_sub(cpu) / EDITS;
    written.sort_unstable();
    let ask = |arguments: &[&str]| {
        let mut command = home.command(super::CREDD);
        command.args(arguments);
        let times = (0..5).map(|_| time(&mut command));
        Duration::from_secs_f64(Spread::of(times).median())
    };
    let (json, text, short) = (ask(&["status", "--json"]), ask(&["status"]), ask(&["status", "--short"]));
    Row { keys, live, anonymous, cpu, written, late, json, text, short }
}

/// The first key of the file has another value each round.
fn write(file: &PathBuf, number: usize, round: u32) {
    let value = |key: usize| if key == 0 { round } else { 0 };
    let lines: Vec<String> = (0..KEYS_A_FILE).map(|key| format!("export KEY_{key}=\"planted-{number}-{key}-{}\"\n", value(key))).collect();
    fs::write(file, lines.concat()).unwrap();
}

fn time(command: &mut Command) -> Duration {
    let begun = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
    begun.elapsed()
}
