//! Proving a key by a completion through LiteLLM: nothing else does (its health endpoints answer 200
//! with a dead key).

use std::time::Duration;

use super::http;
use super::sys::Held;
use crate::clock;
use crate::secret::Secret;

/// What a completion tells of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It was answered.
    Works,
    /// Bedrock didn't accept the key, or LiteLLM found none: why, for people.
    Refused(String),
    /// Something else was in the way: what, for people.
    Unproven(String),
}

/// A key that was made a moment ago may be refused for some seconds, and an overloaded Bedrock recovers:
/// ask again for as long.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);
/// For one completion of a single token.
const ANSWER: Duration = Duration::from_secs(30);

/// Asks for one token, again where the answer may change, until it is clear; ends early when the process
/// does.
pub fn prove(process: &Held, base: &str, model: &str, master_key: Option<&Secret>) -> Proof {
    let body = serde_json::json!({
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 1,
    });
    let end = clock::monotonic() + PATIENCE;
    loop {
        let proof = match http::post(&format!("{base}/v1/chat/completions"), master_key, &body, ANSWER) {
            Ok(answer) => classify(answer.status, &answer.body),
            Err(problem) => Again::Worth(Proof::Unproven(format!("the completion got no answer ({problem})"))),
        };
        match proof {
            Again::Useless(proof) => return proof,
            Again::Worth(proof) if clock::monotonic() >= end => return proof,
            Again::Worth(proof) if process.gone_within(PAUSE) => {
                return match proof {
                    Proof::Works => Proof::Works,
                    _ => Proof::Refused("it ended while the key was being proven".to_owned()),
                };
            }
            Again::Worth(_) => {}
        }
    }
}

/// Whether asking again could give another answer.
#[derive(Debug, PartialEq, Eq)]
enum Again {
    Worth(Proof),
    Useless(Proof),
}

/// What an answer of LiteLLM's (1.106) says of the key. Bedrock's errors come through as
/// `litellm.PermissionDeniedError: BedrockException - {"Message": …}` with 403, and a missing or empty key
/// as 401 `Unable to locate credentials`; LiteLLM's own refusal of a caller is 401 too, but speaks of the
/// proxy's token. The message itself is for nobody's eyes: it may quote a key.
fn classify(status: u16, body: &str) -> Again {
    let says = |words: &[&str]| {
        let body = body.to_ascii_lowercase();
        words.iter().any(|word| body.contains(word))
    };
    let refused = |why: &str| Again::Worth(Proof::Refused(why.to_owned()));
    let unproven = |why: String| Proof::Unproven(why);
    if (200..300).contains(&status) {
        return Again::Useless(Proof::Works);
    }
    if says(&["unable to locate credentials"]) {
        return Again::Useless(Proof::Refused("LiteLLM found no key in its environment".to_owned()));
    }
    if says(&["access to the model", "model access is denied", "model use case details"]) {
        // The account's affair, whatever the key.
        return Again::Useless(unproven(format!("the account has no access to the model (HTTP {status})")));
    }
    if says(&["expiredtoken", "token has expired", "api key has expired", "key is expired"]) {
        return Again::Useless(Proof::Refused(format!("Bedrock says that the key has expired (HTTP {status})")));
    }
    if says(&[
        "make sure your api key is valid",
        "unrecognizedclientexception",
        "security token included in the request is invalid",
        "invalidsignatureexception",
        "incompletesignatureexception",
        "invalidclienttokenid",
    ]) {
        return refused(&format!("Bedrock refuses the key (HTTP {status})"));
    }
    let from_bedrock = says(&["bedrockexception", "litellm.permissiondeniederror", "litellm.authenticationerror", "accessdeniedexception"]);
    match status {
        401 | 403 if from_bedrock && says(&["not authorized to perform"]) => {
            refused(&format!("the key lacks a permission that the completion needs (HTTP {status})"))
        }
        401 | 403 if from_bedrock => refused(&format!("Bedrock refuses the key (HTTP {status})")),
        401 | 403 => Again::Useless(unproven(format!("LiteLLM itself refused the completion (HTTP {status}): check master_key_variable"))),
        429 => Again::Worth(unproven("Bedrock is throttling (HTTP 429)".to_owned())),
        500.. => Again::Worth(unproven(format!("Bedrock couldn't be asked (HTTP {status})"))),
        _ => Again::Useless(unproven(format!("LiteLLM didn't take the completion (HTTP {status}): check model"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(status: u16, body: &str) -> &'static str {
        let (Again::Worth(proof) | Again::Useless(proof)) = classify(status, body);
        match proof {
            Proof::Works => "works",
            Proof::Refused(_) => "refused",
            Proof::Unproven(_) => "unproven",
        }
    }

    #[test]
    fn answers_and_what_they_mean() {
        let denied = |message: &str| {
            format!(
                r#"{{"error":{{"message":"litellm.PermissionDeniedError: BedrockException - {{\"Message\":\"{message}\"}}","code":"403"}}}}"#
            )
        };
        let key = "Authentication failed: Please make sure your API Key is valid.";
        for (status, body, expected) in [
            (200, "{}", "works"),
            (403, denied(key).as_str(), "refused"),
            (403, &denied("Bearer Token has expired"), "refused"),
            (403, &denied("User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel"), "refused"),
            (403, &denied("You don't have access to the model with the specified model ID."), "unproven"),
            (401, r#"{"error":{"message":"litellm.AuthenticationError: Unable to locate credentials"}}"#, "refused"),
            (500, r#"{"error":{"message":"litellm.APIConnectionError: Unable to locate credentials"}}"#, "refused"),
            (401, r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed","code":"401"}}"#, "unproven"),
            (403, "<html>a proxy in between</html>", "unproven"),
            (400, r#"{"error":{"message":"Invalid model name passed in model=x"}}"#, "unproven"),
            (404, "", "unproven"),
            (429, r#"{"error":{"message":"litellm.RateLimitError: BedrockException"}}"#, "unproven"),
            (500, "litellm.APIConnectionError: Name or service not known", "unproven"),
            (503, "litellm.ServiceUnavailableError: BedrockException", "unproven"),
        ] {
            assert_eq!(proof(status, body), expected, "{status} {body}");
        }
    }
}
