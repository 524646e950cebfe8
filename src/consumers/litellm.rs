//! LiteLLM's own configuration file: which model to try, and where the master key may stand.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Yaml};

use super::environment::{Environ, read_wiped};
use super::find::option;
use crate::config::{ConsumerConfig, DEFAULT_VARIABLE};
use crate::secret::Secret;

/// What of LiteLLM's configuration matters here.
#[derive(Default)]
pub struct LiteLlm {
    /// The models that Bedrock answers completions for, in order.
    models: Vec<Model>,
    /// The master key, where the file has it or names its variable.
    master_key: Option<Secret>,
}

/// A model that Bedrock completes.
struct Model {
    /// `model_name`.
    name: String,
    /// The variable that holds its key; `None` where the key stands in the file.
    variable: Option<String>,
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
        let models = models.into_iter().flatten().filter_map(completion_model).collect();
        let master_key = get(root, "general_settings")
            .and_then(|settings| get(settings, "master_key"))
            .and_then(Yaml::as_str)
            .and_then(|value| match value.strip_prefix("os.environ/") {
                Some(variable) => environ.get(variable.as_bytes()),
                None => Some(value.as_bytes()),
            })
            .map(|value| Secret::new(value.to_vec()));
        Self { models, master_key }
    }

    /// The first model that Bedrock answers completions for.
    pub fn model(&self) -> Option<&str> {
        Some(&self.models.first()?.name)
    }

    /// A model whose key is in this variable: the preferred one, if the file doesn't say otherwise of it,
    /// else the first.
    pub fn model_with<'a>(&'a self, variable: &str, preferred: Option<&'a str>) -> Option<&'a str> {
        let with = |model: &&Model| model.variable.as_deref() == Some(variable);
        let is_elsewhere = |name: &str| self.models.iter().any(|model| model.name == name && !with(&model));
        preferred.filter(|name| !is_elsewhere(name)).or_else(|| self.models.iter().find(with).map(|model| model.name.as_str()))
    }

    /// The master key: of the variable named in credd's own configuration, else as the file says.
    pub fn master_key(&self, consumer: &ConsumerConfig, environ: &Environ) -> Option<Secret> {
        let named = environ.get(consumer.master_key_variable.as_bytes());
        named.map(|value| Secret::new(value.to_vec())).or_else(|| self.master_key.clone())
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
fn completion_model(entry: &Yaml<'_>) -> Option<Model> {
    let name = get(entry, "model_name")?.as_str()?;
    let parameters = get(entry, "litellm_params")?;
    let model = get(parameters, "model")?.as_str()?;
    let mode = get(entry, "model_info").and_then(|info| get(info, "mode")).and_then(Yaml::as_str).unwrap_or("chat");
    let fits = model.starts_with("bedrock/")
        && !name.contains('*')
        && !model.contains('*')
        && !model.contains("embed")
        && matches!(mode, "chat" | "completion" | "responses");
    // Without one of its own, a model has the key that LiteLLM looks for itself.
    let variable = match get(parameters, "api_key").and_then(Yaml::as_str) {
        Some(key) => key.strip_prefix("os.environ/").map(str::to_owned),
        None => Some(DEFAULT_VARIABLE.to_owned()),
    };
    fits.then(|| Model { name: name.to_owned(), variable })
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn parse(text: &str) -> (Option<String>, Option<Vec<u8>>) {
        let environ = Environ::new(Zeroizing::new(b"MK=sk-env\0".to_vec()));
        let found = LiteLlm::parse(text, &environ);
        (found.model().map(str::to_owned), found.master_key.map(|key| key.expose().to_vec()))
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

    #[test]
    fn the_model_that_uses_a_variable() {
        let text = "
model_list:
- {model_name: a, litellm_params: {model: bedrock/a}}
- {model_name: b, litellm_params: {model: bedrock/b, api_key: os.environ/B}}
- {model_name: c, litellm_params: {model: bedrock/c, api_key: ABSK}}
";
        let found = LiteLlm::parse(text, &Environ::new(Zeroizing::new(Vec::new())));
        for (variable, preferred, expected) in [
            (DEFAULT_VARIABLE, None, Some("a")),
            ("B", None, Some("b")),
            ("B", Some("a"), Some("b")),
            ("B", Some("c"), Some("b")),
            ("C", None, None),
            ("C", Some("a"), None),
            // The file says nothing of it: the user knows.
            ("C", Some("mine"), Some("mine")),
        ] {
            assert_eq!(found.model_with(variable, preferred), expected, "{variable} {preferred:?}");
        }
    }
}
