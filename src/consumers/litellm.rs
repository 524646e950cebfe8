//! LiteLLM's own configuration file: which model to try, and where the master key may stand.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};

use super::environment::{Environ, read_wiped};
use super::find::option;
use crate::secret::Secret;

/// What of LiteLLM's configuration matters here.
#[derive(Default)]
pub struct LiteLlm {
    /// `model_name` of the first model that Bedrock answers completions for.
    pub model: Option<String>,
    /// The master key, where the file has it or names its variable.
    pub master_key: Option<Secret>,
}

impl LiteLlm {
    /// Reads the file named after `--config`; nothing where there is none or it can't be read.
    pub fn of(argv: &[Vec<u8>], dir: &Path, environ: &Environ) -> Self {
        let Some(path) = config_path(argv) else {
            return Self::default();
        };
        let read = fs::File::open(dir.join(path)).and_then(|file| read_wiped(file, 4 << 20));
        let Ok(bytes) = read else {
            return Self::default();
        };
        std::str::from_utf8(&bytes).map_or_else(|_| Self::default(), |text| Self::parse(text, environ))
    }

    fn parse(text: &str, environ: &Environ) -> Self {
        let Ok(documents) = Yaml::load_from_str(text) else {
            return Self::default();
        };
        let Some(root) = documents.first() else {
            return Self::default();
        };
        let models = get(root, "model_list").and_then(Yaml::as_sequence);
        let model = models.into_iter().flatten().find_map(completion_model);
        let master_key = get(root, "general_settings")
            .and_then(|settings| get(settings, "master_key"))
            .and_then(Yaml::as_str)
            .and_then(|value| match value.strip_prefix("os.environ/") {
                Some(variable) => environ.get(variable.as_bytes()),
                None => Some(value.as_bytes()),
            })
            .map(|value| Secret::new(value.to_vec()));
        Self { model, master_key }
    }
}

/// The path after `--config` (or `-c`) as given.
pub fn config_path(argv: &[Vec<u8>]) -> Option<&OsStr> {
    option(argv, &["--config", "-c"])
}

fn get<'a>(node: &'a Yaml<'a>, key: &str) -> Option<&'a Yaml<'a>> {
    node.as_mapping_get(key)
}

/// The name of a model that Bedrock completes: no wildcard, which names none, and no embedding model.
fn completion_model(entry: &Yaml<'_>) -> Option<String> {
    let name = get(entry, "model_name")?.as_str()?;
    let model = get(get(entry, "litellm_params")?, "model")?.as_str()?;
    let mode = get(entry, "model_info").and_then(|info| get(info, "mode")).and_then(Yaml::as_str).unwrap_or("chat");
    let fits = model.starts_with("bedrock/")
        && !name.contains('*')
        && !model.contains('*')
        && !model.contains("embed")
        && matches!(mode, "chat" | "completion" | "responses");
    fits.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn parse(text: &str) -> (Option<String>, Option<Vec<u8>>) {
        let environ = Environ::new(Zeroizing::new(b"MK=sk-env\0".to_vec()));
        let found = LiteLlm::parse(text, &environ);
        (found.model, found.master_key.map(|key| key.expose().to_vec()))
    }

    #[test]
    fn the_first_bedrock_model_that_completes() {
        let text = "
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o}
  - model_name: '*'
    litellm_params: {model: 'bedrock/*'}
  - model_name: vectors
    litellm_params: {model: bedrock/amazon.titan-embed-text-v2:0}
  - &cheap
    model_name: cheap
    litellm_params:
      model: bedrock/anthropic.claude-3-haiku-20240307-v1:0 # the small one
      aws_region_name: us-east-1
  - model_name: other
    litellm_params: {model: bedrock/x}
general_settings:
  master_key: os.environ/MK
";
        assert_eq!(parse(text), (Some("cheap".to_owned()), Some(b"sk-env".to_vec())));
    }

    #[test]
    fn odd_files_have_none() {
        for text in ["", "[1, 2]", "model_list: 3", "model_list: [{}]", "a: [", "general_settings: {master_key: os.environ/NO}"] {
            assert_eq!(parse(text), (None, None), "{text}");
        }
        assert_eq!(parse("general_settings: {master_key: sk-lit}").1, Some(b"sk-lit".to_vec()));
    }
}
