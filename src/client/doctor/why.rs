//! Why each finding matters, in a clause.

/// By its code.
pub fn why(code: &str) -> &'static str {
    match code {
        "daemon-not-running" | "service-not-running" | "service-program-missing" => "nobody tells you when a key is about to end",
        "service-not-installed" | "service-not-enabled" => "after the next login nobody would tell you",
        "service-unknown" | "iam-unavailable" | "search-incomplete" | "checks-left-out" | "notifications-untried" => {
            "what can't be looked at may be wrong"
        }
        "service-foreign" => "credd install leaves it alone, and so can't bring it up to date",
        "service-outdated" | "daemon-outdated" => "what was mended since isn't in force",
        "other-program" => "what you type and what watches may disagree",
        "not-on-path" => "the commands that credd tells you to run aren't found",
        "no-linger" => "a proxy that runs on keeps the old key until you are back",
        "clock-unsynchronised" | "clock-went-back" => "days are counted by this clock",
        "aws-cli-missing" | "aws-cli-unfit" => "without it credd can't ask IAM, or make the next key",
        "config-invalid" => "what you changed isn't in force",
        "env-file-mode" => "whoever reads it can use your keys",
        "env-file-tracked" | "env-file-in-history" => "whoever gets the repository, now or later, gets the keys in it",
        "env-file-not-ignored" => "the next `git add .` takes your keys along",
        "env-file-missing" | "key-missing" | "key-unreadable" | "key-dynamic" => "a key that can't be told isn't watched",
        "key-expired" | "rejected-key" => "every request with it fails",
        "duplicate-assignment" => "who edits the wrong line changes nothing",
        "empty-assignment" | "control-character" => "requests fail with an error that doesn't name the cause",
        "not-exported" => "programs that are started after it don't get the key",
        "static-aws-keys" | "litellm-aws-keys" => "they are used in silence once the bearer key is gone, and can do more",
        "shared-key" => "one can't be revoked without the other",
        "shared-variable" => "it gets one of them alone, whichever you renew",
        "key-copied" => "a renewal doesn't reach it: what reads it goes on with a key that ends",
        "old-key-in-process" | "old-key-in-file" | "stale-consumer" | "pending-consumer" => "it stops working when the old key ends",
        "old-key-not-revoked" | "retire-failed" => "whoever has it can use it for as long as it is accepted",
        "failed-consumer" => "whoever calls it gets no answer",
        "renewal-failed" | "mint-failed" => "the key ends without a successor",
        "region-mismatch" => "a key works in its own region alone",
        "litellm-without-bedrock" => "the key that credd watches isn't used there",
        "litellm-key-in-config" => "a new key in the env file never gets there",
        "litellm-other-key" => "nobody tells you when that key ends",
        "litellm-config-unreadable" => "it wouldn't come back from a restart",
        "alert-command-failed" => "who counts on it isn't told",
        "notifications-unavailable" => "alerts wait until they can be shown",
        "state-recovered" | "state-not-saved" => "after a restart credd may not know what it told you",
        "watch-degraded" => "a new key is seen later",
        "metrics-unwritten" => "who watches many machines sees what was",
        "workers-not-started" => "nothing can be read or asked until then",
        "not-confined" => "an error in what talks to the network could do more harm",
        // One of a daemon that is newer than this.
        _ => "it keeps credd from its work",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::why;

    /// Every code that the README lists, or that a check names.
    fn codes() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let readme = fs::read_to_string(root.join("README.md")).unwrap();
        let in_tables = readme.lines().filter(|line| line.starts_with("| `") && line.contains('-'));
        let is_code = |word: &&str| word.contains('-') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        let named = in_tables.filter_map(|line| line.split('|').nth(1)).flat_map(|cell| cell.split('`')).filter(is_code);
        let mut codes: BTreeSet<_> = named.map(str::to_owned).collect();
        for entry in fs::read_dir(root.join("src/client/doctor/checks")).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            for rest in
                ["Finding::info(", "Finding::warning(", "Finding::error(", "Finding::new("].iter().flat_map(|call| text.split(call).skip(1))
            {
                codes.extend(rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned));
            }
        }
        codes
    }

    #[test]
    fn each_code_has_a_reason_of_its_own() {
        let codes = codes();
        assert!(codes.len() > 40 && codes.contains("env-file-not-ignored") && codes.contains("watch-degraded"), "{codes:?}");
        let without: Vec<_> = codes.iter().filter(|code| why(code) == why("no-such-code")).collect();
        assert!(without.is_empty(), "{without:?}");
    }
}
