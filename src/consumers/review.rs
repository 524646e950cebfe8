//! What in LiteLLM's own configuration keeps a new key from being used. Nothing of its values is kept but names.

use std::fs::File;
use std::path::PathBuf;

use saphyr::{LoadableYamlNode, Yaml};

use super::environment::read_wiped;
use super::litellm::{config_path, get, sequence};
use super::sys::{self, Held};
use crate::config::DEFAULT_VARIABLE;
use crate::core::order;

/// A configuration that a process was started with.
pub struct Review {
    /// Its file.
    pub path: PathBuf,
    /// What is in it, or why that can't be told.
    pub found: Result<Found, String>,
}

/// What a configuration says about keys of Bedrock.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// It has models, and none is Bedrock's.
    pub is_without_bedrock: bool,
    /// Models whose key stands in the file itself.
    pub literal: Vec<String>,
    /// Variables that the file itself sets.
    pub set: Vec<String>,
    /// Models that have AWS keys beside, which count where there is no bearer key.
    pub aws_keys: Vec<String>,
    /// Variables that models have their key from.
    pub variables: Vec<String>,
}

/// Of a process; `None` if it has ended, or names no configuration.
pub fn review(pid: i32) -> Option<Review> {
    let held = Held::open(pid).ok().filter(sys::is_native)?;
    let (argv, environ) = (held.argv().ok()?, held.environ().ok()?);
    let path = sys::traits(&held, &environ).ok()?.dir.join(config_path(&argv)?);
    let read = File::open(&path).and_then(|file| read_wiped(file, 4 << 20)).map_err(|error| error.to_string());
    let found = read.and_then(|bytes| std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8 text".to_owned()).and_then(parse));
    Some(Review { path, found })
}

fn parse(text: &str) -> Result<Found, String> {
    // Where, not what: its words may quote a key.
    let place = |error: saphyr::ScanError| format!("line {} is no YAML that can be read", error.marker().line());
    let documents = Yaml::load_from_str(text).map_err(place)?;
    let Some(root) = documents.first() else { return Ok(Found::default()) };
    let mut found = Found::default();
    let mut models = 0;
    let mut others = false;
    for entry in sequence(get(root, "model_list")) {
        let Some(parameters) = get(entry, "litellm_params") else { continue };
        let text = |name| get(parameters, name).and_then(Yaml::as_str);
        let model = text("model").unwrap_or_default();
        let is_bedrock = model.starts_with("bedrock/") || text("custom_llm_provider") == Some("bedrock");
        models += 1;
        others |= !is_bedrock && !model.contains('*');
        if !is_bedrock {
            continue;
        }
        let name = || get(entry, "model_name").and_then(Yaml::as_str).unwrap_or(model).to_owned();
        match text("api_key").map(|key| key.strip_prefix("os.environ/").ok_or(())) {
            None => found.variables.push(DEFAULT_VARIABLE.to_owned()),
            Some(Ok(variable)) => found.variables.push(variable.to_owned()),
            Some(Err(())) => found.literal.push(name()),
        }
        if ["aws_access_key_id", "aws_secret_access_key"].into_iter().any(|field| text(field).is_some()) {
            found.aws_keys.push(name());
        }
    }
    let is_whole = get(root, "include").is_none();
    found.is_without_bedrock = is_whole && others && found.variables.is_empty() && found.literal.is_empty() && models > 0;
    found.variables = order::each_once(found.variables.into_iter());
    if let Some(set) = get(root, "environment_variables").and_then(Yaml::as_mapping) {
        found.set = set.iter().filter_map(|(name, _)| name.as_str()).map(str::to_owned).collect();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_models_have_their_keys_from() {
        let found = parse(
            "
model_list:
- {model_name: a, litellm_params: {model: bedrock/a}}
- {model_name: b, litellm_params: {model: bedrock/b, api_key: os.environ/B}}
- {model_name: c, litellm_params: {model: bedrock/c, api_key: ABSKplanted}}
- {model_name: d, litellm_params: {model: x, custom_llm_provider: bedrock, aws_access_key_id: AKIA, aws_secret_access_key: s}}
- {model_name: e, litellm_params: {model: openai/gpt, api_key: sk-planted}}
environment_variables: {AWS_BEARER_TOKEN_BEDROCK: ABSKplanted}
",
        )
        .unwrap();
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let expected = Found {
            is_without_bedrock: false,
            literal: texts(&["c"]),
            set: texts(&[DEFAULT_VARIABLE]),
            aws_keys: texts(&["d"]),
            variables: texts(&[DEFAULT_VARIABLE, "B"]),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn without_bedrock_is_said_only_where_it_is_sure() {
        let without = |text: &str| parse(text).unwrap().is_without_bedrock;
        let openai = "model_list: [{model_name: e, litellm_params: {model: openai/gpt}}]\n";
        assert!(without(openai));
        assert!(!without(&format!("{openai}include: [more.yaml]\n")));
        assert!(!without("model_list: [{model_name: e, litellm_params: {model: '*'}}]"));
        assert!(!without("model_list: []"));
        assert!(!without(""));
        assert_eq!(parse("a: b\nmodel_list: [ABSKplanted").unwrap_err(), "line 3 is no YAML that can be read");
    }
}
