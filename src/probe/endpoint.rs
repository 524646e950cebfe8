//! Whom to ask.

use std::net::IpAddr;

use ureq::http::Uri;

/// Where Bedrock's control plane, or what stands for it, is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Its URL, without a slash at the end.
    pub(super) base: String,
    /// Its host and, where the URL has one, port: for people.
    pub(super) name: String,
    /// Its host alone, without the brackets of an IPv6 address.
    pub(super) host: String,
}

/// DNS suffixes of AWS's partitions, by the start of a region's name (botocore's `partitions.json`); all
/// other regions are below `amazonaws.com`.
const PARTITIONS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("us-isof-", "csp.hci.ic.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
];

impl Endpoint {
    /// The configuration's, else the one of the environment, else AWS's own for the region. The error says
    /// why the key can't be sent there.
    ///
    /// The environment is read as AWS's SDKs do ([service-specific endpoints]): that of the service first,
    /// then the one for all, unless both are to be ignored; an empty one is none.
    ///
    /// [service-specific endpoints]: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
    pub(super) fn choose(configured: Option<&str>, region: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        if let Some(url) = configured {
            return Self::parse(url, "endpoint");
        }
        let ignored = environment("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let names = if ignored { &[][..] } else { &["AWS_ENDPOINT_URL_BEDROCK", "AWS_ENDPOINT_URL"][..] };
        let found = names.iter().find_map(|name| Some((*name, environment(name).filter(|url| !url.is_empty())?)));
        match found {
            Some((name, url)) => Self::parse(&url, name),
            None => Self::parse(&aws(region)?, "region"),
        }
    }

    /// `source` is where the URL is from; the URL itself is never told, since it may hold a password.
    fn parse(url: &str, source: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("nobody was asked: {source} {why}"));
        let base = url.trim_end_matches('/');
        if base.contains(['?', '#', '@']) {
            return wrong("has more in it than a scheme, a host, a port and a path");
        }
        let parsed = base.parse::<Uri>().ok();
        let Some((scheme, authority)) = parsed.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.authority()?))) else {
            return wrong("is not a URL; write it like https://host:port");
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() {
            return wrong("has no host name; write it like https://host:port");
        }
        let found = Self { base: base.to_owned(), name: authority.as_str().to_owned(), host };
        match scheme {
            "https" => Ok(found),
            "http" if found.is_loopback() => Ok(found),
            "http" => wrong("would have the key sent unencrypted: http is for loopback alone, use https"),
            _ => wrong("is neither http:// nor https://"),
        }
    }

    /// Where it listens.
    pub(super) fn port(&self) -> u16 {
        let port = self.base.parse::<Uri>().ok().and_then(|uri| uri.port_u16());
        port.unwrap_or(if self.base.starts_with("http:") { 80 } else { 443 })
    }

    /// Whether it is this machine by its very name or number.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// AWS's own endpoint. A region is a part of a host name: nothing else may come in with it.
fn aws(region: &str) -> Result<String, String> {
    let fits = !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !fits {
        return Err("nobody was asked: region is not the name of an AWS region".to_owned());
    }
    let suffix = PARTITIONS.iter().find(|(start, _)| region.starts_with(start)).map_or("amazonaws.com", |(_, suffix)| suffix);
    Ok(format!("https://bedrock.{region}.{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(configured: Option<&str>, region: &str, environment: &[(&str, &str)]) -> Result<String, String> {
        let get = |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Endpoint::choose(configured, region, get).map(|endpoint| endpoint.base)
    }

    #[test]
    fn the_nearest_setting_counts() {
        let service = ("AWS_ENDPOINT_URL_BEDROCK", "https://service.example/");
        let all = ("AWS_ENDPOINT_URL", "https://all.example");
        let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "True");
        for (configured, environment, expected) in [
            (Some("http://127.0.0.1:1/x/"), &[service][..], "http://127.0.0.1:1/x"),
            (None, &[all, service], "https://service.example"),
            (None, &[all], "https://all.example"),
            (None, &[("AWS_ENDPOINT_URL_BEDROCK", ""), all], "https://all.example"),
            (None, &[("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://runtime.example")], "https://bedrock.us-east-1.amazonaws.com"),
            (None, &[service, all, ignore], "https://bedrock.us-east-1.amazonaws.com"),
            (None, &[service, ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")], "https://service.example"),
            (Some("https://own.example"), &[ignore], "https://own.example"),
            (None, &[], "https://bedrock.us-east-1.amazonaws.com"),
        ] {
            assert_eq!(choose(configured, "us-east-1", environment).as_deref(), Ok(expected), "{configured:?} {environment:?}");
        }
    }

    #[test]
    fn regions_of_other_partitions() {
        for (region, host) in [
            ("us-gov-west-1", "bedrock.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "bedrock.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "bedrock.eusc-de-east-1.amazonaws.eu"),
            ("us-isob-east-1", "bedrock.us-isob-east-1.sc2s.sgov.gov"),
        ] {
            assert_eq!(choose(None, region, &[]), Ok(format!("https://{host}")));
        }
        for region in ["", "evil.example/", "us-east-1.evil", "US-EAST-1", "a@b"] {
            assert!(choose(None, region, &[]).is_err(), "{region}");
        }
    }

    #[test]
    fn the_key_goes_nowhere_unencrypted() {
        for url in ["http://localhost:1", "http://127.8.9.1", "http://[::1]:80/x", "https://example.com", "HTTPS://EXAMPLE.com"] {
            assert!(choose(None, "r", &[("AWS_ENDPOINT_URL", url)]).is_ok(), "{url}");
            assert!(choose(Some(url), "r", &[]).is_ok(), "{url}");
        }
        for url in [
            "http://example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://[::2]",
            "http://user:hunter2@localhost",
            "http://localhost#@example.com",
            "https://example.com?x",
            "ftp://localhost",
            "localhost:80",
            "/path",
            "https://",
            "hunter2",
        ] {
            let error = choose(None, "r", &[("AWS_ENDPOINT_URL", url)]).unwrap_err();
            assert!(error.starts_with("nobody was asked: AWS_ENDPOINT_URL ") && !error.contains("hunter2"), "{error}");
        }
    }
}
