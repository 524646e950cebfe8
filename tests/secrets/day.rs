//! A day of edits, probes, renewals and restarts.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::canaries::{Canary, Net};
use crate::lookers::{self, Find, Watch, may_hold};
use crate::support::bedrock::BedrockStandIn;
use crate::support::daemon::{Daemon, SOON};
use crate::support::desktop::Desktop;
use crate::support::home::Home;
use crate::support::iam::IamStandIn;
use crate::support::light::Light;
use crate::support::litellm::{LiteLlm, Options, READY_TIMEOUT};
use crate::support::{installed, said, wait};
use crate::{CREDD, is_root};

/// Twenty edits, as asked; six for every day.
fn edits() -> usize {
    if std::env::var_os("CREDD_LONG").is_some() { 20 } else { 6 }
}

/// Takes its standard input, arguments and environment down.
const COMMAND: &str = "#!/bin/sh\n{ cat; echo; echo \"$@\"; env; } >> \"$HOME/alerts\"\n";

/// All that the socket says.
fn socket(home: &Home) -> String {
    let mut all = String::new();
    for path in ["/v1/status", "/v1/history?n=10000", "/v1/events", "/metrics", "/v1/nothing"] {
        let mut stream = UnixStream::connect(home.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: credd\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        all += &String::from_utf8_lossy(&said);
    }
    all
}

/// All that the commands say.
fn commands(daemon: &Daemon<'_>) -> String {
    let all: [&[&str]; 10] = [
        &["status"],
        &["status", "--json"],
        &["status", "--short"],
        &["check"],
        &["history", "--json", "-n", "10000"],
        &["history", "-n", "10000"],
        &["config", "--print"],
        &["doctor"],
        &["doctor", "--json"],
        &["verify"],
    ];
    all.into_iter().map(|args| said(&daemon.credd(args))).collect()
}

/// Looks where nothing comes and goes.
fn look(daemon: &Daemon<'_>, home: &Home, canaries: &[Canary], desktop: Option<&Desktop>) -> Vec<Find> {
    let net = Net::of(canaries);
    let mut found = lookers::text("the socket", &net, &socket(home));
    found.extend(lookers::text("a command", &net, &commands(daemon)));
    found.extend(lookers::text("the log", &net, &daemon.log()));
    found.extend(lookers::files(home.path(), &net, &may_hold));
    if let Some(desktop) = desktop {
        found.extend(lookers::text("a notification", &net, &format!("{:?}", desktop.notifications())));
    }
    let (in_memory, looked_at) = lookers::memory(daemon.pid(), &net);
    assert!(looked_at > 1 << 20, "{looked_at} bytes of memory");
    found.extend(in_memory);
    found
}

#[test]
fn of_many_keys_nothing_stays() {
    if !is_root() {
        return;
    }
    let desktop = Desktop::start();
    let bedrock = BedrockStandIn::start(Vec::<String>::new());
    let home = Home::new().asking(&bedrock.url()).on_bus(&desktop.bus());
    let (master, password) = (Canary::plain("master key", "sk-"), Canary::plain("password of the proxy", ""));
    let (static_key, first) = (Canary::plain("static AWS key", ""), Canary::key("first"));
    bedrock.accept(&first.value);
    // The stand-in's own, which names keys: not in the home that is looked through.
    let aside = tempfile::tempdir().unwrap();
    let behaviour = aside.path().join("behaviour");
    let light = Light::start(
        &home,
        &[
            ("AWS_BEARER_TOKEN_BEDROCK", &first.value),
            ("LITELLM_MASTER_KEY", &master.value),
            ("FAKE_BEHAVIOUR", behaviour.to_str().unwrap()),
        ],
    );
    let command = home.path().join("alert");
    fs::write(&command, COMMAND).unwrap();
    fs::set_permissions(&command, fs::Permissions::from_mode(0o755)).unwrap();
    home.write_config(&format!("[alerts]\ncommand = [\"{}\", \"an argument\"]\n{}", command.display(), light.consumer()));
    let write = |key: &Canary| {
        home.write_env(&format!(
            "export AWS_BEARER_TOKEN_BEDROCK='{}'\nexport LITELLM_MASTER_KEY='{}'\nexport AWS_ACCESS_KEY_ID=AKIAPLANTED\n\
             export AWS_SECRET_ACCESS_KEY='{}'\n",
            key.value, master.value, static_key.value
        ));
    };
    write(&first);
    let mut canaries = vec![master.clone(), static_key.clone(), first.clone()];
    let watch = Watch::start(&home, home.path().join("litellm.yaml").to_str().unwrap(), may_hold);
    for canary in &canaries {
        watch.look_for(canary);
    }
    // Started from a shell that has read the env file, and where HTTPS_PROXY is set. That one stays in the environment,
    // since workers need it; it is looked for everywhere else.
    let start = || {
        Daemon::start_with(CREDD, &home, |command| {
            command.env("AWS_BEARER_TOKEN_BEDROCK", &first.value).env("CREDD_LOG", "trace");
            command.env("HTTPS_PROXY", format!("http://user:{}@127.0.0.1:9", password.value));
        })
    };
    let early = std::thread::spawn({
        // Until it has begun anew, the daemon has what it was given.
        let known = watch.found().len();
        move || known
    });
    let mut daemon = start();
    daemon.until("LiteLLM", SOON, |status| status["consumers"][0]["state"] == "current");
    let known = early.join().unwrap();
    let is_start =
        |(place, name): &Find| place.starts_with("environment of") && place.contains("credd -v run") && name.starts_with("first");
    let mut allowed = watch.found().into_iter().skip(known).filter(is_start).count();

    for edit in 0..edits() {
        let key = Canary::key(&format!("edit-{edit}"));
        watch.look_for(&key);
        // Every fifth is refused: by Bedrock, or by LiteLLM, which quotes it.
        let is_refused = edit % 5 == 3;
        if is_refused {
            fs::write(&behaviour, format!("{{\"{}\": [\"refused\"]}}", key.value)).unwrap();
        }
        if !is_refused || edit % 2 == 1 {
            bedrock.accept(&key.value);
        }
        if edit % 4 == 2 {
            let mut renew = daemon.command();
            renew.args(["renew", "--stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut renew = renew.spawn().unwrap();
            renew.stdin.take().unwrap().write_all(key.value.as_bytes()).unwrap();
            let output = renew.wait_with_output().unwrap();
            assert_eq!(lookers::text("renew", &Net::of([&key]), &said(&output)), []);
            // Taken up or not: after three restarts, the consumer has to wait.
            assert!(said(&output).contains("has the new key"), "{}", said(&output));
        } else {
            write(&key);
        }
        daemon.until("the key to be seen", SOON, |status| {
            status["keys"][0]["probe"]["verdict"]
                == if bedrock.requests().iter().any(|r| r.bearer.as_deref() == Some(key.value.as_str()) && r.status == 200) {
                    "works"
                } else {
                    "rejected"
                }
                && bedrock.requests().iter().any(|request| request.bearer.as_deref() == Some(key.value.as_str()))
        });
        // By itself it is restarted three times in ten minutes.
        let applied = daemon.credd(&["apply", "--force"]);
        assert_eq!(lookers::text("apply", &Net::of([&key]), &said(&applied)), []);
        canaries.push(key);
        fs::remove_file(&behaviour).ok();
        if edit == edits() / 2 {
            assert_eq!(look(&daemon, &home, &canaries, Some(&desktop)), [], "in the middle");
            daemon.kill();
            let before = watch.found().len();
            daemon = start();
            daemon.until("LiteLLM again", SOON, |status| {
                status["keys"][0]["state"] != "missing" && status["consumers"][0]["pid"].is_number()
            });
            allowed += watch.found().into_iter().skip(before).filter(is_start).count();
        }
    }
    let restarts = daemon.log().matches("event=applied").count();
    assert!(restarts >= edits() / 2, "{restarts} restarts of {}: {}", edits(), daemon.log());
    desktop.wait_for_notification(|_| true, SOON);
    wait::until_true("the alert command", SOON, || home.path().join("alerts").exists());

    let found = look(&daemon, &home, &canaries, Some(&desktop));
    assert_eq!(found, []);
    // The password stands in the environment, which is at the end of the stack.
    let everywhere = Net::of([&password]);
    let told = format!("{}{}{}{:?}", socket(&home), commands(&daemon), daemon.log(), desktop.notifications());
    assert_eq!(lookers::text("what is told", &everywhere, &told), []);
    let state = home.state_dir().join("credd");
    assert_eq!(lookers::files(&state, &everywhere, &|_| false), []);
    daemon.stop();
    assert_eq!(lookers::files(home.path(), &Net::of(&canaries), &may_hold), []);
    let (found, rounds) = watch.stop();
    let found: Vec<_> = found.into_iter().filter(|find| !is_start(find)).collect();
    assert_eq!(found, [], "while it went on ({allowed} looks before the daemon began anew)");
    eprintln!("{} keys, {restarts} restarts, {rounds} looks at all processes and files", canaries.len());
}

#[test]
fn of_a_key_that_iam_makes_nothing_stays() {
    if !is_root() {
        return;
    }
    let bedrock = Arc::new(BedrockStandIn::start(Vec::<String>::new()));
    let iam = IamStandIn::start(Some(Arc::clone(&bedrock)));
    iam.add_user("BedrockAPIKey-ab12");
    let old = iam.add_key("BedrockAPIKey-ab12", Some(30));
    let home = Home::new().asking(&bedrock.url());
    home.write_config("consumers = []\n[alerts]\ndesktop = false\n[[keys]]\nname = \"bedrock\"\niam = \"read\"\naws_profile = \"dev\"\n");
    let static_key = Canary::plain("static AWS key", "");
    for dir in [".aws", "bin"] {
        fs::create_dir(home.path().join(dir)).unwrap();
    }
    fs::write(home.path().join(".aws/config"), "[profile dev]\nregion = us-east-1\n").unwrap();
    let credentials = home.path().join(".aws/credentials");
    let text = format!("[dev]\naws_access_key_id = {}000000001\naws_secret_access_key = {}\n", "AKIAPLANTED", static_key.value);
    fs::write(&credentials, text).unwrap();
    fs::set_permissions(&credentials, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(installed("aws/bin/aws", "aws"), home.path().join("bin/aws")).unwrap();
    home.set_key(&old.value);
    let watch = Watch::start(&home, "no consumer", may_hold);
    let mut canaries = vec![static_key, Canary::of("old", &old.value)];
    for canary in &canaries {
        watch.look_for(canary);
    }
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        let path = format!("{}:{}", home.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
        command.env("PATH", path).envs(iam.environment()).env("CREDD_LOG", "trace");
    });
    daemon.until("IAM's word", READY_TIMEOUT, |status| status["keys"][0]["iam"]["credential"]["id"] == old.id.as_str());
    let renewed = daemon.credd(&["renew", "--iam"]);
    assert!(renewed.status.success(), "{}\n{}", said(&renewed), daemon.log());
    let keys = iam.keys("BedrockAPIKey-ab12");
    canaries.push(Canary::of("made", &keys.iter().find(|key| key.id != old.id).unwrap().value));
    assert_eq!(lookers::text("renew", &Net::of(&canaries), &said(&renewed)), []);
    assert_eq!(look(&daemon, &home, &canaries, None), []);
    assert_eq!(watch.stop().0, []);
}

#[test]
fn with_the_real_litellm() {
    if !is_root() {
        return;
    }
    let [old, new] = ["old", "new"].map(Canary::key);
    let bedrock = BedrockStandIn::start([&old.value, &new.value].map(String::clone));
    let home = Home::new().asking(&bedrock.url());
    let proxy = LiteLlm::launch(&bedrock, &old.value, &Options::default());
    proxy.wait_ready();
    let config = proxy.dir().join("config.yaml");
    home.write_config(&format!(
        "[alerts]\ndesktop = false\n[[consumers]]\nname = \"litellm\"\nmatch = [\"litellm\", \"--config\", \"{}\"]\n",
        config.display()
    ));
    home.set_key(&old.value);
    let watch = Watch::start(&home, config.to_str().unwrap(), may_hold);
    for canary in [&old, &new] {
        watch.look_for(canary);
    }
    let daemon = Daemon::start_with(CREDD, &home, |command| {
        command.env("CREDD_LOG", "trace");
    });
    daemon.until("LiteLLM", SOON, |status| status["consumers"][0]["state"] == "current");
    home.set_key(&new.value);
    daemon.until("the hand-over", READY_TIMEOUT * 2, |status| {
        status["consumers"][0]["last_apply"]["outcome"] == "applied" && status["consumers"][0]["state"] == "current"
    });
    assert_eq!(proxy.key_in_use().as_deref(), Some(new.value.as_str()));
    assert_eq!(look(&daemon, &home, &[old, new], None), []);
    assert_eq!(watch.stop().0, []);
}
