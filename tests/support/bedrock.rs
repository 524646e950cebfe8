//! A stand-in for Amazon Bedrock on loopback: knows which keys it accepts and remembers every request.
//!
//! `POST /model/{id}/converse`, `POST /model/{id}/converse-stream` and `GET /foundation-models`.
//! LiteLLM, the AWS CLI and credd reach it through `AWS_BEDROCK_RUNTIME_ENDPOINT` and
//! `AWS_ENDPOINT_URL_BEDROCK`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::http::{Message, read_message};

/// What Bedrock says to a key it doesn't know.
pub const REJECTION: &str = "Authentication failed: Please make sure your API Key is valid.";
/// What Bedrock says to a short-term key after its end.
pub const EXPIRED: &str = "Bearer Token has expired";
/// What Bedrock says to a key whose user lacks a permission.
pub const DENIED: &str = "User: arn:aws:iam::123456789012:user/BedrockAPIKey-rig is not authorized to perform: \
                          bedrock:ListFoundationModels because no identity-based policy allows the bedrock:ListFoundationModels action";
/// What the model says.
pub const ANSWER: &str = "Hello from the stand-in.";

/// A request as it was answered.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// The key it carried.
    pub bearer: Option<String>,
    pub body: String,
    pub at: SystemTime,
    pub status: u16,
}

impl Request {
    /// Whether it asked a model for something, as opposed to a look at the list of models.
    pub fn is_converse(&self) -> bool {
        self.path.starts_with("/model/")
    }
}

#[derive(Default)]
struct Behaviour {
    accepted: BTreeSet<String>,
    /// Answers of 403 that are a key's own, with what they say.
    refusals: BTreeMap<String, String>,
    /// Keys that may ask models but not list them.
    unlisted: BTreeSet<String>,
    delay: Duration,
    between_chunks: Duration,
    fail_with: Option<u16>,
}

#[derive(Default)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<Request>>,
    recorded: Condvar,
    stopping: AtomicBool,
}

/// Runs until it is dropped.
pub struct BedrockStandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl BedrockStandIn {
    pub fn start<K: Into<String>>(accepted_keys: impl IntoIterator<Item = K>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        shared.behaviour.lock().unwrap().accepted = accepted_keys.into_iter().map(Into::into).collect();
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

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn accept(&self, key: &str) {
        self.shared.behaviour.lock().unwrap().accepted.insert(key.to_owned());
    }

    pub fn revoke(&self, key: &str) {
        self.shared.behaviour.lock().unwrap().accepted.remove(key);
    }

    /// Refuses a key in words of its own, such as [`EXPIRED`].
    pub fn refuse(&self, key: &str, message: &str) {
        self.shared.behaviour.lock().unwrap().refusals.insert(key.to_owned(), message.to_owned());
    }

    /// Accepts a key for everything but the list of models.
    pub fn accept_without_list(&self, key: &str) {
        self.accept(key);
        self.shared.behaviour.lock().unwrap().unlisted.insert(key.to_owned());
    }

    /// Lets every further request wait before it is answered.
    pub fn delay(&self, delay: Duration) {
        self.shared.behaviour.lock().unwrap().delay = delay;
    }

    /// Lets a streamed answer wait between its parts.
    pub fn delay_between_chunks(&self, delay: Duration) {
        self.shared.behaviour.lock().unwrap().between_chunks = delay;
    }

    /// Answers everything with this status, whatever the key; `None` ends that.
    pub fn fail_with(&self, status: impl Into<Option<u16>>) {
        self.shared.behaviour.lock().unwrap().fail_with = status.into();
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// The first request that matches, past or to come.
    pub fn wait_for(&self, matches: impl Fn(&Request) -> bool, timeout: Duration) -> Option<Request> {
        let end = Instant::now() + timeout;
        let mut requests = self.shared.requests.lock().unwrap();
        loop {
            if let Some(request) = requests.iter().find(|r| matches(r)) {
                return Some(request.clone());
            }
            let left = end.checked_duration_since(Instant::now())?;
            requests = self.shared.recorded.wait_timeout(requests, left).unwrap().0;
        }
    }
}

impl Drop for BedrockStandIn {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address); // wakes the listener, which then goes away
    }
}

/// What is sent back.
enum Answer {
    Whole(u16, Value),
    /// Events of the stream format, each in a chunk of its own.
    Stream(Vec<(&'static str, Value)>),
}

impl Answer {
    fn status(&self) -> u16 {
        match self {
            Self::Whole(status, _) => *status,
            Self::Stream(_) => 200,
        }
    }
}

impl Shared {
    /// Serves one connection. It ends when the client has gone: nothing to tell anybody.
    fn serve(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(message)) = read_message(&mut reader) {
            if self.stopping.load(Ordering::SeqCst) || self.answer(&message, stream).is_err() {
                break;
            }
        }
    }

    fn answer(&self, message: &Message, mut stream: &TcpStream) -> io::Result<()> {
        let mut words = message.start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let bearer = message.header("authorization").and_then(|v| v.strip_prefix("Bearer ")).map(str::to_owned);
        // The lock isn't held meanwhile: others are answered side by side.
        let delay = self.behaviour.lock().unwrap().delay;
        thread::sleep(delay);
        let answer = self.decide(&method, &path, bearer.as_deref());
        self.requests.lock().unwrap().push(Request {
            method,
            path,
            bearer,
            body: message.text(),
            at: SystemTime::now(),
            status: answer.status(),
        });
        self.recorded.notify_all();
        match answer {
            Answer::Whole(status, body) => {
                let body = body.to_string();
                write!(
                    stream,
                    "HTTP/1.1 {status} {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    reason(status),
                    body.len()
                )
            }
            Answer::Stream(events) => self.stream(&events, stream),
        }
    }

    fn decide(&self, method: &str, path: &str, bearer: Option<&str>) -> Answer {
        let behaviour = self.behaviour.lock().unwrap();
        if let Some(status) = behaviour.fail_with {
            return Answer::Whole(status, json!({"message": "The stand-in was told to fail."}));
        }
        if let Some(message) = bearer.and_then(|key| behaviour.refusals.get(key)) {
            return Answer::Whole(403, json!({"Message": message}));
        }
        if !bearer.is_some_and(|key| behaviour.accepted.contains(key)) {
            return Answer::Whole(403, json!({"Message": REJECTION}));
        }
        let path = path.split('?').next().unwrap_or_default();
        match (method, path) {
            ("GET", "/foundation-models") if bearer.is_some_and(|key| behaviour.unlisted.contains(key)) => {
                Answer::Whole(403, json!({"Message": DENIED}))
            }
            ("POST", p) if p.starts_with("/model/") && p.ends_with("/converse") => Answer::Whole(200, whole_answer()),
            ("POST", p) if p.starts_with("/model/") && p.ends_with("/converse-stream") => Answer::Stream(streamed_answer()),
            ("GET", "/foundation-models") => Answer::Whole(200, models()),
            _ => Answer::Whole(404, json!({"message": "UnknownOperationException"})),
        }
    }

    fn stream(&self, events: &[(&str, Value)], mut stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\
              Transfer-Encoding: chunked\r\n\r\n",
        )?;
        let pause = self.behaviour.lock().unwrap().between_chunks;
        for (name, payload) in events {
            let frame = event_frame(name, payload.to_string().as_bytes());
            write!(stream, "{:x}\r\n", frame.len())?;
            stream.write_all(&frame)?;
            stream.write_all(b"\r\n")?;
            thread::sleep(pause);
        }
        stream.write_all(b"0\r\n\r\n")
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        _ => "Status",
    }
}

fn whole_answer() -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11},
        "metrics": {"latencyMs": 1}
    })
}

/// The same answer word by word.
fn streamed_answer() -> Vec<(&'static str, Value)> {
    let words = ANSWER.split_inclusive(' ').map(|word| ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": word}})));
    let mut events = vec![("messageStart", json!({"role": "assistant"}))];
    events.extend(words);
    events.push(("contentBlockStop", json!({"contentBlockIndex": 0})));
    events.push(("messageStop", json!({"stopReason": "end_turn"})));
    events.push(("metadata", json!({"usage": {"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}, "metrics": {"latencyMs": 1}})));
    events
}

fn models() -> Value {
    json!({"modelSummaries": [{
        "modelId": "anthropic.claude-3-haiku-20240307-v1:0",
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0",
        "modelName": "Claude 3 Haiku",
        "providerName": "Anthropic"
    }]})
}

/// One message of `application/vnd.amazon.eventstream`: lengths, a checksum of them, headers, payload, a
/// checksum of all before.
fn event_frame(name: &str, payload: &[u8]) -> Vec<u8> {
    const STRING: u8 = 7;
    let mut headers = Vec::new();
    for (key, value) in [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(key.len()).unwrap());
        headers.extend_from_slice(key.as_bytes());
        headers.push(STRING);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(12 + headers.len() + payload.len() + 4).unwrap();
    let mut frame = total.to_be_bytes().to_vec();
    frame.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |c, _| (c >> 1) ^ (0xEDB8_8320 & (c & 1).wrapping_neg())))
}
