//! A stand-in for LiteLLM that credd can find, look at and restart: it answers every request, and costs
//! next to nothing.

use std::fs::{self, File};
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use super::support::home::Home;
use super::support::http::{free_port, read_message};
use super::support::{is_running, wait};

pub const COMMAND: &str = "--play-consumer";
/// What it is called: nobody's LiteLLM.
const NAME: &str = "credd-bench-consumer";

/// `--port PORT --owner PID`.
pub fn serve(arguments: &[String]) {
    let after = |name: &str| arguments.iter().skip_while(|argument| *argument != name).nth(1).unwrap();
    let owner: u32 = after("--owner").parse().unwrap();
    thread::spawn(move || {
        // It was started anew by credd, which doesn't end it.
        while is_running(owner) {
            thread::sleep(Duration::from_secs(1));
        }
        std::process::exit(0);
    });
    let listener = TcpListener::bind(("127.0.0.1", after("--port").parse().unwrap())).unwrap();
    for mut stream in listener.incoming().flatten() {
        let _ = read_message(&mut BufReader::new(&stream));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    }
}

/// A running one, whoever started it last.
pub struct Consumer {
    first: Child,
    pub name: String,
    port: u16,
}

impl Consumer {
    /// Starts one with these variables and waits until it listens.
    pub fn start(home: &Home, name: &str, env: &[(&str, &str)]) -> Self {
        let program = program(home);
        let port = free_port();
        // credd stops nothing that it couldn't start again.
        fs::write(home.path().join(file_of(name)), "model_list: []\n").unwrap();
        let log = File::options().create(true).append(true).open(home.path().join("consumers.log")).unwrap();
        let mut command = home.command(program);
        command.args([COMMAND, "--port", &port.to_string(), "--owner", &std::process::id().to_string(), "--config", &file_of(name)]);
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let consumer = Self { first: command.spawn().unwrap(), name: name.to_owned(), port };
        wait::until_true("a stand-in to listen", Duration::from_secs(10), || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        consumer
    }

    /// What the configuration says of it, without its keys.
    pub fn config(&self) -> String {
        format!(
            "[[consumers]]\nname = \"{}\"\nmatch = [\"{NAME}\", \"--config\", \"{}\"]\nurl = \"http://127.0.0.1:{}\"\nhandover = false\n\
             verify = \"none\"\n",
            self.name,
            file_of(&self.name),
            self.port
        )
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // Its successors end with this process.
        let _ = self.first.kill();
        let _ = self.first.wait();
    }
}

fn file_of(name: &str) -> String {
    format!("{name}.yaml")
}

/// This program by the stand-in's name.
fn program(home: &Home) -> PathBuf {
    let link = home.path().join(NAME);
    if !link.exists() {
        symlink(std::env::current_exe().unwrap(), &link).unwrap();
    }
    link
}
