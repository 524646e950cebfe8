//! `restart = "compose"`, against a stand-in for `docker` that takes notes (`tests/data/docker/docker`): no engine
//! can run where these tests do.

use std::fs;
use std::path::Path;
use std::time::Duration;

use credd::config::Restart;
use credd::core::{ApplyReport, KeyName, Outcome, RunBy};
use serde_json::{Value, json};

use crate::rig::{NEW, OLD, Rig, VARIABLE, until};

const DOCKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/docker");
const FAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/fake-litellm/litellm");

/// A compose file with a service `proxy` that runs with the old key.
struct Compose {
    rig: Rig,
}

impl Compose {
    fn new() -> Self {
        Self::with(
            &json!({VARIABLE: format!("${{{VARIABLE}}}"), "LITELLM_MASTER_KEY": "${LITELLM_MASTER_KEY}", "AWS_REGION": "${AWS_REGION}"}),
        )
    }

    fn with(environment: &Value) -> Self {
        let mut rig = Rig::new();
        let path = std::env::join_paths([Path::new(DOCKER), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        rig.environ = vec![("PATH", path), ("DOCKER_STATE", rig.path("").into())];
        rig.config.restart = Restart::Compose;
        rig.config.compose_file = Some(rig.path("compose.yaml"));
        rig.config.service = Some("proxy".to_owned());
        rig.config.pid_file = None;
        let mut environment = environment.clone();
        environment["FAKE_BEHAVIOUR"] = json!(rig.path("behaviour"));
        let port = rig.port.to_string();
        let service = json!({
            "name": "proxy",
            "environment": environment,
            "run": [FAKE, "--config", rig.path("config.yaml"), "--port", port],
            "argv": ["--config", "/app/config.yaml", "--port", "4000"],
            "ports": {"4000/tcp": [{"HostIp": "127.0.0.1", "HostPort": port}], "4001/tcp": null},
            "mounts": [{"Type": "bind", "Source": rig.path("config.yaml"), "Destination": "/app/config.yaml"}],
        });
        fs::write(rig.path("service.json"), service.to_string()).unwrap();
        let compose = Self { rig };
        // As the user did in a shell.
        let file = compose.rig.path("compose.yaml");
        let mut up = std::process::Command::new(format!("{DOCKER}/docker"));
        up.args(["compose", "-f", file.to_str().unwrap(), "up", "-d", "proxy"]);
        up.env("DOCKER_STATE", compose.rig.path("")).env(VARIABLE, OLD).env("LITELLM_MASTER_KEY", "sk-master");
        assert!(up.output().unwrap().status.success());
        until("the stand-in serves", || compose.rig.serves());
        fs::remove_file(compose.rig.path("calls")).unwrap();
        compose
    }

    fn mode(&self, word: &str) {
        fs::write(self.rig.path("mode"), word).unwrap();
    }

    /// The calls of the stand-in so far, which are forgotten.
    fn calls(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.rig.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.rig.path("calls"));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn ups(&self) -> Vec<Value> {
        self.calls().into_iter().filter(|call| call["argv"][3] == "up").collect()
    }

    fn apply(&self) -> ApplyReport {
        self.rig.apply().1
    }

    fn is_untouched(&self, why: &str) {
        let report = self.apply();
        assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
        assert!(report.detail.starts_with("it was not touched") && report.detail.contains(why), "{}", report.detail);
        assert_eq!(self.rig.keys(), [OLD]);
    }

    fn goes_back(&self, why: &str) {
        let report = self.apply();
        assert_eq!(report.outcome, Outcome::RolledBack, "{}", report.detail);
        assert!(report.detail.contains("runs with its old key again") && report.detail.contains(why), "{}", report.detail);
        assert_eq!(self.rig.keys(), [OLD]);
        assert!(self.rig.serves());
    }
}

#[test]
fn the_service_is_made_anew_with_the_new_key() {
    let compose = Compose::new();
    let (phases, report) = compose.rig.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!(report.detail, "it runs with the new key, proven by a completion of cheap");
    assert_eq!(phases, ["starting", "waiting until it is ready", "proving it by a completion"]);
    assert_eq!(compose.rig.keys(), [NEW]);
    let calls = compose.calls();
    let file = compose.rig.path("compose.yaml");
    let file = file.to_str().unwrap();
    let argv = |call: &Value| serde_json::from_value::<Vec<String>>(call["argv"].clone()).unwrap();
    let old = format!("{:064x}", 1);
    let new = format!("{:064x}", 2);
    let said: Vec<Vec<String>> = calls.iter().map(argv).collect();
    let expected: [&[&str]; 6] = [
        &["compose", "-f", file, "ps", "-q", "--no-trunc", "proxy"],
        &["inspect", &old],
        &["compose", "-f", file, "config", "--format", "json", "proxy"],
        &["compose", "-f", file, "up", "-d", "--force-recreate", "--no-deps", "proxy"],
        &["compose", "-f", file, "ps", "-q", "--no-trunc", "proxy"],
        &["inspect", &new],
    ];
    assert_eq!(said[..6], expected.map(|words| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()));
    let up = &calls[3];
    // The master key is of the shell that the user typed in: the old container tells it.
    assert_eq!(up["env"], json!({VARIABLE: NEW, "AWS_REGION": "eu-west-1", "LITELLM_MASTER_KEY": "sk-master"}));
    assert_eq!(up["dir"], json!(compose.rig.path("").to_str().unwrap().trim_end_matches('/')));
    assert_eq!((&up["stdin"], &up["group"]), (&json!("/dev/null"), &json!(true)));
}

#[test]
fn containers_are_looked_at_by_their_own_environment() {
    let compose = Compose::new();
    let report = compose.rig.inspect();
    let [container] = &report.processes[..] else { panic!("{report:?}") };
    assert_eq!(container.keys[&KeyName::from("bedrock")], Some(compose.rig.salt.fingerprint(OLD.as_bytes())));
    assert_eq!(container.run_by, RunBy::Compose { service: "proxy".to_owned() });
    // Its process is in no container's control group, so it isn't believed to be it.
    assert_eq!(container.pid, 0);
    let age = credd::clock::now().duration_since(container.started_at);
    assert!(age.as_secs() < 30, "{age}");
    compose.apply();
    let after = compose.rig.inspect();
    assert_eq!(after.processes[0].keys[&KeyName::from("bedrock")], Some(compose.rig.salt.fingerprint(NEW.as_bytes())));
}

#[test]
fn a_bad_key_is_taken_back() {
    let compose = Compose::new();
    compose.rig.behave(&[(NEW, &["refused"])]);
    compose.goes_back("Bedrock refuses the key (HTTP 403)");
    let ups = compose.ups();
    assert_eq!(ups.len(), 2);
    assert_eq!(ups[0]["argv"], ups[1]["argv"]);
    assert_eq!((&ups[0]["env"][VARIABLE], &ups[1]["env"][VARIABLE]), (&json!(NEW), &json!(OLD)));
    compose.rig.behave(&[(NEW, &["dies"])]);
    compose.goes_back("its container ended");
    compose.rig.behave(&[(NEW, &["throttled"])]);
    let report = compose.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert!(report.detail.contains("couldn't be proven"), "{}", report.detail);
}

#[test]
fn one_that_comes_back_neither_way_has_failed() {
    let compose = Compose::new();
    compose.mode("up-dies");
    let report = compose.apply();
    assert_eq!(report.outcome, Outcome::Failed, "{}", report.detail);
    assert!(report.detail.contains("it doesn't serve"), "{}", report.detail);
    // And then there is none.
    let report = compose.apply();
    assert_eq!(report.outcome, Outcome::Failed, "{}", report.detail);
    assert!(report.detail.contains("no container of proxy runs: docker compose -f"), "{}", report.detail);
}

#[test]
fn a_file_that_does_not_pass_the_key_is_told_of_before_anything_is_touched() {
    let compose = Compose::with(&json!({VARIABLE: OLD, "LITELLM_MASTER_KEY": "sk-master"}));
    compose
        .is_untouched("sets AWS_BEARER_TOKEN_BEDROCK to something else: write AWS_BEARER_TOKEN_BEDROCK: ${AWS_BEARER_TOKEN_BEDROCK} there");
    assert_eq!(compose.ups().len(), 0);
    let text = fs::read_to_string(compose.rig.path("service.json")).unwrap();
    fs::write(compose.rig.path("service.json"), text.replace(VARIABLE, "OTHER")).unwrap();
    compose.is_untouched("isn't given AWS_BEARER_TOKEN_BEDROCK: add AWS_BEARER_TOKEN_BEDROCK to the environment of proxy in");
    assert_eq!(compose.ups().len(), 0);
}

#[test]
fn what_docker_cannot_do_is_said() {
    let mut compose = Compose::new();
    compose.mode("engine-down");
    compose.is_untouched("the Docker engine doesn't run");
    assert_eq!(compose.rig.inspect().processes, []);
    compose.mode("no-compose");
    compose.is_untouched("docker has no compose plugin");
    compose.mode("up-fails");
    compose.is_untouched("docker compose up ended with status 18: Container stack-proxy-1  Recreate / Error response from daemon: no space left; had [redacted]");
    compose.mode("hangs");
    compose.rig.config.stop_timeout = Duration::from_secs(1);
    compose.rig.config.ready_timeout = Duration::from_secs(1);
    compose.is_untouched("docker compose up had not ended after 2 s");
    assert!(compose.rig.serves());
}

/// A control group that looks like a container's; gone when dropped. Needs root and a writable cgroup v2, as the
/// guest does.
struct Group(std::path::PathBuf);

impl Group {
    fn new(id: &str) -> Self {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(Path::new);
        let root = roots.into_iter().find(|root| root.join("cgroup.procs").exists()).unwrap();
        let group = Self(root.join(format!("credd-test-{id}")).join(format!("docker-{id}.scope")));
        fs::create_dir_all(&group.0).unwrap();
        group
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let gone = || fs::remove_dir(&self.0).is_ok() || !self.0.exists();
        if !std::thread::panicking() {
            until("the control group is empty", gone);
        }
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

#[test]
fn a_process_in_a_container_of_compose_is_found_by_itself() {
    let mut compose = Compose::new();
    compose.rig.config.restart = Restart::Auto;
    compose.rig.config.compose_file = None;
    compose.rig.config.service = None;
    // The stand-in's own isn't in one: the same again, in namespaces of its own and a container's control group.
    let container: Value = serde_json::from_str(&fs::read_to_string(compose.rig.path("container.json")).unwrap()).unwrap();
    let first = credd::consumers::sys::Held::open(i32::try_from(container["pid"].as_i64().unwrap()).unwrap()).unwrap();
    let _ = first.signal(rustix::process::Signal::KILL);
    until("the first is gone", || first.is_gone());
    let id = format!("{:064x}", 0xcafe_0000_u64 | u64::from(compose.rig.port));
    let group = Group::new(&id);
    let inner = compose.rig.command("", "> log 2>&1");
    let mut outer = std::process::Command::new("sh");
    outer
        .args(["-c", "echo $$ > \"$0/cgroup.procs\" && exec unshare --pid --fork --kill-child \"$@\""])
        .arg(&group.0)
        .arg(inner.get_program());
    outer.args(inner.get_args()).current_dir(compose.rig.path("")).env("FAKE_BEHAVIOUR", compose.rig.path("behaviour"));
    outer.env(VARIABLE, OLD).env("LITELLM_MASTER_KEY", "sk-master");
    let mut child = compose.rig.start_by(&mut outer);
    let found = credd::consumers::lookup::Lookup::new([&compose.rig.config.matches[..]]).contained(&compose.rig.config.matches).unwrap();
    let [process] = &found[..] else { panic!("{} found", found.len()) };
    let mut described = container;
    described["id"] = json!(id);
    described["pid"] = json!(process.pid());
    fs::write(compose.rig.path("container.json"), described.to_string()).unwrap();

    let report = compose.rig.inspect();
    let [container] = &report.processes[..] else { panic!("{report:?}") };
    assert_eq!(container.run_by, RunBy::Compose { service: "proxy".to_owned() });
    assert_eq!((container.pid, container.start_ticks), (process.pid(), process.start_ticks()));
    let report = compose.apply();
    assert_eq!(report.outcome, Outcome::Applied, "{}", report.detail);
    assert_eq!(compose.rig.keys(), [NEW]);
    let ups = compose.ups();
    let file = compose.rig.path("compose.yaml");
    assert_eq!(ups[0]["argv"], json!(["compose", "-f", file, "up", "-d", "--force-recreate", "--no-deps", "proxy"]));
    assert_eq!(ups[0]["env"]["COMPOSE_PROJECT_NAME"], "stack");
    child.wait().unwrap();
}
