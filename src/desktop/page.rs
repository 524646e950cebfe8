//! Opens the page of AWS's console where Bedrock keys are made.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::time::timeout;

use super::command::NOT_FOR_CHILDREN;

/// An opener that runs longer has become the browser, or waits for it: it has done its work.
const LIMIT: Duration = Duration::from_secs(10);

/// Why a page can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum PageFailure {
    /// Only names of regions get into the address.
    #[error("{0:?} is not the name of an AWS region")]
    Region(String),
    /// Nothing there to open it with.
    #[error("{program} can't be run: {reason}. Open it yourself: {url}")]
    NotStarted {
        /// What was tried.
        program: String,
        /// The system's words.
        reason: io::Error,
        /// The page.
        url: String,
    },
    /// The opener gave up.
    #[error("{program} failed ({status}). Open it yourself: {url}")]
    Failed {
        /// What was tried.
        program: String,
        /// Its exit status.
        status: String,
        /// The page.
        url: String,
    },
}

/// The address of the page. The region is all that varies, so nothing else can be made to open.
pub fn console_url(region: &str) -> Result<String, PageFailure> {
    let fine = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if region.is_empty() || region.len() > 32 || region.starts_with('-') || region.ends_with('-') || !region.bytes().all(fine) {
        return Err(PageFailure::Region(region.to_owned()));
    }
    let domain = if region.starts_with("cn-") {
        "amazonaws.cn"
    } else if region.starts_with("us-gov-") {
        "amazonaws-us-gov.com"
    } else {
        "aws.amazon.com"
    };
    Ok(format!("https://{region}.console.{domain}/bedrock/home?region={region}#/api-keys"))
}

/// The command that opens the page, detached from the caller's terminal and process group.
///
/// A service's children run in its sandbox, where no browser works (its compiler needs writable and
/// executable memory, its own sandbox needs namespaces), so there the user's systemd is asked to run
/// the opener. The crate `open` is not used: it watches what it starts with a blocking wait.
pub fn opener(url: &str, from_service: bool) -> Command {
    let mut command = if cfg!(target_os = "macos") {
        Command::new("open")
    } else if from_service {
        let mut command = Command::new("systemd-run");
        command.args(["--user", "--quiet", "--collect", "--", "xdg-open"]);
        command
    } else {
        Command::new("xdg-open")
    };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in NOT_FOR_CHILDREN {
        command.env_remove(name);
    }
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Opens the console's page on Bedrock keys in the user's browser.
pub async fn open_page(region: &str, from_service: bool) -> Result<(), PageFailure> {
    let url = console_url(region)?;
    let command = opener(&url, from_service);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = match tokio::process::Command::from(command).spawn() {
        Ok(child) => child,
        Err(reason) => {
            return Err(PageFailure::NotStarted { program, reason, url });
        }
    };
    match timeout(LIMIT, child.wait()).await {
        Ok(Ok(status)) if !status.success() => Err(PageFailure::Failed { program, status: status.to_string(), url }),
        // One that goes on is left alone; tokio takes its exit status once it ends.
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_console() {
        assert_eq!(
            console_url("eu-central-1").unwrap(),
            "https://eu-central-1.console.aws.amazon.com/bedrock/home?region=eu-central-1#/api-keys"
        );
        assert!(console_url("us-gov-west-1").unwrap().starts_with("https://us-gov-west-1.console.amazonaws-us-gov.com/"));
    }

    #[test]
    fn nothing_else_can_be_opened() {
        for region in [
            "",
            "-x",
            "x-",
            "evil.example/",
            "us-east-1#",
            "us east",
            "US-EAST-1",
            "a@b",
            "é",
            "us-east-1\n",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(console_url(region).is_err(), "{region:?}");
        }
    }

    #[test]
    fn the_service_leaves_its_sandbox() {
        let words = |command: Command| -> Vec<String> {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        };
        if !cfg!(target_os = "macos") {
            assert_eq!(words(opener("https://x", false)), ["xdg-open", "https://x"]);
            assert_eq!(words(opener("https://x", true)), ["systemd-run", "--user", "--quiet", "--collect", "--", "xdg-open", "https://x"]);
        }
    }
}
