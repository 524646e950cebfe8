//! LiteLLM's own configuration file: which model to try, and where the master key may stand.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Yaml};

use super::environment::{Environ, read_wiped};
use super::find::option;
use crate::config::{ConsumerConfig, DEFAULT_ENV_FILE, DEFAULT_VARIABLE};
use crate::core::order;
use crate::secret::Secret;

/// `custom_secret_manager`, as `packaging/litellm/credd_secrets.py` says to write it.
const SECRET_MANAGER: &str = "credd_secrets.EnvFileSecrets";

/// What of LiteLLM's configuration matters here.
#[derive(Default)]
pub struct LiteLlm {
    /// The models that Bedrock answers completions for, in order.
    models: Vec<Model>,
    /// The master key, where the file has it or names its variable.
    master_key: Option<Secret>,
    /// Variables that a model has its key from by name (`api_key: os.environ/NAME`): read once, at the start.
    frozen: Vec<String>,
    /// Variables that credd's own secret manager is asked for; `None` where it isn't there.
    managed: Option<Managed>,
}

/// What credd's secret manager (`packaging/litellm/credd_secrets.py`) is asked for.
enum Managed {
    Everything,
    These(Vec<String>),
}

/// A model that Bedrock completes.
struct Model {
    /// `model_name`.
    name: String,
    /// The variable that holds its key; `None` where the key stands in the file.
    variable: Option<String>,
    /// `aws_region_name`, as it stands there.
    region: Option<String>,
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
        let models = sequence(get(root, "model_list"));
        let models = models.filter_map(completion_model).collect();
        let master_key = get(root, "general_settings")
            .and_then(|settings| get(settings, "master_key"))
            .and_then(Yaml::as_str)
            .and_then(|value| match value.strip_prefix("os.environ/") {
                Some(variable) => environ.get(variable.as_bytes()),
                None => Some(value.as_bytes()),
            })
            .map(Secret::copy);
        let frozen = sequence(get(root, "model_list")).filter_map(frozen_variable).collect();
        Self { models, master_key, frozen, managed: get(root, "general_settings").and_then(managed) }
    }

    /// Whether LiteLLM itself reads a key from this env file, at every request: by credd's secret manager, from
    /// the file that this one is told to read, and with no model that had the key read at the start.
    ///
    /// True of a process only if the file was as it is when the process started.
    pub fn rereads(&self, variable: &str, env_file: &Path, environ: &Environ) -> bool {
        let is_asked = match &self.managed {
            None => false,
            Some(Managed::Everything) => true,
            Some(Managed::These(names)) => names.iter().any(|name| name == variable),
        };
        let is_frozen = self.frozen.iter().any(|name| name == variable);
        let same = |read: &Path| match (fs::canonicalize(read), fs::canonicalize(env_file)) {
            (Ok(read), Ok(tracked)) => read == tracked,
            _ => read == env_file,
        };
        is_asked && !is_frozen && managed_file(environ).is_some_and(|read| same(&read))
    }

    /// The first model that Bedrock answers completions for.
    pub fn model(&self) -> Option<&str> {
        Some(&self.models.first()?.name)
    }

    /// AWS regions that its models are called in, where the configuration or the environment names them; sorted.
    /// The order of precedence is LiteLLM's own (`base_aws_llm.py`).
    pub fn regions(&self, environ: &Environ) -> Vec<String> {
        let variable = |name: &str| environ.get(name.as_bytes()).and_then(|value| String::from_utf8(value.to_vec()).ok());
        let usual = || ["AWS_REGION_NAME", "AWS_REGION"].into_iter().find_map(variable);
        let region = |model: &Model| match model.region.as_deref() {
            Some(region) => region.strip_prefix("os.environ/").map_or_else(|| Some(region.to_owned()), variable),
            None => usual(),
        };
        order::each_once(self.models.iter().filter_map(region).filter(|region| !region.is_empty()))
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
        named.map(Secret::copy).or_else(|| self.master_key.clone())
    }
}

/// The path after `--config` (or `-c`) as given.
pub fn config_path(argv: &[Vec<u8>]) -> Option<&OsStr> {
    option(argv, &["--config", "-c"])
}

pub(super) fn get<'a>(node: &'a Yaml<'a>, key: &str) -> Option<&'a Yaml<'a>> {
    node.as_mapping_get(key)
}

/// The elements of what should be a sequence.
pub(super) fn sequence<'a>(node: Option<&'a Yaml<'a>>) -> impl Iterator<Item = &'a Yaml<'a>> {
    node.and_then(Yaml::as_sequence).into_iter().flatten()
}

/// The variable that a model names for its key.
fn frozen_variable(entry: &Yaml<'_>) -> Option<String> {
    let key = get(get(entry, "litellm_params")?, "api_key")?.as_str()?;
    key.strip_prefix("os.environ/").map(str::to_owned)
}

/// What credd's secret manager is asked for, if it is LiteLLM's. Fields: LiteLLM's `KeyManagementSettings`.
fn managed(general_settings: &Yaml<'_>) -> Option<Managed> {
    let settings = get(general_settings, "key_management_settings")?;
    let is_ours = get(general_settings, "key_management_system")?.as_str()? == "custom"
        && get(settings, "custom_secret_manager")?.as_str()? == SECRET_MANAGER;
    let reads = get(settings, "access_mode").and_then(Yaml::as_str).is_none_or(|mode| mode != "write_only");
    let names = match get(settings, "hosted_keys").filter(|names| !names.is_null()) {
        None => Managed::Everything,
        names => Managed::These(sequence(names).filter_map(Yaml::as_str).map(str::to_owned).collect()),
    };
    (is_ours && reads).then_some(names)
}

/// The file that credd's secret manager reads in a process with this environment.
fn managed_file(environ: &Environ) -> Option<PathBuf> {
    let home = || environ.get(b"HOME").map(|home| Path::new(OsStr::from_bytes(home)));
    match environ.get(b"CREDD_ENV_FILE").filter(|path| !path.is_empty()).map(OsStr::from_bytes) {
        None => Some(home()?.join(DEFAULT_ENV_FILE)),
        Some(path) => match Path::new(path).strip_prefix("~") {
            Ok(rest) => Some(home()?.join(rest)),
            Err(_) => Some(path.into()),
        },
    }
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
    let region = get(parameters, "aws_region_name").and_then(Yaml::as_str).map(str::to_owned);
    fits.then(|| Model { name: name.to_owned(), variable, region })
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

    #[test]
    fn regions_that_are_called() {
        let text = "
model_list:
- {model_name: a, litellm_params: {model: bedrock/a, aws_region_name: eu-west-1}}
- {model_name: b, litellm_params: {model: bedrock/b, aws_region_name: os.environ/MINE}}
- {model_name: c, litellm_params: {model: bedrock/c}}
- {model_name: d, litellm_params: {model: openai/d, aws_region_name: no-where-1}}
";
        let regions = |environ: &str| {
            let environ = Environ::new(Zeroizing::new(environ.replace(' ', "\0").into_bytes()));
            LiteLlm::parse(text, &environ).regions(&environ)
        };
        assert_eq!(regions(""), ["eu-west-1"]);
        assert_eq!(regions("MINE=us-east-2 AWS_REGION=us-west-2 "), ["eu-west-1", "us-east-2", "us-west-2"]);
        assert_eq!(regions("AWS_REGION=us-west-2 AWS_REGION_NAME=eu-west-1 "), ["eu-west-1"]);
    }

    #[test]
    fn a_secret_manager_of_ours_is_known() {
        let ours = "
general_settings:
  key_management_system: custom
  key_management_settings: {custom_secret_manager: credd_secrets.EnvFileSecrets, hosted_keys: [KEY]}
";
        let environ = |text: &str| Environ::new(Zeroizing::new(text.replace(' ', "\0").into_bytes()));
        let home = environ("HOME=/h ");
        let rereads = |text: &str, environ: &Environ, file: &str| LiteLlm::parse(text, environ).rereads("KEY", Path::new(file), environ);
        let default = "/h/.backlog-toolkit-env";
        assert!(rereads(ours, &home, default));
        assert!(!rereads(ours, &home, "/h/other"));
        assert!(!rereads(ours, &environ(""), default));
        assert!(rereads(ours, &environ("CREDD_ENV_FILE=/e "), "/e"));
        assert!(rereads(ours, &environ("CREDD_ENV_FILE=~/e HOME=/h "), "/h/e"));
        assert!(!rereads(ours, &environ("CREDD_ENV_FILE=/e HOME=/h "), default));
        for (from, to, expected) in [
            (", hosted_keys: [KEY]", "", true),
            (", hosted_keys: [KEY]", ", hosted_keys: null", true),
            ("[KEY]", "[OTHER]", false),
            ("[KEY]", "[]", false),
            ("[KEY]", "[KEY], access_mode: read_and_write", true),
            ("[KEY]", "[KEY], access_mode: write_only", false),
            ("custom\n", "aws_secret_manager\n", false),
            ("credd_secrets.", "my_secrets.", false),
            ("general_settings", "model_list: [{litellm_params: {api_key: os.environ/OTHER}}]\ngeneral_settings", true),
            ("general_settings", "model_list: [{litellm_params: {api_key: os.environ/KEY}}]\ngeneral_settings", false),
            ("general_settings", "litellm_settings", false),
        ] {
            let text = ours.replace(from, to);
            assert_eq!(rereads(&text, &home, default), expected, "{text}");
        }
    }
}
