//! A stand-in for IAM, STS and IAM Identity Center on loopback, as far as keys of Bedrock need them: the Query API
//! with its limit of two keys for a user, ages, statuses, refusals, and keys that aren't known everywhere at once.
//!
//! The AWS CLI reaches it through `AWS_ENDPOINT_URL_IAM`, `AWS_ENDPOINT_URL_STS` and `AWS_ENDPOINT_URL_SSO`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::bedrock::BedrockStandIn;
use super::http::{Message, read_message};

/// The account of all users.
pub const ACCOUNT: &str = "123456789012";
/// What IAM allows a user for one service.
const MOST_KEYS: usize = 2;

/// A key of a user.
#[derive(Clone, Debug)]
pub struct Key {
    pub id: String,
    pub user: String,
    /// `ServiceCredentialAlias`.
    pub alias: String,
    /// The key itself.
    pub value: String,
    pub status: &'static str,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    made: Instant,
}

/// What a request asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    pub action: String,
    pub parameters: BTreeMap<String, String>,
    /// Its code, or `""` for success.
    pub error: String,
}

/// What goes wrong with an action.
#[derive(Clone, Copy, Debug)]
pub enum Trouble {
    /// It is forbidden.
    Denied,
    /// So many times the caller is asked to slow down.
    Throttled(u32),
    /// It isn't done and not answered.
    Hangs,
    /// It is done, and the connection closed without an answer.
    DoneUnanswered,
    /// It isn't done, and answered with 500.
    Fails,
}

#[derive(Default)]
struct State {
    users: BTreeMap<String, Vec<Key>>,
    troubles: BTreeMap<String, Trouble>,
    /// Keys that Bedrock never accepts are made for these users.
    rejected: BTreeSet<String>,
    listed_after: Duration,
    accepted_after: Duration,
    page: Option<usize>,
    session: Option<SignedDuration>,
    counter: u32,
    asked: Vec<Asked>,
    bedrock: Option<Arc<BedrockStandIn>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    recorded: Condvar,
    stopping: AtomicBool,
}

/// Runs until it is dropped.
pub struct IamStandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl IamStandIn {
    /// One whose keys are accepted by a stand-in of Bedrock.
    pub fn start(bedrock: Option<Arc<BedrockStandIn>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().bedrock = bedrock;
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&serving);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        Self { address, shared }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The variables by which the AWS CLI finds it.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        ["AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_SSO"].map(|name| (name, self.url()))
    }

    /// Adds a user.
    pub fn add_user(&self, user: &str) {
        self.state(|state| {
            state.users.entry(user.to_owned()).or_default();
        });
    }

    /// Makes a key that is known everywhere at once, beyond all limits; it may end after some days.
    pub fn add_key(&self, user: &str, days: Option<i64>) -> Key {
        let mut state = self.shared.state.lock().unwrap();
        let mut key = state.make(user, days);
        key.made = Instant::now().checked_sub(Duration::from_hours(1)).unwrap();
        if let Some(bedrock) = &state.bedrock {
            bedrock.accept(&key.value);
        }
        state.users.entry(user.to_owned()).or_default().push(key.clone());
        key
    }

    /// Makes a key now, beyond all limits but not known everywhere yet.
    pub fn add_fresh_key(&self, user: &str) -> Key {
        let mut state = self.shared.state.lock().unwrap();
        let key = state.make(user, None);
        state.users.entry(user.to_owned()).or_default().push(key.clone());
        key
    }

    /// A key that was made once for a user who is gone.
    pub fn key_of_nobody(&self, user: &str) -> String {
        self.state(|state| state.make(user, None).value)
    }

    /// Sets a key's status, as an administrator does.
    pub fn set_status(&self, id: &str, status: &'static str) {
        self.state(|state| state.users.values_mut().flatten().filter(|key| key.id == id).for_each(|key| key.status = status));
    }

    /// Makes a key older.
    pub fn age(&self, id: &str, by: SignedDuration) {
        self.state(|state| {
            for key in state.users.values_mut().flatten().filter(|key| key.id == id) {
                key.created_at -= by;
                key.expires_at = key.expires_at.map(|end| end - by);
            }
        });
    }

    /// Gives a key another alias.
    pub fn set_alias(&self, id: &str, alias: &str) {
        self.state(|state| state.users.values_mut().flatten().filter(|key| key.id == id).for_each(|key| alias.clone_into(&mut key.alias)));
    }

    /// A user's keys, whether they are listed yet or not.
    pub fn keys(&self, user: &str) -> Vec<Key> {
        self.state(|state| state.users.get(user).cloned().unwrap_or_default())
    }

    /// Their ids.
    pub fn ids(&self, user: &str) -> Vec<String> {
        self.keys(user).into_iter().map(|key| key.id).collect()
    }

    /// Lets an action (or the list of `all-users`) go wrong from now on; `None` ends that.
    pub fn trouble(&self, action: &str, trouble: impl Into<Option<Trouble>>) {
        self.state(|state| match trouble.into() {
            Some(trouble) => drop(state.troubles.insert(action.to_owned(), trouble)),
            None => drop(state.troubles.remove(action)),
        });
    }

    /// Lets new keys be listed, deleted and accepted by Bedrock only after a while.
    pub fn lag(&self, listed_after: Duration, accepted_after: Duration) {
        self.state(|state| (state.listed_after, state.accepted_after) = (listed_after, accepted_after));
    }

    /// Lets Bedrock never accept new keys of a user.
    pub fn reject_keys_of(&self, user: &str) {
        self.state(|state| state.rejected.insert(user.to_owned()));
    }

    /// Lists so many keys at once.
    pub fn page(&self, most: usize) {
        self.state(|state| state.page = Some(most));
    }

    /// How long sessions of roles last; less than none are refused.
    pub fn session(&self, length: SignedDuration) {
        self.state(|state| state.session = Some(length));
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state(|state| state.asked.clone())
    }

    /// How often it was asked for an action.
    pub fn count(&self, action: &str) -> usize {
        self.asked().iter().filter(|asked| asked.action == action).count()
    }

    /// Waits until it was asked for an action for a user.
    pub fn wait_for(&self, action: &str, user: &str, timeout: Duration) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.shared.state.lock().unwrap();
        loop {
            if state.asked.iter().any(|asked| asked.action == action && asked.parameters.get("UserName").is_some_and(|name| name == user)) {
                return true;
            }
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            state = self.shared.recorded.wait_timeout(state, left).unwrap().0;
        }
    }

    fn state<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.shared.state.lock().unwrap())
    }
}

impl Drop for IamStandIn {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener, which then goes away
    }
}

/// An error: status, code, message.
type Refused = (u16, &'static str, String);

impl State {
    fn make(&mut self, user: &str, days: Option<i64>) -> Key {
        self.counter += 1;
        let number = self.counter;
        let own = self.users.get(user).map_or(0, Vec::len);
        let suffix = if own == 0 { String::new() } else { format!("+{own}") };
        let alias = format!("{user}{suffix}-at-{ACCOUNT}");
        let value = format!("ABSK{}", STANDARD.encode(format!("{alias}:planted-secret-{number:04}")));
        let created_at = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let expires_at = days.map(|days| created_at + SignedDuration::from_hours(24 * days));
        let id = format!("ACCAPLANTED{number:010}");
        Key { id, user: user.to_owned(), alias, value, status: "Active", created_at, expires_at, made: Instant::now() }
    }

    fn is_known(&self, key: &Key) -> bool {
        key.made.elapsed() >= self.listed_after
    }

    fn answer(&mut self, action: &str, parameters: &BTreeMap<String, String>) -> Result<String, Refused> {
        let parameter = |name: &str| parameters.get(name).cloned();
        let now = Timestamp::now();
        for key in self.users.values_mut().flatten() {
            if key.status == "Active" && key.expires_at.is_some_and(|end| end <= now) {
                key.status = "Expired";
            }
        }
        let no_user = |user: &str| (404, "NoSuchEntity", format!("The user with name {user} cannot be found."));
        let caller = "dev".to_owned();
        let user = parameter("UserName").unwrap_or(caller);
        match action {
            "GetCallerIdentity" => {
                Ok(format!("<Arn>arn:aws:iam::{ACCOUNT}:user/dev</Arn><UserId>AIDAPLANTED</UserId><Account>{ACCOUNT}</Account>"))
            }
            "AssumeRole" => {
                let length = self.session.unwrap_or(SignedDuration::from_hours(1));
                if length.is_negative() {
                    return Err((403, "ExpiredToken", "The security token included in the request is expired".to_owned()));
                }
                let end = now + length;
                Ok(format!(
                    "<Credentials><AccessKeyId>ASIAPLANTED000000001</AccessKeyId><SecretAccessKey>planted/session+secret</SecretAccessKey>\
                     <SessionToken>planted//session+token==</SessionToken><Expiration>{end:.0}</Expiration></Credentials>\
                     <AssumedRoleUser><AssumedRoleId>AROAPLANTED:s</AssumedRoleId><Arn>arn:aws:sts::{ACCOUNT}:assumed-role/r/s</Arn></AssumedRoleUser>"
                ))
            }
            "ListServiceSpecificCredentials" => {
                if parameter("AllUsers").as_deref() != Some("true") && !self.users.contains_key(&user) {
                    return Err(no_user(&user));
                }
                let all = parameter("AllUsers").as_deref() == Some("true");
                let keys: Vec<&Key> = self.users.values().flatten().filter(|key| (all || key.user == user) && self.is_known(key)).collect();
                let from: usize = parameter("Marker").and_then(|marker| marker.parse().ok()).unwrap_or(0);
                let until = self.page.map_or(keys.len(), |page| keys.len().min(from + page));
                let mut text = String::from("<ServiceSpecificCredentials>");
                for key in &keys[from..until] {
                    let _ = write!(text, "<member>{}</member>", metadata(key));
                }
                text.push_str("</ServiceSpecificCredentials>");
                if until < keys.len() {
                    let _ = write!(text, "<IsTruncated>true</IsTruncated><Marker>{until}</Marker>");
                } else {
                    text.push_str("<IsTruncated>false</IsTruncated>");
                }
                Ok(text)
            }
            "CreateServiceSpecificCredential" => {
                let own = self.users.get(&user).ok_or_else(|| no_user(&user))?.len();
                if own >= MOST_KEYS {
                    return Err((409, "LimitExceeded", format!("Cannot exceed quota for ServiceSpecificCredentialsPerUser: {MOST_KEYS}")));
                }
                let days = parameter("CredentialAgeDays").map(|days| days.parse::<i64>().unwrap_or(0));
                if days.is_some_and(|days| !(1..=36_600).contains(&days)) {
                    return Err((400, "ValidationError", "credentialAgeDays must be between 1 and 36600".to_owned()));
                }
                let key = self.make(&user, days);
                self.users.entry(user.clone()).or_default().push(key.clone());
                if !self.rejected.contains(&user)
                    && let Some(bedrock) = self.bedrock.clone()
                {
                    let (value, pause) = (key.value.clone(), self.accepted_after);
                    if pause.is_zero() {
                        bedrock.accept(&value);
                    } else {
                        thread::spawn(move || {
                            thread::sleep(pause);
                            bedrock.accept(&value);
                        });
                    }
                }
                let secret = &key.value;
                Ok(format!(
                    "<ServiceSpecificCredential>{}<ServiceCredentialSecret>{secret}</ServiceCredentialSecret></ServiceSpecificCredential>",
                    metadata(&key)
                ))
            }
            "UpdateServiceSpecificCredential" | "DeleteServiceSpecificCredential" | "ResetServiceSpecificCredential" => {
                let id = parameter("ServiceSpecificCredentialId").unwrap_or_default();
                let lag = self.listed_after;
                let bedrock = self.bedrock.clone();
                let own = self.users.get_mut(&user).ok_or_else(|| no_user(&user))?;
                let at = own.iter().position(|key| key.id == id && key.made.elapsed() >= lag);
                let at = at.ok_or_else(|| (404, "NoSuchEntity", format!("No such credential {id} exists")))?;
                let revoke = |key: &Key| {
                    if let Some(bedrock) = &bedrock {
                        bedrock.revoke(&key.value);
                    }
                };
                match action {
                    "DeleteServiceSpecificCredential" => revoke(&own.remove(at)),
                    _ if parameters.get("Status").is_some_and(|status| status == "Inactive") => {
                        revoke(&own[at]);
                        own[at].status = "Inactive";
                    }
                    _ => {
                        own[at].status = "Active";
                        if let Some(bedrock) = &bedrock {
                            bedrock.accept(&own[at].value);
                        }
                    }
                }
                Ok(String::new())
            }
            _ => Err((400, "InvalidAction", format!("Could not find operation {action}"))),
        }
    }
}

fn metadata(key: &Key) -> String {
    let end = key.expires_at.map(|end| format!("<ExpirationDate>{end}</ExpirationDate>")).unwrap_or_default();
    format!(
        "<CreateDate>{}</CreateDate>{end}<ServiceName>bedrock.amazonaws.com</ServiceName><ServiceCredentialAlias>{}</ServiceCredentialAlias>\
         <ServiceSpecificCredentialId>{}</ServiceSpecificCredentialId><UserName>{}</UserName><Status>{}</Status>",
        key.created_at, key.alias, key.id, key.user, key.status
    )
}

impl Shared {
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(message)) = read_message(&mut reader) {
            if self.stopping.load(Ordering::SeqCst) || self.answer(&message, stream).is_err() {
                break;
            }
        }
    }

    fn answer(&self, message: &Message, mut stream: &TcpStream) -> io::Result<()> {
        if message.start.starts_with("GET /federation/credentials") {
            return self.role_credentials(stream);
        }
        let parameters = form(&message.text());
        let action = parameters.get("Action").cloned().unwrap_or_default();
        let trouble = {
            let mut state = self.state.lock().unwrap();
            let name = if parameters.contains_key("AllUsers") { "all-users" } else { &action };
            match state.troubles.get_mut(name) {
                Some(Trouble::Throttled(0)) | None => None,
                Some(trouble) => {
                    let now = *trouble;
                    if let Trouble::Throttled(left) = trouble {
                        *left -= 1;
                    }
                    Some(now)
                }
            }
        };
        let refused = match trouble {
            Some(Trouble::Denied) => Some((
                403,
                "AccessDenied",
                format!(
                    "User: arn:aws:iam::{ACCOUNT}:user/dev is not authorized to perform: iam:{action} on resource: user u because no \
                     identity-based policy allows the iam:{action} action"
                ),
            )),
            Some(Trouble::Throttled(_)) => Some((400, "Throttling", "Rate exceeded".to_owned())),
            Some(Trouble::Fails) => Some((500, "ServiceFailure", "The request processing has failed".to_owned())),
            Some(Trouble::Hangs) => {
                self.record(action, parameters, "hangs");
                while !self.stopping.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(100));
                }
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Some(Trouble::DoneUnanswered) | None => None,
        };
        let answer = match refused {
            Some(refused) => Err(refused),
            None => self.state.lock().unwrap().answer(&action, &parameters),
        };
        let code = answer.as_ref().err().map_or("", |(_, code, _)| code);
        self.record(action.clone(), parameters, code);
        if matches!(trouble, Some(Trouble::DoneUnanswered)) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let (status, body) = match answer {
            Ok(result) => (
                200,
                format!(
                    "<{action}Response><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>\
                     </{action}Response>"
                ),
            ),
            Err((status, code, message)) => (
                status,
                format!(
                    "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId>\
                     </ErrorResponse>"
                ),
            ),
        };
        write!(stream, "HTTP/1.1 {status} Status\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// What IAM Identity Center answers to somebody who is signed in.
    fn role_credentials(&self, mut stream: &TcpStream) -> io::Result<()> {
        let length = self.state.lock().unwrap().session.unwrap_or(SignedDuration::from_hours(1));
        let (status, body) = if length.is_negative() {
            (401, r#"{"__type":"UnauthorizedException","message":"Session token not found or invalid"}"#.to_owned())
        } else {
            let end = (Timestamp::now() + length).as_millisecond();
            let credentials = serde_json::json!({"accessKeyId": "ASIAPLANTED000000002", "secretAccessKey": "planted/session+secret",
                "sessionToken": "planted//session+token==", "expiration": end});
            (200, serde_json::json!({"roleCredentials": credentials}).to_string())
        };
        self.record("GetRoleCredentials".to_owned(), BTreeMap::new(), if status == 200 { "" } else { "UnauthorizedException" });
        write!(
            stream,
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nx-amzn-ErrorType: UnauthorizedException\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    fn record(&self, action: String, parameters: BTreeMap<String, String>, error: &str) {
        self.state.lock().unwrap().asked.push(Asked { action, parameters, error: error.to_owned() });
        self.recorded.notify_all();
    }
}

/// The fields of a form.
fn form(body: &str) -> BTreeMap<String, String> {
    body.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (plain(name), plain(value))).collect()
}

fn plain(escaped: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next().unwrap_or(b'0'), rest.next().unwrap_or(b'0')];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap_or("0"), 16).unwrap_or(0)
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
