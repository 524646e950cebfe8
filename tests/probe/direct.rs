//! Straight to an endpoint.

use std::fs;
use std::io::{BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use credd::clock;
use credd::core::{ProbeManner, ProbeVerdict};

use crate::rig::{KEY, Rig, all_unreachable, says, serve};
use crate::support::bedrock::{BedrockStandIn, EXPIRED};
use crate::support::http::{free_port, read_message};
use crate::tls::Tls;

use ProbeManner::{Asked, Fresh, Scheduled};
use ProbeVerdict::{Denied, Rejected, Unknown, Unreachable, Works};

#[test]
fn what_bedrock_says_of_keys() {
    let bedrock = BedrockStandIn::start([KEY]);
    let url = bedrock.url();
    let rig = Rig::new();
    rig.expect(Some(&url), Works, "Bedrock accepts it");
    let request = &bedrock.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str(), request.bearer.as_deref()), ("GET", "/foundation-models", Some(KEY)));
    bedrock.accept_without_list(KEY);
    rig.expect(Some(&url), Denied, "may not list models");
    bedrock.refuse(KEY, EXPIRED);
    rig.expect(Some(&url), Rejected, "it has expired");
    assert_eq!(rig.ask(Fresh, Some(&url)).verdict, Rejected, "time can't mend that");
    bedrock.refuse(KEY, &format!("Authentication failed: {KEY}"));
    rig.expect(Some(&url), Rejected, "it was revoked");
    bedrock.refuse(KEY, "Something new");
    rig.expect(Some(&url), Unknown, "says nothing of the key");
    bedrock.fail_with(429);
    rig.expect(Some(&url), Unreachable, "throttling");
    assert_eq!(bedrock.requests().len(), 8, "an outage is asked twice, all else once");
}

#[test]
fn the_environment_names_the_endpoint() {
    let bedrock = BedrockStandIn::start([KEY]);
    Rig::new().env("AWS_ENDPOINT_URL_BEDROCK", bedrock.url()).expect(None, Works, "");
    Rig::new().env("AWS_ENDPOINT_URL", format!("{}/", bedrock.url())).expect(None, Works, "");
    let rig = Rig::new().env("AWS_ENDPOINT_URL_BEDROCK", "http://user:hunter2@example.com");
    rig.expect(None, Unknown, "nobody was asked: AWS_ENDPOINT_URL_BEDROCK");
    let rig = Rig::new().env("AWS_ENDPOINT_URL_BEDROCK", "http://192.0.2.1");
    rig.expect(None, Unknown, "http is for loopback alone");
}

#[test]
fn a_key_that_looks_wrong_is_asked_nobody_after() {
    let bedrock = BedrockStandIn::start(["good"]);
    let rig = Rig::new();
    let flawed = ["planted ", " planted", "plan\rted", "“planted”", "plan ted"];
    let orders = flawed.iter().enumerate().map(|(at, value)| rig.order(&at.to_string(), value, Fresh, Some(&bedrock.url())));
    let answers = rig.work(orders.collect());
    for (name, report) in &answers {
        let report = report.as_ref().unwrap();
        let said = format!("correct {} in {}", crate::rig::VARIABLE, rig.path(name).display());
        assert!(report.verdict == Rejected && report.detail.ends_with(&said), "{report:?}");
    }
    assert!(answers[0].1.as_ref().unwrap().detail.starts_with("it has white space"));
    assert_eq!((answers.len(), bedrock.requests().len()), (flawed.len(), 0));
}

#[test]
fn another_value_in_the_file_is_asked_nobody_after() {
    let bedrock = BedrockStandIn::start(["newer"]);
    let rig = Rig::new();
    let edited = rig.order("edited", KEY, Asked, Some(&bedrock.url()));
    rig.write("edited", "newer");
    let gone = rig.order("gone", KEY, Asked, Some(&bedrock.url()));
    fs::remove_file(rig.path("gone")).unwrap();
    assert_eq!(rig.work(vec![edited, gone]), [("edited".to_owned(), None), ("gone".to_owned(), None)]);
    assert!(bedrock.requests().is_empty());
}

#[test]
fn a_fresh_key_is_given_time() {
    let bedrock = BedrockStandIn::start(["other"]);
    let rig = Rig::new();
    thread::scope(|scope| {
        let asking = scope.spawn(|| rig.ask(Fresh, Some(&bedrock.url())));
        assert!(bedrock.wait_for(|request| request.bearer.as_deref() == Some(KEY), Duration::from_secs(10)).is_some());
        thread::sleep(Duration::from_secs(2));
        bedrock.accept(KEY);
        assert_eq!(asking.join().unwrap().verdict, Works);
    });
    let statuses: Vec<u16> = bedrock.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [403, 403, 200], "after 0, 1 and 3 seconds");
}

#[test]
fn a_file_edited_meanwhile_ends_the_asking() {
    let bedrock = BedrockStandIn::start(["other"]);
    let rig = Rig::new();
    let order = rig.order("env", KEY, Fresh, Some(&bedrock.url()));
    let start = clock::monotonic();
    let answers = thread::scope(|scope| {
        let asking = scope.spawn(|| rig.work(vec![order]));
        assert!(bedrock.wait_for(|request| request.status == 403, Duration::from_secs(10)).is_some());
        rig.write("env", "newer");
        asking.join().unwrap()
    });
    assert_eq!(answers, [("env".to_owned(), None)]);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(bedrock.requests().len(), 1);
}

#[test]
fn keys_of_a_dead_endpoint_dont_wait_for_each_other() {
    let tries = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&tries);
    let dead = format!(
        "http://{}",
        serve(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
    );
    let bedrock = BedrockStandIn::start([KEY]);
    let rig = Rig::new();
    let mut orders: Vec<_> = (0..5).map(|at| rig.order(&format!("dead-{at}"), KEY, Scheduled, Some(&dead))).collect();
    orders.push(rig.order("alive", KEY, Scheduled, Some(&bedrock.url())));
    let answers = rig.work(orders);
    assert_eq!(answers[0].0, "alive", "it doesn't wait for the others");
    assert_eq!(answers.len(), 6);
    for (_, report) in &answers[1..] {
        assert_eq!(report.as_ref().unwrap().verdict, Unreachable);
    }
    assert_eq!(tries.load(Ordering::Relaxed), 2, "the first key's, for all");
}

#[test]
fn a_slow_server_is_given_ten_seconds() {
    // At the first try they close the connection; at the second, one says nothing, one never ends.
    let slowly = |answer: &'static [u8]| {
        let tries = Arc::new(AtomicUsize::new(0));
        let address = serve(move |mut stream| {
            if tries.fetch_add(1, Ordering::Relaxed) > 0 {
                let _ = read_message(&mut BufReader::new(&stream));
                let _ = stream.write_all(answer);
                while stream.write_all(answer.get(..1).unwrap_or_default()).is_ok() {
                    thread::sleep(Duration::from_millis(100));
                }
            }
        });
        format!("http://{address}")
    };
    let rig = Rig::new();
    let silent = rig.order("silent", KEY, Asked, Some(&slowly(b"")));
    let trickling = rig.order("trickling", KEY, Asked, Some(&slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")));
    let start = clock::monotonic();
    for (name, report) in rig.work(vec![silent, trickling]) {
        let report = report.unwrap();
        assert!(report.verdict == Unreachable && report.detail.contains("didn't answer in time"), "{name} {report:?}");
    }
    assert!((12..18).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[test]
fn odd_answers_are_unknown() {
    let rig = Rig::new();
    let portal = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>{KEY}: Authentication failed</html>");
    rig.expect(Some(&says(portal)), Unknown, "isn't Bedrock's");
    rig.expect(Some(&says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")), Unknown, "isn't Bedrock's");
    rig.expect(Some(&says("HTTP/1.1 403 Forbidden\r\n\r\n<html>blocked</html>")), Unknown, "says nothing of the key");
    rig.expect(Some(&says("SSH-2.0-OpenSSH_9.2\r\n")), Unknown, "isn't HTTP");
    rig.expect(Some(&says(vec![0x16, 3, 1, 0, 0, b'\r', b'\n', b'\r', b'\n'])), Unknown, "isn't HTTP");
}

#[test]
fn nobody_there_is_unreachable() {
    let (closing, gone) = (says(""), format!("http://127.0.0.1:{}", free_port()));
    all_unreachable(&[
        (Rig::new(), Some(&closing), "closed the connection"),
        (Rig::new(), Some(&gone), "nobody listens"),
        // Reserved for never being found (RFC 6761).
        (Rig::new(), Some("https://bedrock.invalid"), "bedrock.invalid can't be found or reached"),
    ]);
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = BedrockStandIn::start([KEY]);
    let answer = format!("HTTP/1.1 307 Moved\r\nLocation: {}/foundation-models\r\nContent-Length: 0\r\n\r\n", elsewhere.url());
    Rig::new().expect(Some(&says(answer)), Unknown, "redirects");
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn a_body_without_an_end_is_not_read() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let address = serve(move |mut stream| {
        let _ = read_message(&mut BufReader::new(&stream));
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n{{\"modelSummaries\":[");
        let block = vec![b' '; 1 << 16];
        while count.load(Ordering::Relaxed) < 1 << 30 && stream.write_all(&block).is_ok() {
            count.fetch_add(block.len(), Ordering::Relaxed);
        }
    });
    let start = clock::monotonic();
    Rig::new().expect(Some(&format!("http://{address}")), Works, "");
    // What the sockets hold, and no more.
    assert!(sent.load(Ordering::Relaxed) < 64 << 20, "{sent:?}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn tls_with_an_authority_that_the_system_trusts() {
    let bedrock = BedrockStandIn::start([KEY]);
    let rig = Rig::new();
    let tls = Tls::before(bedrock.port(), &["localhost", "127.0.0.1"], &rig.path(""));
    let authority = tls.authority.to_str().unwrap();
    let url = format!("https://localhost:{}", tls.address.port());
    let trusted = Rig::new().env("SSL_CERT_FILE", authority);
    trusted.expect(Some(&url), Works, "Bedrock accepts it");
    trusted.expect(Some(&format!("https://{}", tls.address)), Works, "");
    Rig::new().env("AWS_CA_BUNDLE", authority).expect(Some(&url), Works, "");
    bedrock.forget();

    // Another authority, as where a company's own is not in the trust store.
    let other = Tls::before(bedrock.port(), &["elsewhere.example"], &trusted.path(""));
    let elsewhere = format!("https://localhost:{}", other.address.port());
    let no_tls = serve(|mut stream| drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let no_tls = format!("https://{no_tls}");
    let wrong = other.authority.to_str().unwrap();
    trusted.write("empty", "");
    let path = trusted.path("empty");
    let empty = path.to_str().unwrap();
    all_unreachable(&[
        (Rig::new().env("SSL_CERT_FILE", wrong), Some(&url), "the certificate of localhost"),
        (Rig::new().env("AWS_CA_BUNDLE", wrong), Some(&url), "isn't trusted here"),
        (Rig::new().env("AWS_CA_BUNDLE", wrong), Some(&elsewhere), "is for another name"),
        (Rig::new().env("SSL_CERT_FILE", authority), Some(&no_tls), "no TLS with 127.0.0.1"),
        (Rig::new().env("AWS_CA_BUNDLE", "/nowhere"), Some(&url), "AWS_CA_BUNDLE: /nowhere can't be read"),
        (Rig::new().env("AWS_CA_BUNDLE", empty), Some(&url), "has no certificate in it"),
        (Rig::new().env("SSL_CERT_FILE", empty), Some(&url), "trust store"),
    ]);
    assert!(bedrock.requests().is_empty(), "{:?}", bedrock.requests());
}
