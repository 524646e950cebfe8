//! One request: the key as bearer, what came of it as a finding.

use std::io;
use std::time::Duration;

use rustls::CertificateError;
use ureq::{Agent, Error};

use super::classify::{Reply, classify};
use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use crate::core::ProbeVerdict;
use crate::http;
use crate::secret::Secret;

/// For one try, from the name's look-up to the end of what is read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks once, for no longer than `most`.
pub(super) fn ask(agent: &Agent, endpoint: &Endpoint, key: &Secret, most: Duration) -> Finding {
    let Some(header) = http::bearer(key) else {
        return Finding::new(ProbeVerdict::Rejected, Retry::Useless, "it can't be sent: no key looks like this");
    };
    let answer = agent
        .get(format!("{}/foundation-models", endpoint.base))
        .config()
        .timeout_global(Some(PATIENCE.min(most)))
        .build()
        .header("Authorization", header)
        .header("Accept", "application/json")
        .call();
    match answer {
        Ok(mut response) => {
            let (body, broken) = http::beginning(&mut response);
            let error_type = response.headers().get("x-amzn-errortype").and_then(|value| value.to_str().ok()).unwrap_or_default();
            let finding = classify(&Reply { status: response.status().as_u16(), error_type, body: &body });
            match broken {
                Some(error) if finding.verdict == ProbeVerdict::Unknown => no_answer(&endpoint.name, &Error::from(error)),
                _ => finding,
            }
        }
        Err(error) => no_answer(&endpoint.name, &error),
    }
}

/// Why there was no answer. The library's own words are left out: they may hold a proxy's password, and what
/// a peer sent.
fn no_answer(name: &str, error: &Error) -> Finding {
    let unreachable = |why: String| Finding::new(ProbeVerdict::Unreachable, Retry::Endpoint, why);
    if let Some(error) = tls(error) {
        return unreachable(tls_failure(name, error));
    }
    match error {
        Error::Timeout(_) => unreachable(format!("{name} didn't answer in time")),
        Error::ConnectProxyFailed(why) if why.contains("407") => {
            unreachable("the proxy wants to know who asks (HTTP 407): check HTTPS_PROXY".to_owned())
        }
        Error::ConnectProxyFailed(_) => unreachable(format!("the proxy doesn't connect to {name}: check HTTPS_PROXY and NO_PROXY")),
        Error::InvalidProxyUrl => unreachable("HTTPS_PROXY isn't the URL of a proxy, like http://host:port".to_owned()),
        Error::Io(error) => unreachable(match error.kind() {
            io::ErrorKind::ConnectionRefused => format!("nobody listens at {name}, or at the proxy on the way"),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("{name} didn't answer in time"),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                format!("{name} closed the connection without an answer")
            }
            // A name that isn't found has no kind of its own.
            _ => format!("{name} can't be found or reached: check the network, endpoint and region"),
        }),
        Error::HostNotFound => unreachable(format!("{name} can't be found: check the network, endpoint and region")),
        Error::Tls(_) => unreachable(format!("no TLS with {name}: check endpoint")),
        Error::Protocol(_) | Error::LargeResponseHeader(..) => {
            Finding::new(ProbeVerdict::Unknown, Retry::Useless, format!("{name} answers with something that isn't HTTP: check endpoint"))
        }
        _ => unreachable(format!("{name} can't be asked: check endpoint and the network")),
    }
}

/// The reason of a failure in TLS, wherever ureq keeps it.
fn tls(error: &Error) -> Option<&rustls::Error> {
    match error {
        Error::Rustls(error) => Some(error),
        Error::Io(error) => {
            let inner = error.get_ref()?;
            inner.downcast_ref().or_else(|| inner.source()?.downcast_ref())
        }
        _ => None,
    }
}

fn tls_failure(name: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!("the certificate of {name} has expired, or this machine's clock is wrong")
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            format!("the certificate of {name} isn't valid yet: check this machine's clock")
        }
        rustls::Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            format!("the certificate of {name} is for another name: check endpoint, or sign in to the network")
        }
        rustls::Error::InvalidCertificate(_) => format!(
            "the certificate of {name} isn't trusted here: where a proxy looks into TLS, add its authority to the \
             system's trust store or name it in AWS_CA_BUNDLE"
        ),
        rustls::Error::General(_) => "this system's trust store holds no certificate: install ca-certificates".to_owned(),
        _ => format!("no TLS with {name}: check endpoint and the proxy"),
    }
}
