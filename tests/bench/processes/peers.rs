//! Others that wait in the background all day.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process::Process;
use super::support::home::Home;
use super::support::{installed, run, wait};

/// A running one; ended when dropped.
pub struct Peer {
    pub name: &'static str,
    pub process: Process,
    /// `None` for one that went into the background by itself.
    child: Option<Child>,
}

impl Peer {
    /// Those that wait as a user's daemons do. certmonger listens on the home's bus.
    pub fn all(home: &Home) -> Vec<Self> {
        vec![ssh_agent(home), gpg_agent(home), certmonger(home), pueued(home), watchexec(home)]
    }

    fn foreground(name: &'static str, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: {error}; run tests/setup --only bench"));
        Self { name, process: Process(child.id()), child: Some(child) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        match &mut self.child {
            Some(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            None => drop(Command::new("kill").arg(self.process.0.to_string()).status()),
        }
    }
}

/// Where [`ssh_agent`] listens.
pub fn ssh_socket(home: &Home) -> impl AsRef<Path> + use<> {
    home.runtime_dir().join("ssh")
}

pub fn ssh_agent(home: &Home) -> Peer {
    let socket = ssh_socket(home);
    let peer = Peer::foreground("ssh-agent", home.command("ssh-agent").arg("-D").arg("-a").arg(socket.as_ref()));
    wait::until_true("ssh-agent to listen", Duration::from_secs(10), || socket.as_ref().exists());
    peer
}

/// Its directory; [`gpg_agent`] makes it.
pub fn gpg_home(home: &Home) -> impl AsRef<Path> + use<> {
    home.path().join("gnupg")
}

pub fn gpg_agent(home: &Home) -> Peer {
    let directory = gpg_home(home);
    fs::create_dir_all(&directory).unwrap();
    run(Command::new("chmod").arg("700").arg(directory.as_ref()));
    // It keeps what it is given, so that the end of its output would never come.
    let mut agent = home.command("gpg-agent");
    agent.arg("--homedir").arg(directory.as_ref()).arg("--daemon").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(agent.status().is_ok_and(|status| status.success()), "gpg-agent doesn't start; run tests/setup --only bench");
    let said = run(home.command("gpg-connect-agent").arg("--homedir").arg(directory.as_ref()).args(["GETINFO pid", "/bye"]));
    let pid = said.lines().find_map(|line| line.strip_prefix("D ")?.parse().ok());
    Peer { name: "gpg-agent", process: Process(pid.unwrap_or_else(|| panic!("gpg-agent: {said}"))), child: None }
}

fn certmonger(home: &Home) -> Peer {
    let mut command = home.command("/usr/sbin/certmonger");
    for (variable, directory) in [
        ("CERTMONGER_REQUESTS_DIR", "certmonger/requests"),
        ("CERTMONGER_CAS_DIR", "certmonger/cas"),
        ("CERTMONGER_LOCAL_CA_DIR", "certmonger/local"),
        ("CERTMONGER_TMPDIR", "certmonger/tmp"),
    ] {
        let directory = home.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        command.env(variable, directory);
    }
    Peer::foreground("certmonger", command.args(["-s", "-n"]))
}

fn pueued(home: &Home) -> Peer {
    Peer::foreground("pueued", &mut home.command(installed("tools/bin/pueued", "bench")))
}

fn watchexec(home: &Home) -> Peer {
    let mut command = home.command(installed("tools/bin/watchexec", "bench"));
    Peer::foreground("watchexec", command.arg("--postpone").arg("-w").arg(home.env_file()).args(["--", "true"]))
}
