//! Through an HTTP proxy, as in a company's network.

use base64::prelude::{BASE64_STANDARD, Engine};
use credd::core::ProbeVerdict::{Unreachable, Works};

use crate::relay::Relay;
use crate::rig::{KEY, Rig, all_unreachable};
use crate::support::bedrock::BedrockStandIn;
use crate::tls::Tls;

const AWS: &str = "bedrock.us-east-1.amazonaws.com";

#[test]
fn a_proxy_leads_to_amazon() {
    let bedrock = BedrockStandIn::start([KEY]);
    let files = Rig::new();
    let tls = Tls::before(bedrock.port(), &[AWS], &files.path(""));
    let relay = Relay::to(tls.address.port(), "200 Connection established");
    let rig = || Rig::new().env("SSL_CERT_FILE", tls.authority.to_str().unwrap());
    let connect = format!("CONNECT {AWS}:443 HTTP/1.1");

    rig().env("HTTPS_PROXY", format!("http://user:hunter2@{}", relay.address)).expect(None, Works, "Bedrock accepts it");
    assert_eq!(relay.asked(), [(connect.clone(), Some(format!("Basic {}", BASE64_STANDARD.encode("user:hunter2"))))]);
    rig().env("https_proxy", relay.address.clone()).env("HTTPS_PROXY", "http://127.0.0.1:1").expect(None, Works, "");
    assert_eq!(relay.asked()[1..], [(connect, None)]);
    // What looks into TLS there isn't trusted here.
    Rig::new().env("HTTPS_PROXY", relay.address.clone()).expect(None, Unreachable, "");
    assert_eq!(bedrock.requests().len(), 2);
}

#[test]
fn some_hosts_are_asked_without_it() {
    let bedrock = BedrockStandIn::start([KEY]);
    let relay = Relay::to(1, "200 Connection established");
    let rig = || Rig::new().env("HTTPS_PROXY", relay.address.clone()).env("ALL_PROXY", relay.address.clone());
    rig().expect(Some(&bedrock.url()), Works, "");
    rig().env("NO_PROXY", "10.0.0.1,.invalid").expect(Some("https://bedrock.invalid"), Unreachable, "can't be found");
    assert_eq!(relay.asked(), []);
}

#[test]
fn a_proxy_that_is_no_help_is_told() {
    let (suspicious, broken) = (Relay::to(1, "407 Proxy Authentication Required"), Relay::to(1, "502 Bad Gateway"));
    let rig = |url: String| Rig::new().env("HTTPS_PROXY", url);
    all_unreachable(&[
        (rig(format!("http://user:hunter2@{}", suspicious.address)), None, "(HTTP 407): check HTTPS_PROXY"),
        (rig(broken.address.clone()), None, "the proxy doesn't connect to"),
        (rig("http://127.0.0.1:1".to_owned()), None, "or at the proxy on the way"),
        (rig("wrong://user:hunter2@x".to_owned()), None, "HTTPS_PROXY isn't the URL"),
    ]);
    assert_eq!((suspicious.asked().len(), broken.asked().len()), (2, 2));
}
