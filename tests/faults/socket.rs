//! A socket that is taken away from a running daemon.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{CREDD, events, home};
use crate::support::daemon::{Daemon, SOON};
use crate::support::{is_running, wait};

fn mode(path: &std::path::Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

fn signal(daemon: &Daemon<'_>, signal: Signal) {
    let pid = i32::try_from(daemon.pid()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[test]
fn is_made_again_whatever_takes_it() {
    let home = home();
    let daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let (socket, dir) = (home.socket(), home.runtime_dir().join("credd"));
    let away = home.path().join("away");
    let takers: [(&str, &dyn Fn()); 5] = [
        ("deleted", &|| fs::remove_file(&socket).unwrap()),
        // In two steps, between which the daemon would make it again.
        ("deleted with its directory", &|| {
            signal(&daemon, Signal::STOP);
            fs::remove_dir_all(&dir).unwrap();
            signal(&daemon, Signal::CONT);
        }),
        ("moved", &|| fs::rename(&socket, &away).unwrap()),
        ("moved with its directory", &|| {
            fs::remove_file(&away).unwrap();
            fs::rename(&dir, &away).unwrap();
        }),
        ("deleted again", &|| fs::remove_file(&socket).unwrap()),
    ];
    for (number, (what, take)) in takers.iter().enumerate() {
        // At rest: nothing but the taking can have it look.
        wait::until_true("the daemon to be there", SOON, || daemon.credd(&["status"]).status.success());
        take();
        wait::until_true(what, Duration::from_secs(5), || socket.exists());
        daemon.until("the daemon to answer", SOON, |status| status["live"] == true);
        assert_eq!((mode(&socket), mode(&dir)), (0o600, 0o700), "{what}");
        assert_eq!(events(&daemon).iter().filter(|event| *event == "socket-restored").count(), number + 1, "{what}");
    }
    assert!(is_running(daemon.pid()));
}

#[test]
fn what_somebody_put_in_its_place_is_left_until_it_goes() {
    let home = home();
    let mut daemon = Daemon::start(CREDD, &home);
    daemon.until("the key", SOON, |status| status["keys"][0]["state"] == "ok");
    let socket = home.socket();
    let others = home.path().join("others");
    let _listener = UnixListener::bind(&others).unwrap();
    fs::rename(&others, &socket).unwrap();
    wait::until_true("it to be seen", SOON, || daemon.log().contains("something else is in its place"));
    fs::rename(&socket, &others).unwrap();
    daemon.until("the daemon to answer", SOON, |status| status["live"] == true);
    assert_eq!(events(&daemon).iter().filter(|event| event.starts_with("socket-")).collect::<Vec<_>>(), ["socket-lost", "socket-restored"]);
    assert_eq!(daemon.stop(), Some(0));
    assert!(!socket.exists() && others.exists());
}
