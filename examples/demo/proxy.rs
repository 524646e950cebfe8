//! A stand-in for LiteLLM, where there is none: this program, run under the name `litellm`. It answers
//! the few requests of the story, and asks Bedrock with the key of its environment as LiteLLM does.

use std::env;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::parts::{OWNER, is_running};
use super::support::http::{Message, read_message, request};

const MODEL: &str = "/model/anthropic.claude-3-haiku-20240307-v1:0/converse";

const LOADING: Duration = Duration::from_millis(500);

/// `litellm --config FILE --port PORT`.
pub fn run() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let port = arguments.iter().position(|word| word == "--port").and_then(|at| arguments.get(at + 1)?.parse::<u16>().ok());
    // LiteLLM takes seconds to load. One that listens at once may be too quick to be handed over to.
    thread::sleep(LOADING);
    let listener = match TcpListener::bind(("127.0.0.1", port.unwrap_or_default())) {
        Ok(listener) => listener,
        // "Address already in use": LiteLLM says so as well.
        Err(error) => {
            eprintln!("the stand-in for LiteLLM can't listen on {port:?}: {error}");
            return ExitCode::FAILURE;
        }
    };
    thread::spawn(end_with_the_demo);
    for stream in listener.incoming().flatten() {
        thread::spawn(move || serve(&stream));
    }
    ExitCode::SUCCESS
}

/// Whoever restarts it, it doesn't outlive the demo.
fn end_with_the_demo() {
    let owner = env::var(OWNER).ok().and_then(|pid| pid.parse().ok());
    while owner.is_some_and(is_running) {
        thread::sleep(Duration::from_millis(200));
    }
    std::process::exit(0);
}

fn serve(mut stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(message)) = read_message(&mut reader) {
        let (status, body) = answer(&message);
        let body = body.to_string();
        let head = format!("HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(message: &Message) -> (u16, Value) {
    let expected = format!("Bearer {}", env::var("LITELLM_MASTER_KEY").unwrap_or_default());
    match message.start.split(' ').collect::<Vec<_>>()[..] {
        ["GET", "/health/liveliness" | "/health/readiness", _] => (200, json!("I'm alive!")),
        ["POST", "/v1/chat/completions", _] if message.header("authorization") != Some(&expected) => {
            (401, json!({"error": {"message": "Authentication Error, Invalid proxy server token passed"}}))
        }
        ["POST", "/v1/chat/completions", _] => complete(),
        _ => (404, json!({"detail": "Not Found"})),
    }
}

fn complete() -> (u16, Value) {
    let endpoint = env::var("AWS_BEDROCK_RUNTIME_ENDPOINT").unwrap_or_default();
    let key = env::var("AWS_BEARER_TOKEN_BEDROCK").unwrap_or_default();
    let Some(port) = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()) else {
        return (500, json!({"error": {"message": "no endpoint"}}));
    };
    match request(port, "POST", MODEL, Some(&key), Some(&json!({})), Duration::from_secs(10)) {
        Ok(answer) if answer.status() == 200 => {
            let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            (200, json!({"choices": [{"message": {"role": "assistant", "content": body["output"]["message"]["content"][0]["text"]}}]}))
        }
        Ok(answer) => (answer.status(), json!({"error": {"message": format!("BedrockException - {}", answer.text())}})),
        Err(error) => (500, json!({"error": {"message": error.to_string()}})),
    }
}
