//! Requests to LiteLLM: plain HTTP, on its own machine, never through a proxy.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use zeroize::Zeroizing;

use crate::http;
use crate::secret::Secret;

/// An answer, with as much of its body as is needed to tell what it means.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// As much of it as tells what it means; may quote secrets, so it is never shown.
    pub body: Zeroizing<Vec<u8>>,
}

/// GET; the status. The error says why there was no answer.
pub fn get(url: &str, patience: Duration) -> Result<u16, String> {
    let response = agent(patience).get(url).call().map_err(|error| error.to_string())?;
    Ok(response.status().as_u16())
}

/// POST of a JSON body with a bearer token. The error says why there was no answer.
pub fn post(url: &str, token: Option<&Secret>, body: &Value, patience: Duration) -> Result<Answer, String> {
    let mut request = agent(patience).post(url);
    // One with a newline in it is no header; LiteLLM then says that it got none.
    if let Some(header) = token.and_then(http::bearer) {
        request = request.header("Authorization", header);
    }
    let mut response = request.send_json(body).map_err(|error| error.to_string())?;
    let (body, _) = http::beginning(&mut response);
    Ok(Answer { status: response.status().as_u16(), body })
}

fn agent(patience: Duration) -> Agent {
    Agent::config_builder().proxy(None).http_status_as_error(false).max_redirects(0).timeout_global(Some(patience)).build().new_agent()
}
