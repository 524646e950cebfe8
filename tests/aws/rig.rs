//! A user with profiles of the AWS CLI and an env file, and the worker.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use credd::core::{Credential, IamReport, KeyName, MadeKey, RenewalReport, Trouble};
use credd::salt::Salt;
use credd::worker::job::{Answer, IamOrder, Job, KeyTarget, KeyVariable, RenewOrder, SettleOrder};

use crate::support::bedrock::BedrockStandIn;
use crate::support::home::Home;
use crate::support::iam::{IamStandIn, Key};
use crate::support::installed;

pub const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
pub const USER: &str = "BedrockAPIKey-ab12";
/// Programs of `tests/setup` by the version of the AWS CLI.
pub const VERSION_1: &str = "aws/bin/aws";
pub const VERSION_2: &str = "aws-v2/bin/aws";

pub const VERSIONS: [&str; 2] = [VERSION_1, VERSION_2];

const CONFIG: &str = "
[profile dev]
region = us-east-1
[profile remembered]
region = us-east-1
source_profile = dev
role_arn = arn:aws:iam::123456789012:role/r
cli_history = enabled
[profile bare]
region = us-east-1
[profile role]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = dev
region = us-east-1
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = dev
mfa_serial = arn:aws:iam::123456789012:mfa/dev
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Dev
region = us-east-1
[profile sso-plain]
sso_start_url = https://plain.awsapps.com/start
sso_region = us-east-1
sso_account_id = 123456789012
sso_role_name = Dev
region = us-east-1
[profile orphan]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = nobody
[profile program]
credential_process = /bin/false
[profile login]
login_session = arn:aws:iam::123456789012:user/u
region = us-east-1
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
";
const CREDENTIALS: &str = "
[dev]
aws_access_key_id = AKIAPLANTED000000001
aws_secret_access_key = planted/static+secret
";

/// A home of its own beside stand-ins that may be shared.
pub struct Rig {
    home: Home,
    pub iam: Arc<IamStandIn>,
    pub bedrock: Arc<BedrockStandIn>,
    pub salt: Salt,
    pub user: String,
    environment: Vec<(String, String)>,
}

impl Rig {
    /// With the CLI's version 1, which starts faster.
    pub fn new() -> Self {
        let bedrock = Arc::new(BedrockStandIn::start(Vec::<String>::new()));
        let iam = Arc::new(IamStandIn::start(Some(Arc::clone(&bedrock))));
        Self::beside(&iam, &bedrock, USER)
    }

    pub fn beside(iam: &Arc<IamStandIn>, bedrock: &Arc<BedrockStandIn>, user: &str) -> Self {
        let home = Home::new().asking(&bedrock.url());
        fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
        fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        fs::write(home.path().join(".aws/credentials"), CREDENTIALS).unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        let salt = Salt::load_or_create(&home.state_dir()).unwrap();
        iam.add_user(user);
        let rig = Self {
            home,
            iam: Arc::clone(iam),
            bedrock: Arc::clone(bedrock),
            salt,
            user: user.to_owned(),
            environment: vec![("AWS_MAX_ATTEMPTS".to_owned(), "2".to_owned())],
        };
        rig.install(VERSION_1);
        rig
    }

    /// Gives the worker a variable.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Puts a version of the CLI on PATH, by a script that notes what it is given.
    pub fn install(&self, version: &str) {
        self.install_with(version, "");
    }

    /// The same, with a command that takes its time before it begins.
    pub fn install_slow(&self, command: &str, seconds: u32) {
        self.install_with(VERSION_1, &format!("case \"$*\" in *{command}*) sleep {seconds} ;; esac\n"));
    }

    fn install_with(&self, version: &str, first: &str) {
        let real = installed(version, "aws");
        let log = self.path("arguments");
        let note = "printf '%s\\n' \"$*\" \"leaked: ${AWS_BEARER_TOKEN_BEDROCK-no}\"";
        self.script(&format!("{note} >>'{}'\n{first}exec '{}' \"$@\"\n", log.display(), real.display()));
    }

    /// Whether the CLI was started for a command.
    pub fn was_run(&self, command: &str) -> bool {
        fs::read_to_string(self.path("arguments")).is_ok_and(|log| log.contains(command))
    }

    /// The same with version 2, which alone gives credentials away.
    pub fn with_version_2() -> Self {
        let rig = Self::new();
        rig.install(VERSION_2);
        rig
    }

    /// Puts a script in the CLI's place.
    pub fn script(&self, text: &str) {
        let path = self.path("bin/aws");
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{text}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn env_file(&self) -> PathBuf {
        self.home.env_file()
    }

    pub fn set_key(&self, key: &Key) {
        self.set_value(&key.value);
    }

    pub fn set_value(&self, value: &str) {
        self.home.write_env(&format!("# mine\nexport OTHER=1\nexport {VARIABLE}='{value}' # the key\nexport LAST=2\n"));
    }

    /// What the file holds; the rest of it has to be as it was written.
    pub fn value(&self) -> String {
        let text = fs::read_to_string(self.env_file()).unwrap();
        let rest = text.strip_prefix(&format!("# mine\nexport OTHER=1\nexport {VARIABLE}='")).unwrap_or_else(|| panic!("broken: {text}"));
        rest.strip_suffix("' # the key\nexport LAST=2\n").unwrap_or_else(|| panic!("broken: {text}")).to_owned()
    }

    pub fn variable(&self) -> KeyVariable {
        KeyVariable { name: KeyName::from("bedrock"), variable: VARIABLE.to_owned(), env_file: self.env_file() }
    }

    /// The key in the file as an order names it.
    pub fn target(&self) -> KeyTarget {
        let KeyVariable { name, variable, env_file } = self.variable();
        KeyTarget { name, variable, env_file, fingerprint: self.salt.fingerprint(self.value().as_bytes()) }
    }

    pub fn renew_order(&self) -> RenewOrder {
        RenewOrder {
            state_dir: self.home.state_dir(),
            key: self.target(),
            profile: Some("dev".to_owned()),
            days: Some(30),
            endpoint: None,
            region: "us-east-1".to_owned(),
            tracked: vec![self.variable()],
        }
    }

    pub fn settle_order(&self, known: Vec<String>, made: Option<MadeKey>) -> SettleOrder {
        SettleOrder {
            state_dir: self.home.state_dir(),
            key: self.variable(),
            profile: Some("dev".to_owned()),
            user: self.user.clone(),
            known,
            begun_at: credd::clock::now(),
            made,
            tracked: vec![self.variable()],
        }
    }

    pub fn state_dir(&self) -> PathBuf {
        self.home.state_dir()
    }

    /// Starts a worker.
    pub fn start(&self, job: &Job) -> Worker<'_> {
        let said = fs::File::options().create(true).append(true).open(self.path("said")).unwrap();
        let mut command = self.home.command(env!("CARGO_BIN_EXE_credd"));
        let mut child = command
            .arg("worker")
            .env("PATH", self.path("bin"))
            .envs(self.iam.environment())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(VARIABLE, "ABSK-planted-001")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&serde_json::to_vec(job).unwrap()).unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Worker { rig: self, child, stdin: Some(stdin), lines }
    }

    /// All answers of a worker that may go on whenever it asks.
    pub fn work(&self, job: &Job) -> Vec<Answer> {
        let mut worker = self.start(job);
        let mut all = Vec::new();
        while let Some(answer) = worker.next() {
            if matches!(answer, Answer::RenewalBegins { .. } | Answer::RenewalMade(_)) {
                worker.go_on();
            }
            all.push(answer);
        }
        worker.end();
        all
    }

    /// What IAM says of the key in the file.
    pub fn ask(&self, profile: Option<&str>) -> IamReport {
        let order = IamOrder { key: self.target(), profile: profile.map(str::to_owned) };
        match self.work(&Job::AskIam { state_dir: self.home.state_dir(), orders: vec![order] }).pop().unwrap() {
            Answer::IamSaid { report: Some(report), .. } => report,
            other => panic!("{other:?}"),
        }
    }

    pub fn found(&self) -> Credential {
        match self.ask(Some("dev")) {
            IamReport::Found(credential) => credential,
            other @ IamReport::Trouble(_) => panic!("{other:?}"),
        }
    }

    pub fn trouble(&self, profile: Option<&str>) -> Trouble {
        match self.ask(profile) {
            IamReport::Trouble(trouble) => trouble,
            other @ IamReport::Found(_) => panic!("{other:?}"),
        }
    }

    /// How a renewal ended.
    pub fn renew(&self, order: RenewOrder) -> RenewalReport {
        ended(self.work(&Job::Renew(Box::new(order))))
    }

    pub fn settle(&self, order: SettleOrder) -> RenewalReport {
        ended(self.work(&Job::SettleRenewal(Box::new(order))))
    }

    /// Looks that nothing was told to anybody whom it doesn't concern.
    pub fn look_for_secrets(&self) {
        let read = |name: &str| fs::read_to_string(self.path(name)).unwrap_or_default();
        let told = read("said") + &read("arguments");
        assert!(!told.contains("leaked: ABSK"), "{told}");
        for secret in ["planted-secret", "planted/static", "planted/session", "ABSK", "bedrock-api-key-"] {
            assert!(!told.contains(secret), "{told}");
        }
        let rest: Vec<_> = told.lines().filter(|line| !line.starts_with("leaked: no")).collect();
        assert!(!rest.iter().any(|line| line.contains("panicked")), "{rest:?}");
        for entry in fs::read_dir(self.home.state_dir()).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", entry.path().display());
        }
    }
}

pub fn ended(mut answers: Vec<Answer>) -> RenewalReport {
    match answers.pop() {
        Some(Answer::RenewalEnded(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// A worker at work.
pub struct Worker<'a> {
    rig: &'a Rig,
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: BufReader<ChildStdout>,
}

impl Worker<'_> {
    /// Its next answer.
    pub fn next(&mut self) -> Option<Answer> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        for secret in ["ABSK", "planted-secret", "planted/", "bedrock-api-key-"] {
            assert!(!line.contains(secret), "{line}");
        }
        // The last line of one that was killed may be cut.
        line.ends_with('\n').then(|| serde_json::from_str(&line).unwrap())
    }

    /// Lets it go on; nothing happens if it is gone.
    pub fn go_on(&mut self) {
        let _ = self.stdin.as_mut().unwrap().write_all(b"go on\n");
    }

    /// Ends its input.
    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end, which has to be a good one.
    pub fn end(mut self) {
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", fs::read_to_string(self.rig.path("said")).unwrap());
        self.rig.look_for_secrets();
    }

    /// Kills it alone.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
        self.rig.look_for_secrets();
    }
}

/// Python with AWS's own generator of short-term keys.
pub fn generator() -> Command {
    Command::new(installed("token-generator/bin/python3", "aws"))
}
