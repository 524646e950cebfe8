//! The way to an endpoint: through which proxy, trusting whom.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use super::endpoint::Endpoint;
use super::{finding, proxy};
use crate::core::ProbeVerdict;
use finding::{Finding, Retry};

/// For the connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// A bundle of all the world's authorities is a quarter of this.
const LARGEST_BUNDLE: u64 = 4 << 20;

/// An agent that asks one endpoint; it keeps no connection and follows no redirect, which would take the key
/// elsewhere. What is wrong with the settings is found here, before a key is at hand.
///
/// Trusted is whom the system trusts (on Linux, `SSL_CERT_FILE` and `SSL_CERT_DIR` instead where they are
/// set, as with OpenSSL), unless `AWS_CA_BUNDLE` names a file, as with the AWS CLI.
///
/// With it come the ports of TCP that it connects to.
pub(super) fn agent(endpoint: &Endpoint, environment: impl Fn(&str) -> Option<String>) -> Result<(Agent, Vec<u16>), Finding> {
    let unreachable = |why: String| Finding::new(ProbeVerdict::Unreachable, Retry::Useless, why);
    let proxy = proxy::choose(endpoint, &environment)
        .map(|url| Proxy::new(&url).map_err(|_| unreachable("HTTPS_PROXY isn't the URL of a proxy, like http://host:port".to_owned())))
        .transpose()?;
    let roots = match environment("AWS_CA_BUNDLE").filter(|path| !path.is_empty()) {
        Some(path) => RootCerts::from(certificates(&path).map_err(|why| unreachable(format!("AWS_CA_BUNDLE: {path} {why}")))?),
        None => RootCerts::PlatformVerifier,
    };
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let port = proxy.as_ref().map_or_else(|| endpoint.port(), Proxy::port);
    let config = Agent::config_builder()
        .tls_config(tls)
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("credd/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok((config.new_agent(), vec![port]))
}

/// The certificates of a PEM file. The error goes on a sentence that begins with the file's name.
fn certificates(path: &str) -> Result<Vec<Certificate<'static>>, String> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_BUNDLE).read_to_end(&mut text))
        .map_err(|error| format!("can't be read ({error})"))?;
    let found: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() { Err("has no certificate in it".to_owned()) } else { Ok(found) }
}
