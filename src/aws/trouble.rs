//! What the AWS CLI says when it fails, in the words of its versions 1 and 2, as something to do about it.

use super::cli::Cli;
use crate::core::Trouble;

/// Why a command of the AWS CLI had no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What callers branch on.
    pub kind: Kind,
    /// What users are told.
    pub trouble: Trouble,
}

/// A failure's kind: whether anything was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AWS knows no such user or credential.
    NoSuchEntity,
    /// The user has as many as IAM allows.
    LimitExceeded,
    /// Too many questions; nothing was done.
    Throttled,
    /// Anything else that certainly did nothing.
    Other,
    /// It may have been done all the same.
    Unclear,
}

/// Between the code and the operation in what botocore says of an error that the service answered with.
const OPERATION: &str = ") when calling the ";

/// What the CLI said on standard error as a failure of `command`.
pub(super) fn classify(said: &str, cli: &Cli<'_>, command: &str) -> Failure {
    match answered(said) {
        Some(answer) => of_service(&answer, cli, command),
        None => of_cli(said, cli, command),
    }
}

/// An error as the service answered with it.
struct Answered<'a> {
    code: &'a str,
    operation: &'a str,
    message: &'a str,
}

fn answered(said: &str) -> Option<Answered<'_>> {
    let (_, rest) = said.split_once("An error occurred (")?;
    let (code, rest) = rest.split_once(OPERATION)?;
    let (operation, rest) = rest.split_once(" operation")?;
    // "(reached max retries: 4)" may stand in between.
    let message = rest.split_once(": ").map_or("", |(_, message)| message);
    let message = if rest.starts_with(" (reached") { message.split_once(": ").map_or(message, |(_, rest)| rest) } else { message };
    Some(Answered { code, operation, message: message.lines().next().unwrap_or_default() })
}

fn of_service(said: &Answered<'_>, cli: &Cli<'_>, command: &str) -> Failure {
    let Answered { code, operation, message } = *said;
    let who = who(cli);
    match code {
        _ if code.starts_with("AccessDenied") && message.contains("MultiFactorAuthentication") => mfa(cli),
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" if operation.starts_with("AssumeRole") => {
            let fix = "look at role_arn in its configuration, and at the role's trust policy";
            other(format!("{who} may not assume its role"), fix)
        }
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" => {
            let action = message
                .split_once("perform: ")
                .map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default())
                .filter(|word| word.contains(':'))
                .map_or_else(|| format!("iam:{operation}"), scrub);
            other(format!("{who} isn't allowed {action}"), format!("give it the IAM permission {action}, or use another aws_profile"))
        }
        "ForbiddenException" if operation == "GetRoleCredentials" => {
            let fix = "look at sso_account_id and sso_role_name in its configuration";
            other(format!("{who} has no access to its account and role any more"), fix)
        }
        "UnauthorizedException" | "UnauthorizedSSOTokenException" | "InvalidGrantException" => sso(cli),
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" | "TokenRefreshRequired" => expired(cli),
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidAccessKeyId"
        | "AuthFailure"
        | "IncompleteSignature"
        | "MissingAuthenticationToken" => {
            let fix = format!("see which ones they are with `{}`, and the clock with `date`", cli.line(&["configure", "list"]));
            other(format!("AWS doesn't accept the credentials of {who} ({code})"), fix)
        }
        "NoSuchEntity" | "NoSuchEntityException" => Failure {
            kind: Kind::NoSuchEntity,
            trouble: trouble(format!("IAM knows no such user or credential: {}", scrub(message)), "look at it in the IAM console"),
        },
        "LimitExceeded" | "LimitExceededException" => Failure {
            kind: Kind::LimitExceeded,
            trouble: trouble("the user has as many keys as IAM allows, which is two".to_owned(), "revoke one that isn't used any more"),
        },
        _ if is_throttling(code) => Failure {
            kind: Kind::Throttled,
            trouble: trouble(format!("AWS answers too many requests of the account ({code})"), "wait a few minutes"),
        },
        _ if is_servers_fault(code) => Failure {
            kind: Kind::Unclear,
            trouble: trouble(
                format!("`{command}` failed at AWS ({})", scrub(code)),
                "wait a few minutes; see https://health.aws.amazon.com",
            ),
        },
        _ => other(
            format!("`{command}` was refused: {} ({})", scrub(message), scrub(code)),
            format!("see that {who} works: {}", cli.line(&["sts", "get-caller-identity"])),
        ),
    }
}

fn is_throttling(code: &str) -> bool {
    ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "RequestThrottled"].iter().any(|part| code.contains(part))
}

fn is_servers_fault(code: &str) -> bool {
    code.starts_with("Internal")
        || code.starts_with("Service") && code != "ServiceNotSupported"
        || code.parse::<u16>().is_ok()
        || code == "Unknown"
}

fn of_cli(said: &str, cli: &Cli<'_>, command: &str) -> Failure {
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    let who = who(cli);
    if has(&["Enter MFA code", "MFA token required", "AssumeRoleTokenProvider", "MultiFactorAuthentication"]) {
        mfa(cli)
    } else if has(&["'aws login'", "login session token", "aws login --"]) {
        Failure {
            kind: Kind::Other,
            trouble: Trouble {
                detail: format!("the session of {who} has ended"),
                fix: format!("run `{}`", cli.line(&["login"])),
                sign_in: true,
            },
        }
    } else if has(&["SSO Token", "SSO session", "aws sso login", "retrieving token from sso", "Token for "]) {
        sso(cli)
    } else if has(&["Token has expired", "token is expired", "ExpiredToken"]) {
        expired(cli)
    } else if has(&["The config profile ("]) {
        let fix = "see `aws configure list-profiles`, then set aws_profile";
        other(format!("the AWS CLI has no {}", cli.profile().map_or("such profile".to_owned(), |name| format!("profile {name}"))), fix)
    } else if has(&["referenced in the profile", "Infinite loop in credential configuration"]) {
        other(format!("{who} refers to another one that doesn't fit: {}", first_line(said)), "correct it in ~/.aws/config")
    } else if has(&["Unable to locate credentials", "no credentials found", "Partial credentials found", "NoCredentials"]) {
        let fix = format!("set aws_profile, or give it some with `{}`", cli.line(&["configure"]));
        other(format!("{who} has no credentials"), fix)
    } else if has(&["must specify a region", "NoRegion"]) {
        let fix = format!("run `{}`", cli.line(&["configure", "set", "region", "us-east-1"]));
        other(format!("{who} has no region"), fix)
    } else if has(&[
        "Could not connect to the endpoint",
        "Connect timeout on endpoint",
        "Failed to connect to proxy",
        "SSL validation failed",
    ]) {
        other(format!("AWS can't be reached: {}", first_line(said)), "look at the network, the proxy and AWS_ENDPOINT_URL_IAM")
    } else if has(&["Read timeout on endpoint", "Connection was closed before", "reading from response stream"]) {
        Failure {
            kind: Kind::Unclear,
            trouble: trouble(
                format!("AWS doesn't answer: {}", first_line(said)),
                "look at the network, the proxy and AWS_ENDPOINT_URL_IAM",
            ),
        }
    } else if has(&["Error when retrieving credentials", "Unable to retrieve credentials"]) {
        let fix = format!("see what is wrong with `{}`", cli.line(&["sts", "get-caller-identity"]));
        other(format!("the AWS CLI can't get the credentials of {who}"), fix)
    } else if has(&["Invalid choice", "Unknown options", "nvalid choice", "Unable to parse config file", "Unknown output type"]) {
        let fix = "install the AWS CLI's version 2 of today (https://aws.amazon.com/cli/), and see that `aws --version` says so";
        other(format!("the AWS CLI knows no `{command}` as credd needs it, or can't read its configuration"), fix)
    } else {
        let fix = format!("see that {who} works: {}", cli.line(&["sts", "get-caller-identity"]));
        Failure { kind: Kind::Unclear, trouble: trouble(format!("`{command}` failed: {}", first_line(said)), fix) }
    }
}

fn who(cli: &Cli<'_>) -> String {
    cli.profile().map_or_else(|| "the AWS CLI's default profile".to_owned(), |name| format!("the AWS profile {name}"))
}

fn trouble(detail: String, fix: impl Into<String>) -> Trouble {
    Trouble { detail, fix: fix.into(), sign_in: false }
}

fn other(detail: String, fix: impl Into<String>) -> Failure {
    Failure { kind: Kind::Other, trouble: trouble(detail, fix) }
}

fn sign_in(detail: String, fix: String) -> Failure {
    Failure { kind: Kind::Other, trouble: Trouble { detail, fix, sign_in: true } }
}

fn sso(cli: &Cli<'_>) -> Failure {
    sign_in(format!("{} isn't signed in, or its SSO session has ended", who(cli)), format!("run `{}`", cli.line(&["sso", "login"])))
}

fn expired(cli: &Cli<'_>) -> Failure {
    let fix = format!("sign in again, by `{}` where it is a profile of IAM Identity Center", cli.line(&["sso", "login"]));
    sign_in(format!("the session of {} has ended", who(cli)), fix)
}

fn mfa(cli: &Cli<'_>) -> Failure {
    let fix = format!(
        "answer it once in a terminal, which the CLI remembers for as long as the role's session lasts: {}",
        cli.line(&["sts", "get-caller-identity"])
    );
    sign_in(format!("{} asks for an MFA code, which credd can't answer", who(cli)), fix)
}

/// The first line that says something, without what may be a secret.
fn first_line(said: &str) -> String {
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing");
    scrub(line.strip_prefix("aws: [ERROR]: ").unwrap_or(line))
}

/// Longer ones aren't for a message.
const MOST_LETTERS: usize = 240;
/// Keys and tokens are longer; words and account numbers aren't.
const MOST_OF_A_WORD: usize = 19;

/// Text without long words that have letters and digits in them, as keys and tokens do.
fn scrub(text: &str) -> String {
    let is_in_key = |c: char| c.is_ascii_alphanumeric() || "+/=_".contains(c);
    let mut clean = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| !is_in_key(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(if end == 0 { first.len_utf8() } else { end });
        // An endpoint's path, a file's or an ARN's has words of its own.
        let longest = word.split('/').map(str::len).max().unwrap_or(0);
        let has_digit = word.bytes().any(|byte| byte.is_ascii_digit());
        // A secret access key has slashes of its own.
        let is_mixed = has_digit && [u8::is_ascii_uppercase, u8::is_ascii_lowercase].iter().all(|is| word.bytes().any(|byte| is(&byte)));
        if (word.len() > MOST_OF_A_WORD && is_mixed)
            || word.starts_with("ABSK")
            || longest > 2 * MOST_OF_A_WORD
            || (longest > MOST_OF_A_WORD && has_digit)
        {
            clean.push('…');
        } else {
            clean.extend(word.chars().map(|c| if c.is_control() { ' ' } else { c }));
        }
        rest = after;
    }
    if clean.chars().count() > MOST_LETTERS {
        clean = clean.chars().take(MOST_LETTERS).chain(['…']).collect();
    }
    clean.trim_end().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(said: &str) -> Failure {
        classify(said, &Cli::new(Some("cc")), "aws iam create-service-specific-credential")
    }

    #[test]
    fn a_missing_permission_is_named() {
        let failure = of("\nAn error occurred (AccessDenied) when calling the ListServiceSpecificCredentials operation: User: \
                          arn:aws:iam::123456789012:user/u is not authorized to perform: iam:ListServiceSpecificCredentials on resource: x\n");
        assert_eq!(failure.kind, Kind::Other);
        assert_eq!(failure.trouble.detail, "the AWS profile cc isn't allowed iam:ListServiceSpecificCredentials");
        assert!(failure.trouble.fix.contains("iam:ListServiceSpecificCredentials") && !failure.trouble.sign_in);
    }

    #[test]
    fn a_retried_error_is_read() {
        let failure = of("An error occurred (Throttling) when calling the X operation (reached max retries: 4): Rate exceeded");
        assert_eq!(failure.kind, Kind::Throttled);
        let failure =
            of("aws: [ERROR]: An error occurred (NoSuchEntity) when calling the X operation (reached max retries: 4): No user u.");
        assert_eq!(
            (failure.kind, failure.trouble.detail.as_str()),
            (Kind::NoSuchEntity, "IAM knows no such user or credential: No user u")
        );
    }

    #[test]
    fn what_may_have_been_done_is_unclear() {
        for said in [
            "Read timeout on endpoint URL: \"https://iam.amazonaws.com/\"",
            "Connection was closed before we received a valid response from endpoint URL: \"https://iam.amazonaws.com/\".",
            "An error occurred (ServiceFailure) when calling the X operation: ",
            "An error occurred (503) when calling the X operation: Service Unavailable",
            "Segmentation fault",
            "",
        ] {
            assert_eq!(of(said).kind, Kind::Unclear, "{said}");
        }
        for said in ["Could not connect to the endpoint URL: \"https://iam.amazonaws.com/\"", "SSL validation failed for x"] {
            assert_eq!(of(said).kind, Kind::Other, "{said}");
        }
    }

    #[test]
    fn signing_in_is_told_from_the_rest() {
        for said in [
            "Error loading SSO Token: Token for corp does not exist",
            "Error when retrieving token from sso: Token has expired and refresh failed",
            "The SSO session associated with this profile has expired or is otherwise invalid.",
            "An error occurred (UnauthorizedException) when calling the GetRoleCredentials operation: Session token not found or invalid",
        ] {
            let trouble = of(said).trouble;
            assert!(trouble.sign_in && trouble.fix == "run `aws sso login --profile cc`", "{said}: {trouble:?}");
        }
        let trouble = of("Enter MFA code for arn:aws:iam::123456789012:mfa/u: ").trouble;
        assert!(trouble.sign_in && trouble.detail.contains("MFA"), "{trouble:?}");
        assert!(!of("Unable to locate credentials").trouble.sign_in);
    }

    #[test]
    fn nothing_that_looks_like_a_key_is_repeated() {
        let key = "ABSKQmVkcm9ja0FQSUtleQ==";
        for secret in [key, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYplanted01", "IQoJb3JpZ2luX2VjEPLANTED0000000000000"] {
            let failure = of(&format!("something is wrong with {secret}."));
            assert!(failure.trouble.detail.contains("something is wrong with …"), "{failure:?}");
        }
        assert_eq!(scrub("Could not connect to \"http://127.0.0.1:9/\""), "Could not connect to \"http://127.0.0.1:9/\"");
        assert_eq!(scrub("arn:aws:iam::123456789012:user/BedrockAPIKey-ab12"), "arn:aws:iam::123456789012:user/BedrockAPIKey-ab12");
        assert!(scrub(&"word ".repeat(100)).chars().count() <= MOST_LETTERS + 1);
    }
}
