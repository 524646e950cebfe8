//! What an answer says of the key: told by its message, never by its status alone.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

use super::finding::{Finding, Retry};
use crate::core::ProbeVerdict;

/// What is to be known of an HTTP answer.
pub(super) struct Reply<'a> {
    pub(super) status: u16,
    /// `x-amzn-errortype`, an exception's name with or without more behind it.
    pub(super) error_type: &'a str,
    /// The beginning of the body.
    pub(super) body: &'a [u8],
}

/// What an answer means. Bedrock tells all its refusals as 403 `AccessDeniedException`, and what stands in
/// between (a corporate proxy, a gateway, a captive portal) answers with the same numbers.
///
/// The detail quotes nothing of the answer: it may echo the key.
pub(super) fn classify(reply: &Reply<'_>) -> Finding {
    use ProbeVerdict::{Denied, Rejected, Unknown, Unreachable, Works};
    let status = reply.status;
    match status {
        200..300 if lists_models(reply.body) => return Finding::new(Works, Retry::Useless, "Bedrock accepts it"),
        200..300 => {
            let detail = format!("the answer (HTTP {status}) isn't Bedrock's: check endpoint, or sign in to the network");
            return Finding::new(Unknown, Retry::Useless, detail);
        }
        300..400 => {
            let detail = format!("the endpoint redirects (HTTP {status}), which isn't followed: check endpoint, or sign in to the network");
            return Finding::new(Unknown, Retry::Useless, detail);
        }
        407 => {
            let detail = "the proxy wants to know who asks (HTTP 407): check HTTPS_PROXY";
            return Finding::new(Unreachable, Retry::Endpoint, detail);
        }
        429 => return Finding::new(Unreachable, Retry::Key, "Bedrock is throttling (HTTP 429)"),
        500.. => {
            let detail = format!("Bedrock, or a gateway before it, is in trouble (HTTP {status})");
            return Finding::new(Unreachable, Retry::Endpoint, detail);
        }
        _ => {}
    }
    let said = said(reply);
    let says = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let rejected = |retry, why: &str| Finding::new(Rejected, retry, format!("Bedrock refuses it (HTTP {status}): {why}"));
    // AWS's name for who asks without any credentials: something on the way took the key away.
    if says(&["user: anonymous"]) {
        let detail = format!("the key didn't get to Bedrock (HTTP {status}): check the gateway or proxy in between");
        Finding::new(Unknown, Retry::Useless, detail)
    } else if says(&["is not authorized to perform"]) {
        let detail = "Bedrock accepts it, but it may not list models (bedrock:ListFoundationModels)";
        Finding::new(Denied, Retry::Useless, detail)
    } else if says(&["throttlingexception", "toomanyrequests"]) {
        Finding::new(Unreachable, Retry::Key, format!("Bedrock is throttling (HTTP {status})"))
    } else if says(&["has expired", "expiredtoken", "is expired"]) {
        rejected(Retry::Useless, "it has expired")
    } else if says(&["invalid api key format", "pre-defined prefix", "base64"]) {
        rejected(Retry::Useless, "it hasn't the form of a Bedrock key; copy it anew, whole")
    } else if says(&["authentication failed", "make sure your api key is valid", "invalid_api_key", "invalid api key", "incorrect api key"])
    {
        rejected(Retry::Key, "it was revoked, has expired or was copied wrongly")
    } else if says(&["unrecognizedclient", "security token included in the request is invalid"]) {
        rejected(Retry::Key, "it isn't known; perhaps it is of another partition of AWS")
    } else {
        let detail = format!("the answer (HTTP {status}) says nothing of the key: check endpoint and region");
        Finding::new(Unknown, Retry::Useless, detail)
    }
}

/// All that an answer says of its reason, in lower case: the header, and of a JSON body the members that AWS
/// and gateways like `OpenAI`'s use. A body that isn't JSON says nothing.
fn said(reply: &Reply<'_>) -> Zeroizing<String> {
    let body: Value = serde_json::from_slice(reply.body).unwrap_or_default();
    let error = &body["error"];
    let members =
        [&body["Message"], &body["message"], &body["__type"], &body["code"], error, &error["message"], &error["code"], &error["type"]];
    let texts: Vec<&str> = std::iter::once(reply.error_type).chain(members.into_iter().filter_map(Value::as_str)).collect();
    let mut all = Zeroizing::new(texts.join("\n"));
    all.make_ascii_lowercase();
    all
}

/// Whether a body is, or begins like, an object with an array `modelSummaries`. The whole list may be longer
/// than what is read of it.
fn lists_models(body: &[u8]) -> bool {
    let seen = Cell::new(false);
    // Ends in an error by design, at the array.
    let _ = Object(&seen).deserialize(&mut serde_json::Deserializer::from_slice(body));
    seen.get()
}

/// Sets the cell where an object has an array `modelSummaries`.
struct Object<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "modelSummaries" {
                return map.next_value_seed(Array(self.0));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Sets the cell for an array, however it goes on.
struct Array<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Array<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array<'_> {
    type Value = ();
    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an array")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.0.set(true);
        Err(A::Error::custom("enough"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(status: u16, error_type: &str, body: &str) -> (ProbeVerdict, Retry) {
        let finding = classify(&Reply { status, error_type, body: body.as_bytes() });
        assert!(!finding.detail.contains("planted"), "{}", finding.detail);
        (finding.verdict, finding.retry)
    }

    #[test]
    fn what_bedrock_says() {
        use ProbeVerdict::{Denied, Rejected, Unknown, Unreachable, Works};
        use Retry::{Endpoint, Key, Useless};
        let denied = r#"{"Message":"User: arn:aws:iam::1:user/planted is not authorized to perform: bedrock:ListFoundationModels because no identity-based policy allows it"}"#;
        for (status, body, expected) in [
            (200, r#"{"modelSummaries":[]}"#, (Works, Useless)),
            (200, r#" {"a":{"b":[1]},"modelSummaries":[{"modelId":"x"}]}"#, (Works, Useless)),
            // Longer than what was read of it.
            (200, r#"{"modelSummaries":[{"modelId":"x"},{"modelI"#, (Works, Useless)),
            (200, r#"{"modelSummaries":{}}"#, (Unknown, Useless)),
            (200, r#"{"x":{"modelSummaries":[]}}"#, (Unknown, Useless)),
            (200, r#"{"modelSummaries""#, (Unknown, Useless)),
            (200, r#"["modelSummaries"]"#, (Unknown, Useless)),
            (200, r#"{"Message":"Authentication failed"}"#, (Unknown, Useless)),
            (200, "<html>Sign in, planted</html>", (Unknown, Useless)),
            (204, "", (Unknown, Useless)),
            (302, "", (Unknown, Useless)),
            (403, r#"{"Message":"Authentication failed: Please make sure your API Key is valid."}"#, (Rejected, Key)),
            (403, r#"{"message":"Authentication failed: planted"}"#, (Rejected, Key)),
            (403, r#"{"Message":"Bearer Token has expired"}"#, (Rejected, Useless)),
            (403, r#"{"Message":"Invalid API Key format: Must start with pre-defined prefix"}"#, (Rejected, Useless)),
            (403, r#"{"Message":"Invalid API Key format: Base64 decoding failed"}"#, (Rejected, Useless)),
            (401, r#"{"error":{"code":"invalid_api_key","message":"Invalid bearer token: planted","type":"x"}}"#, (Rejected, Key)),
            (403, r#"{"message":"The security token included in the request is invalid."}"#, (Rejected, Key)),
            (400, r#"{"__type":"UnrecognizedClientException"}"#, (Rejected, Key)),
            (403, denied, (Denied, Useless)),
            (403, r#"{"Message":"User: anonymous is not authorized to perform: x"}"#, (Unknown, Useless)),
            (403, r#"{"Message":"planted"}"#, (Unknown, Useless)),
            (403, r#"{"message":7,"error":[1]}"#, (Unknown, Useless)),
            (403, r#"{"error":"invalid_api_key"}"#, (Rejected, Key)),
            (403, "Authentication failed", (Unknown, Useless)),
            (403, "<html>Authentication failed: planted</html>", (Unknown, Useless)),
            (403, "", (Unknown, Useless)),
            (404, "{}", (Unknown, Useless)),
            (400, r#"{"__type":"ThrottlingException"}"#, (Unreachable, Key)),
            (407, "planted", (Unreachable, Endpoint)),
            (429, r#"{"Message":"Authentication failed"}"#, (Unreachable, Key)),
            (500, r#"{"Message":"Authentication failed"}"#, (Unreachable, Endpoint)),
            (503, "", (Unreachable, Endpoint)),
            (101, "", (Unknown, Useless)),
        ] {
            assert_eq!(found(status, "", body), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_header_counts_as_well() {
        use ProbeVerdict::{Rejected, Unknown};
        assert_eq!(found(403, "UnrecognizedClientException:http://internal/", "{}"), (Rejected, Retry::Key));
        assert_eq!(found(400, "ExpiredTokenException", ""), (Rejected, Retry::Useless));
        assert_eq!(found(403, "AccessDeniedException", "{}"), (Unknown, Retry::Useless));
    }
}
