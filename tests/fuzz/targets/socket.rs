//! The socket: a client that sends the bytes in pieces, and the server with the core behind it. A line of `%%` ends a
//! piece; a client whose last piece is empty doesn't end its side of the connection. Whatever is sent, the server answers in
//! HTTP with JSON or metrics, ends the connection when there is nothing to wait for, and asks the core only what was asked of it. Time is the runtime's: half a request costs nothing here.
#![no_main]

use std::path::Path;
use std::time::Duration;

use credd::core::{Event, Ledger, Reply, Request, Ticket};
use credd::daemon::server::{Answer, Ask, Call, Streamed, serve_one};
use credd::protocol::{DaemonStatus, SnoozeUntil};
use credd::view::{Document, Metrics, Stream, Viewpoint, key_status};
use credd_fuzz::outside::{HOME, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// What a client may take to send a head and then a body (3 seconds each), with some to spare.
const PATIENCE: Duration = Duration::from_secs(8);
/// From one piece to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// What fits between the two at once: less than an answer has.
const PIPE: usize = 1024;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    let longest = PATIENCE + PAUSE * u32::try_from(pieces(input).count()).expect("few pieces");
    let answers = runtime.block_on(async {
        let (client, server) = tokio::io::duplex(PIPE);
        let (calls_in, calls) = unbounded_channel();
        let (mut from, mut to) = tokio::io::split(client);
        let sends = async move {
            for piece in pieces(input) {
                // The server may have had enough.
                if to.write_all(piece).await.is_err() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            if !input.ends_with(b"\n%%\n") {
                let _ = to.shutdown().await;
            }
            to
        };
        let reads = async move {
            let mut answers = Vec::new();
            from.read_to_end(&mut answers).await.expect("in memory");
            answers
        };
        let served = async {
            tokio::select! {
                () = serve_one(server, calls_in) => {}
                () = behind(calls) => panic!("the server outlives its clients"),
            }
        };
        let all = async { tokio::join!(sends, reads, served).1 };
        tokio::time::timeout(longest, all).await.expect("a connection ends")
    });
    let sent = pieces(input).collect::<Vec<_>>().concat();
    check(&answers, sent.windows(5).any(|at| at == b"HEAD "));
});

/// What is sent at once.
fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        let text = rest?;
        let mark = text.windows(4).position(|at| at == b"\n%%\n");
        rest = mark.map(|at| &text[at + 4..]);
        Some(mark.map_or(text, |at| &text[..at]))
    })
}

/// Answers as the daemon does.
async fn behind(mut calls: UnboundedReceiver<Call>) {
    let mut world = World::new(Ledger::default());
    world.step(Event::Start);
    let mut tickets = 0;
    while let Some(call) = calls.recv().await {
        tickets += 1;
        // Whoever asked may have gone.
        let _ = call.answer.send(reply(&mut world, call.ask, Ticket(tickets)));
    }
    std::future::pending::<()>().await;
}

fn reply(world: &mut World, ask: Ask, ticket: Ticket) -> Answer {
    let request = match ask {
        Ask::History(n) => return Answer::ok(&n),
        Ask::More(streamed) => return piece(world, *streamed),
        // Followers are the loop's own to serve.
        Ask::Events(_) | Ask::Next(_) => return Answer::error(409, "refused", "nobody is told", "see: credd status"),
        Ask::Metrics => return begin(world, Document::Metrics(Metrics::new(&world.machine))).open_metrics(),
        Ask::Status => Request::Refresh,
        Ask::Issued(name, at) => Request::Issued(name, at),
        Ask::Snooze(name, SnoozeUntil::At(at)) => Request::Snooze(name, Some(at)),
        Ask::Snooze(name, SnoozeUntil::Tomorrow | SnoozeUntil::Cleared) => Request::Snooze(name, None),
        Ask::Verify(name) => Request::Verify(name),
        Ask::Renewed(name, print) => Request::Renewed(name, print),
        Ask::Renew(name) => Request::Renew(name),
        Ask::Apply(name, force) => Request::Apply(name, force),
    };
    let mut replies = world.step(Event::Request(ticket, request.clone()));
    // Some answers come with the time: of a value that was said to be in the file, say, and isn't.
    for _ in 0..64 {
        if !replies.is_empty() {
            break;
        }
        replies = world.wait();
    }
    let [(answered, reply)] = &replies[..] else { panic!("{} answers to {request:?}", replies.len()) };
    assert_eq!(*answered, ticket);
    world.document();
    match (reply, request) {
        (Reply::Denied(denial), _) => Answer::error(409, "refused", &format!("{denial:?}"), "see: credd status"),
        (_, Request::Refresh) => begin(world, Document::Status(Stream::new(&world.machine))),
        (_, Request::Apply(name, _)) => Answer::ok(&name),
        (
            _,
            Request::Issued(name, _) | Request::Snooze(name, _) | Request::Verify(name) | Request::Renewed(name, _) | Request::Renew(name),
        ) => {
            let key = world.machine.key(&name).expect("what is done is done to a key that there is");
            Answer::ok(&key_status(&world.machine, key, world.now, &world.calendar))
        }
    }
}

fn begin(world: &World, document: Document) -> Answer {
    piece(world, Streamed { config: world.config.clone(), document })
}

fn piece(world: &World, mut streamed: Streamed) -> Answer {
    let at = Viewpoint {
        now: world.now,
        calendar: &world.calendar,
        config: &streamed.config,
        home: Path::new(HOME),
        daemon: Some(DaemonStatus { version: "0".into(), pid: 1, started_at: world.now }),
        problems: Vec::new(),
    };
    let written = streamed.document.write(&world.machine, &at).expect("a document");
    Answer::piece(written, Some(streamed).filter(|streamed| !streamed.document.is_done()))
}

/// What a client is told last that doesn't speak HTTP. An answer of credd's own has a body, and says so first.
const REFUSALS: [&str; 3] = ["400 Bad Request", "414 URI Too Long", "431 Request Header Fields Too Large"];

/// Holds that all that came is whole answers. To HEAD they have no body, and where they end can't be told.
fn check(mut answers: &[u8], heads: bool) {
    while !answers.is_empty() {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(httparse::Status::Complete(head)) = response.parse(answers) else {
            // What isn't HTTP is hyper's to refuse, and it doesn't wait for a client that has left no room for that.
            let is_refusal = |status: &&str| {
                let refusal = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\ndate: ");
                answers.starts_with(refusal.as_bytes()) || refusal.as_bytes().starts_with(answers)
            };
            assert!(REFUSALS.iter().any(is_refusal), "no whole head: {:?}", String::from_utf8_lossy(answers));
            return;
        };
        let code = response.code.expect("a status");
        let header = |name: &str| response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value);
        assert!(matches!(code, 100 | 200 | 400..=499), "status {code}");
        if heads {
            return;
        }
        let rest = &answers[head..];
        if code == 100 {
            answers = rest;
            continue;
        }
        let (body, after) = if header("transfer-encoding").is_some() {
            unchunked(rest)
        } else {
            let length = header("content-length").map_or("0".into(), String::from_utf8_lossy).parse().expect("a length");
            (rest[..length].to_vec(), &rest[length..])
        };
        answers = after;
        // What isn't HTTP is hyper's to answer, and has no body.
        if header("content-type") == Some(b"application/json") {
            let document: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            if code != 200 {
                let error = &document["error"];
                assert!(["code", "message", "hint"].iter().all(|field| error[field].is_string()), "an error as the contract has it");
            }
        } else if code == 200 {
            let (body, end) = body.split_at(body.len().saturating_sub(6));
            assert!(end == b"# EOF\n" && body.ends_with(b"\n") && std::str::from_utf8(body).is_ok(), "metrics as OpenMetrics has them");
        } else {
            assert!(code >= 400 && body.is_empty());
        }
    }
}

/// A chunked body, and what is behind it.
fn unchunked(mut text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut body = Vec::new();
    loop {
        let end = text.windows(2).position(|at| at == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&text[..end]).expect("digits"), 16).expect("digits");
        let (chunk, after) = text[end + 2..].split_at(size);
        body.extend_from_slice(chunk);
        text = after.strip_prefix(b"\r\n").expect("a chunk's end");
        if size == 0 {
            return (body, text);
        }
    }
}
