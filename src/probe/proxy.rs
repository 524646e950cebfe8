//! Whether an HTTP proxy is to be used, by the variables that curl, Python and so the AWS CLI and LiteLLM
//! go by.
//!
//! ureq's own reading of them prefers `ALL_PROXY`, takes `HTTP_PROXY` for https and compares `NO_PROXY` word
//! by word, so that the probe could go another way than LiteLLM's requests.

use super::endpoint::Endpoint;

/// The proxy's URL for an endpoint, if one is to be used.
///
/// Lower case goes before upper case, `https_proxy` before `all_proxy`; this machine is never asked through
/// a proxy, and neither is what `no_proxy` lists.
pub(super) fn choose(endpoint: &Endpoint, environment: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either = |name: &str| environment(name).or_else(|| environment(&name.to_ascii_uppercase())).filter(|value| !value.is_empty());
    if endpoint.is_loopback() || either("no_proxy").is_some_and(|list| bypasses(&list, &endpoint.host)) {
        return None;
    }
    either("https_proxy").or_else(|| either("all_proxy"))
}

/// Whether a list like `localhost,.example.com` names a host: itself or a domain above it, with or without
/// a dot or `*.` before it; a port at an entry's end is disregarded, and `*` is every host.
fn bypasses(list: &str, host: &str) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let entry = entry.trim_start_matches('*').trim_start_matches('.');
        let entry = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() && (!name.contains(':') || name.ends_with(']')) => name,
            _ => entry,
        };
        let entry = entry.trim_start_matches('[').trim_end_matches(']');
        // What is left of `*`.
        entry.is_empty() || host.strip_suffix(entry).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Option<String> {
        let get = |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        let endpoint = Endpoint::choose(Some(url), "r", |_| None).unwrap();
        choose(&endpoint, get)
    }

    #[test]
    fn variables_and_their_order() {
        let url = "https://bedrock.example";
        for (environment, expected) in [
            (&[("HTTPS_PROXY", "a")][..], Some("a")),
            (&[("HTTPS_PROXY", "a"), ("https_proxy", "b")], Some("b")),
            (&[("HTTPS_PROXY", "a"), ("https_proxy", "")], None),
            (&[("ALL_PROXY", "a"), ("HTTPS_PROXY", "b")], Some("b")),
            (&[("ALL_PROXY", "a")], Some("a")),
            (&[("HTTP_PROXY", "a"), ("http_proxy", "a")], None),
            (&[("HTTPS_PROXY", "a"), ("NO_PROXY", "other.example")], Some("a")),
            (&[("HTTPS_PROXY", "a"), ("NO_PROXY", "bedrock.example")], None),
            (&[("HTTPS_PROXY", "a"), ("no_proxy", "x, .example"), ("NO_PROXY", "")], None),
        ] {
            assert_eq!(chosen(url, environment).as_deref(), expected, "{environment:?}");
        }
        for url in ["https://localhost", "http://127.0.0.1:1", "https://[::1]:1"] {
            assert_eq!(chosen(url, &[("https_proxy", "a"), ("all_proxy", "b")]), None, "{url}");
        }
    }

    #[test]
    fn lists_of_hosts() {
        for (list, host, expected) in [
            ("*", "a.b", true),
            ("b", "a.b", true),
            (".b", "a.b", true),
            ("*.b", "a.b", true),
            ("A.B", "a.b", true),
            ("a.b:443", "a.b", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("[fd00::1]:443,x", "fd00::1", true),
            ("fd00::1", "fd00::1", true),
            ("x b", "a.b", true),
            ("", "a.b", false),
            (",", "a.b", false),
            ("c", "a.b", false),
            ("b", "ab", false),
            ("x.a.b", "a.b", false),
        ] {
            assert_eq!(bypasses(list, host), expected, "{list} {host}");
        }
    }
}
