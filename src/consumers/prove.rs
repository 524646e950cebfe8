//! Proving a key by a completion through LiteLLM: nothing else does (its health endpoints answer 200
//! with a dead key).

use std::time::Duration;

use zeroize::Zeroizing;

use super::environment::Environ;
use super::http::Line;
use super::litellm::LiteLlm;
use super::sys::Held;
use crate::clock;
use crate::config::ConsumerConfig;
use crate::secret::Secret;

/// What a completion tells of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
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
pub const ANSWER: Duration = Duration::from_secs(30);

/// Proves the key that a consumer was started with. What to say of it for people, or why it is no good.
pub fn proven(
    process: &Held,
    line: &Line,
    base: &str,
    consumer: &ConsumerConfig,
    litellm: &LiteLlm,
    environ: &Environ,
) -> Result<String, String> {
    let unproven = |why: &str| format!("it runs with the new key, which couldn't be proven: {why}");
    let Some(model) = consumer.model.as_deref().or_else(|| litellm.model()) else {
        return Ok(unproven("its configuration names no Bedrock model, so set model"));
    };
    match prove(process, line, base, model, litellm.master_key(consumer, environ).as_ref()) {
        Proof::Works => Ok(proven_by(model)),
        Proof::Unproven(why) => Ok(unproven(&why)),
        Proof::Refused(why) => Err(why),
    }
}

/// The same if the first answer proves it. `None` says nothing: not even that it serves.
pub fn proven_at_once(line: &Line, base: &str, consumer: &ConsumerConfig, litellm: &LiteLlm, environ: &Environ) -> Option<String> {
    let model = consumer.model.as_deref().or_else(|| litellm.model())?;
    let reply = ask(line, base, model, litellm.master_key(consumer, environ).as_ref());
    (reply.meaning == Meaning::Works).then(|| proven_by(model))
}

fn proven_by(model: &str) -> String {
    format!("it runs with the new key, proven by a completion of {model}")
}

/// Asks for one token, again where the answer may change, until it is clear; ends early when the process
/// does.
fn prove(process: &Held, line: &Line, base: &str, model: &str, master_key: Option<&Secret>) -> Proof {
    let end = clock::monotonic() + PATIENCE;
    loop {
        let reply = ask(line, base, model, master_key);
        if !reply.may_change || clock::monotonic() >= end {
            return reply.into();
        }
        if process.gone_within(PAUSE) {
            return Proof::Refused("it ended while the key was being proven".to_owned());
        }
    }
}

/// What LiteLLM answered to a completion.
#[derive(Debug)]
pub struct Reply {
    /// What that tells of the key.
    pub meaning: Meaning,
    /// The same for people, with whose fault it is; empty where it works.
    pub why: String,
    /// Whether asking again could give another answer.
    pub may_change: bool,
}

/// What an answer of LiteLLM's tells of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The completion was answered.
    Works,
    /// Bedrock doesn't accept the key.
    Rejected,
    /// Bedrock accepts it, but not for a completion.
    Denied,
    /// LiteLLM has none.
    NoKey,
    /// LiteLLM, or Bedrock behind it, doesn't answer.
    Unreachable,
    /// Nothing.
    Unclear,
}

impl From<Reply> for Proof {
    fn from(Reply { meaning, why, .. }: Reply) -> Self {
        match meaning {
            Meaning::Works => Self::Works,
            Meaning::Rejected | Meaning::Denied | Meaning::NoKey => Self::Refused(why),
            Meaning::Unreachable | Meaning::Unclear => Self::Unproven(why),
        }
    }
}

/// Asks once for one token.
pub fn ask(line: &Line, base: &str, model: &str, master_key: Option<&Secret>) -> Reply {
    let body = serde_json::json!({
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 1,
    });
    match line.post(&format!("{base}/v1/chat/completions"), master_key, &body) {
        Ok(answer) => classify(answer.status, &String::from_utf8_lossy(&answer.body)),
        Err(problem) => Reply {
            meaning: Meaning::Unreachable,
            why: format!("LiteLLM itself gave the completion no answer ({problem})"),
            may_change: true,
        },
    }
}

/// What an answer of LiteLLM's (1.106) says of the key. Bedrock's errors come through as
/// `litellm.PermissionDeniedError: BedrockException - {"Message": …}` with 403, and a missing or empty key
/// as 401 `Unable to locate credentials`; LiteLLM's own refusal of a caller is 401 too, but speaks of the
/// proxy's token. The message itself is for nobody's eyes: it may quote a key.
fn classify(status: u16, body: &str) -> Reply {
    let body = Zeroizing::new(body.to_ascii_lowercase());
    let says = |words: &[&str]| words.iter().any(|word| body.contains(word));
    let lasting = |meaning, why: String| Reply { meaning, why, may_change: false };
    let passing = |meaning, why: String| Reply { meaning, why, may_change: true };
    if (200..300).contains(&status) {
        return lasting(Meaning::Works, String::new());
    }
    if says(&["unable to locate credentials"]) {
        return lasting(Meaning::NoKey, "LiteLLM found no key in its environment".to_owned());
    }
    if says(&["access to the model", "model access is denied", "model use case details"]) {
        // The account's affair, whatever the key.
        return lasting(Meaning::Unclear, format!("the account has no access to the model (HTTP {status})"));
    }
    if says(&["expiredtoken", "token has expired", "api key has expired", "key is expired"]) {
        return lasting(Meaning::Rejected, format!("Bedrock says that the key has expired (HTTP {status})"));
    }
    if says(&[
        "make sure your api key is valid",
        "unrecognizedclientexception",
        "security token included in the request is invalid",
        "invalidsignatureexception",
        "incompletesignatureexception",
        "invalidclienttokenid",
    ]) {
        return passing(Meaning::Rejected, format!("Bedrock refuses the key (HTTP {status})"));
    }
    let from_bedrock = says(&["bedrockexception", "litellm.permissiondeniederror", "litellm.authenticationerror", "accessdeniedexception"]);
    match status {
        401 | 403 if from_bedrock && says(&["not authorized to perform"]) => {
            passing(Meaning::Denied, format!("the key lacks a permission that the completion needs (HTTP {status})"))
        }
        401 | 403 if from_bedrock => passing(Meaning::Rejected, format!("Bedrock refuses the key (HTTP {status})")),
        401 | 403 => lasting(Meaning::Unclear, format!("LiteLLM itself refused the completion (HTTP {status}): check master_key_variable")),
        429 => passing(Meaning::Unreachable, "Bedrock is throttling (HTTP 429)".to_owned()),
        // Its exceptions for what its upstream does all have this prefix.
        500.. if says(&["litellm."]) => passing(Meaning::Unreachable, format!("LiteLLM can't reach Bedrock (HTTP {status})")),
        500.. => passing(Meaning::Unreachable, format!("LiteLLM itself is in trouble (HTTP {status}): see its log")),
        _ => lasting(Meaning::Unclear, format!("LiteLLM didn't take the completion (HTTP {status}): check model")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(status: u16, body: &str) -> &'static str {
        match Proof::from(classify(status, body)) {
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
    #[test]
    fn whose_fault_it_is() {
        for (status, body, expected, said) in [
            (403, r#"litellm.PermissionDeniedError: BedrockException - {"Message":"?"}"#, Meaning::Rejected, "Bedrock refuses the key"),
            (403, "BedrockException: User: x is not authorized to perform: y", Meaning::Denied, "lacks a permission"),
            (503, "litellm.ServiceUnavailableError: BedrockException", Meaning::Unreachable, "LiteLLM can't reach Bedrock"),
            (500, "litellm.APIConnectionError: refused", Meaning::Unreachable, "LiteLLM can't reach Bedrock"),
            (500, "Internal Server Error", Meaning::Unreachable, "LiteLLM itself is in trouble"),
            (401, "Authentication Error, Invalid proxy server token passed", Meaning::Unclear, "LiteLLM itself refused"),
        ] {
            let reply = classify(status, body);
            assert!(reply.meaning == expected && reply.why.contains(said), "{status} {body}: {reply:?}");
        }
    }
}
