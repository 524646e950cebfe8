//! A renewal by hand that is killed at any moment: `CREDD_LONG=1` tries two hundred.

use std::fs::{self, File};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::SOON;
use crate::{daemon, env_file, home};

fn key(number: u32) -> String {
    use base64::Engine;
    let text = format!("BedrockAPIKey-{number:03}-at-123456789012:planted-secret-{number:03}");
    format!("ABSK{}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// How long a renewal takes that is let go on, and what became of one that was killed.
#[test]
fn the_file_has_the_old_key_or_the_new_one_and_the_daemon_knows_which() {
    let points = if std::env::var_os("CREDD_LONG").is_some() { 200 } else { 25 };
    let bedrock = BedrockStandIn::start((0..=points).map(key));
    let home = home(&bedrock);
    home.set_key(&key(0));
    let daemon = daemon(&home);
    let paste = home.path().join("paste");
    let start = |number: u32| {
        fs::write(&paste, format!("{}\n", key(number))).unwrap();
        let mut command = daemon.command();
        command.args(["renew", "--stdin", "--no-browser"]).stdin(File::open(&paste).unwrap());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let begun = Instant::now();
    assert!(start(0).wait().unwrap().code() == Some(1), "the old key again");
    let refused = begun.elapsed();

    let (mut before, mut after) = (0, 0);
    let mut held = key(0);
    let mut whole = Duration::ZERO;
    for number in 1..=points {
        let mut child = start(number);
        let begun = Instant::now();
        if number == 1 {
            assert!(child.wait().unwrap().success());
            whole = begun.elapsed();
        } else {
            thread::sleep(whole * number / points);
            let _ = child.kill();
            let _ = child.wait();
        }
        let text = env_file(&home);
        let values: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("export AWS_BEARER_TOKEN_BEDROCK=\"")).collect();
        let [value] = values[..] else { panic!("{text}") };
        let value = value.strip_suffix('"').unwrap();
        assert!(text.ends_with('\n') && text.contains("LITELLM_MASTER_KEY"), "{text}");
        if value == held {
            before += 1;
        } else {
            assert_eq!(value, key(number), "{text}");
            after += 1;
            value.clone_into(&mut held);
        }
    }
    // Whatever came of it, the daemon goes by what is there.
    let user = format!("BedrockAPIKey-{}", &held_number(&held));
    daemon.until("the key that is there", SOON, |status| status["keys"][0]["user"] == user.as_str());
    let strays: Vec<_> =
        fs::read_dir(home.path()).unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().contains(".credd-")).collect();
    assert!(strays.len() <= usize::try_from(points).unwrap() / 10, "{strays:?}");
    assert!(before > 0 && after > 0, "old {before} times, new {after} times; whole {whole:?}, refused {refused:?}");
}

fn held_number(value: &str) -> String {
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(value.strip_prefix("ABSK").unwrap()).unwrap();
    String::from_utf8(decoded).unwrap()["BedrockAPIKey-".len()..][..3].to_owned()
}
