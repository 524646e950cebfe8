//! What starting costs: from exec to the first answer on the socket.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::CREDD;
use super::arguments::Wanted;
use super::base;
use super::build::lay_down;
use super::spread::Spread;
use super::support::bedrock::BedrockStandIn;
use super::support::home::Home;
use super::support::run;

const KEY: &str = "ABSK-planted-start";
const ROUNDS: usize = 100;
/// Between two tries to connect.
const PAUSE: Duration = Duration::from_micros(50);
const PATIENCE: Duration = Duration::from_secs(20);
/// Workers of a start have come and gone: one that is just being forked has the lock that the next daemon needs.
const SETTLING: Duration = Duration::from_millis(100);

pub fn measure(_: &Wanted) -> String {
    let bedrock = BedrockStandIn::start([KEY]);
    let home = Home::new().asking(&bedrock.url());
    home.set_key(KEY);
    home.write_config("[[consumers]]\nname = \"litellm\"\nmatch = [\"credd-bench-nobody\", \"--config\"]\n");
    let base_socket = home.runtime_dir().join("base");
    let program = home.path().join("base");
    lay_down(&std::env::current_exe().unwrap(), &program);
    let mut base = home.command(program);
    base.arg(base::COMMAND).arg(&base_socket);
    let mut credd = home.command(CREDD);
    credd.args(["-q", "run"]);
    let (mut base_took, mut credd_took) = (Vec::new(), Vec::new());
    // The first one makes the state, and isn't counted.
    for round in 0..=ROUNDS {
        let took = (once(&mut base, &base_socket), once(&mut credd, &home.socket()));
        if round > 0 {
            base_took.push(took.0);
            credd_took.push(took.1);
        }
    }
    let (base, credd) = (Spread::of(base_took), Spread::of(credd_took));
    let mut table = "| Start to ready | Median | Nine of ten | × base |\n| --- | --- | --- | --- |\n".to_owned();
    for (name, spread) in [("base: tokio on one thread, a socket", &base), ("credd", &credd)] {
        let (median, ninth, ratio) = (spread.median() * 1e3, spread.ninth() * 1e3, spread.median() / base.median());
        writeln!(table, "| {name} | {median:.2} ms | {ninth:.2} ms | {ratio:.2} |").unwrap();
    }
    writeln!(table, "\nFrom exec to the first answer on the socket, {ROUNDS} starts of each in turns.").unwrap();
    table
}

fn once(command: &mut Command, socket: &Path) -> Duration {
    let _ = std::fs::remove_file(socket);
    let begun = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
    while answer(socket).is_none() {
        assert!(begun.elapsed() < PATIENCE, "{command:?} doesn't answer");
        sleep(PAUSE);
    }
    let took = begun.elapsed();
    sleep(SETTLING);
    end(&mut child);
    took
}

/// The first byte of an answer from the daemon's loop.
fn answer(socket: &Path) -> Option<u8> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(b"GET /v1/history?n=1 HTTP/1.1\r\nHost: credd\r\nConnection: close\r\n\r\n").ok()?;
    let mut first = [0];
    stream.read_exact(&mut first).ok()?;
    Some(first[0])
}

fn end(child: &mut Child) {
    run(Command::new("kill").arg(child.id().to_string()));
    child.wait().unwrap();
}
