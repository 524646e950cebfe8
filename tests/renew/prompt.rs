//! The hidden prompt, on a real terminal.

use crate::pane::Pane;
use crate::support::bedrock::BedrockStandIn;
use crate::support::run;
use crate::{CREDD, NEW, OLD, daemon, env_file, home, shows_nothing_of};

const PROMPT: &str = "New key (not shown):";

#[test]
fn nothing_of_a_key_is_shown_and_ctrl_c_leaves_all_as_it_was() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let daemon = daemon(&home);
    let before = env_file(&home);
    let pane = Pane::open(&home, CREDD, 100);
    pane.enters("credd renew; echo code=$?");
    pane.until(PROMPT);
    assert!(pane.shown().contains("https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/api-keys"), "{}", pane.shown());
    pane.types(&NEW[..50]);
    pane.until("(50 characters)");
    pane.presses("BSpace");
    pane.until("(49 characters)");
    pane.presses("C-z");
    pane.presses("Up");
    pane.types("x");
    pane.until_count("(50 characters)", 1);
    pane.presses("C-u");
    pane.types("y");
    pane.until("(1 character)");
    pane.types(NEW);
    pane.until(&format!("({} characters)", NEW.len() + 1));
    pane.presses("C-c");
    pane.until("nothing was changed");
    pane.until("code=130");
    pane.is_as_before();
    shows_nothing_of(NEW, &pane.shown());
    shows_nothing_of(NEW, &daemon.log());
    assert_eq!(env_file(&home), before);
}

#[test]
fn ctrl_d_on_an_empty_line_ends_it() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 80);
    pane.enters("credd renew; echo code=$?");
    pane.until(PROMPT);
    pane.presses("C-d");
    pane.until("nothing was changed");
    pane.until("code=1\n");
    pane.is_as_before();
}

#[test]
fn what_follows_a_pasted_line_reaches_no_shell() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 100);
    // tmux marks a paste only where the program has asked for that.
    for (number, marks) in [false, true].into_iter().enumerate() {
        pane.enters("credd renew; echo code=$?");
        pane.until_count(PROMPT, 2 * number + 1);
        // A wrong key, so that it is known to have been read, and asked for again.
        pane.pastes("sk-0123456789012345678901234567890123456789\ntouch pwned\n\ntouch pwned\n", marks);
        pane.until_count("This is no Bedrock API key", number + 1);
        pane.until_count("Only the first line was taken", number + 1);
        pane.until_count(PROMPT, 2 * number + 2);
        pane.presses("C-c");
        pane.until_count("code=130", number + 1);
    }
    // A paste without an end, and its mark after Ctrl-C.
    pane.is_as_before();
    assert!(!home.path().join("pwned").exists());
    assert!(!pane.shown().contains("pwned"), "{}", pane.shown());
    // The shell gets pastes as before: one that marks them puts them on its line unrun.
    pane.pastes("echo past'ed'", true);
    pane.presses("Enter");
    pane.until("\npasted\n");
    assert!(!pane.shown().contains("200~"), "{}", pane.shown());
}

#[test]
fn three_wrong_pastes_are_enough() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let before = env_file(&home);
    let pane = Pane::open(&home, CREDD, 100);
    pane.enters("credd renew; echo code=$?");
    let wrongs = [
        (format!("export AWS_BEARER_TOKEN_BEDROCK='{NEW}'"), "This is a whole line of a file"),
        (format!("\"{NEW}\""), "This has quotes around it"),
        (OLD.to_owned(), "This is the key that is in the file already"),
    ];
    for (number, (wrong, why)) in wrongs.iter().enumerate() {
        pane.until_count(PROMPT, number + 1);
        pane.pastes(wrong, true);
        pane.presses("Enter");
        pane.until(why);
    }
    pane.until("nothing was changed: no key was given");
    pane.until("code=1\n");
    pane.is_as_before();
    for key in [OLD, NEW] {
        shows_nothing_of(key, &pane.shown());
    }
    assert_eq!(env_file(&home), before);
}

#[test]
fn a_signal_during_the_prompt_puts_the_terminal_back() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    for (signal, code) in [("TERM", 143), ("HUP", 129), ("INT", 130)] {
        let pane = Pane::open(&home, CREDD, 80);
        pane.enters("credd renew; echo code=$?");
        pane.until(PROMPT);
        pane.types(&NEW[..20]);
        pane.until("(20 characters)");
        run(std::process::Command::new("kill").args([&format!("-{signal}"), &pane.foreground()]));
        pane.until(&format!("code={code}"));
        pane.until("nothing was changed");
        pane.is_as_before();
        shows_nothing_of(&NEW[..20], &pane.shown());
    }
}

#[test]
fn a_program_that_was_stopped_goes_on_hidden() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 80);
    pane.enters("credd renew");
    pane.until(PROMPT);
    run(std::process::Command::new("kill").args(["-STOP", &pane.foreground()]));
    pane.until("Stopped");
    pane.enters("stty sane; fg");
    pane.until_count(PROMPT, 2);
    pane.types(NEW);
    pane.until(&format!("({} characters)", NEW.len()));
    shows_nothing_of(NEW, &pane.shown());
    pane.presses("C-c");
    pane.until("nothing was changed");
    pane.is_as_before();
}

#[test]
fn forty_columns_are_enough() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let pane = Pane::open(&home, CREDD, 40);
    pane.enters("credd renew");
    pane.until(PROMPT);
    for (number, character) in NEW.chars().take(30).enumerate() {
        pane.types(&character.to_string());
        if number % 10 == 9 {
            pane.until(&format!("({} characters)", number + 1));
        }
    }
    // Written over in its place.
    assert_eq!(pane.screen().matches(PROMPT).count(), 1, "{}", pane.screen());
    assert!(pane.screen().contains(&format!("{PROMPT} (30 characters)")), "{}", pane.screen());
    pane.presses("C-c");
    pane.until("nothing was changed");
    pane.is_as_before();
}

#[test]
fn a_short_term_key_is_taken_only_if_the_user_says_so() {
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let before = env_file(&home);
    let pane = Pane::open(&home, CREDD, 100);
    for (number, answer) in ["n", "Enter", "C-c"].iter().enumerate() {
        pane.enters("credd renew");
        pane.until_count(PROMPT, 2 * number + 1);
        pane.pastes(&crate::pipe::short_term(), true);
        pane.presses("Enter");
        pane.until_count("Take it? [y/N]", number + 1);
        pane.presses(answer);
        if *answer != "C-c" {
            pane.until_count(PROMPT, 2 * number + 2);
            pane.presses("C-c");
        }
        pane.until_count("nothing was changed", number + 1);
    }
    pane.is_as_before();
    assert_eq!(env_file(&home), before);
}

#[test]
fn the_page_opens_where_there_is_a_desktop_and_nobody_forbids_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let bedrock = BedrockStandIn::start([OLD]);
    let home = home(&bedrock);
    let _daemon = daemon(&home);
    let bin = home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("xdg-open"), "#!/bin/sh\necho \"$1\" >> \"$HOME/opened\"\n").unwrap();
    std::fs::set_permissions(bin.join("xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let pane = Pane::open(&home, CREDD, 100);
    pane.enters("PATH=$HOME/bin:$PATH");
    for (number, line) in ["credd renew", "DISPLAY=:9 credd renew --no-browser", "DISPLAY=:9 credd renew"].iter().enumerate() {
        pane.enters(line);
        pane.until_count(PROMPT, number + 1);
        pane.presses("C-c");
        pane.until_count("nothing was changed", number + 1);
    }
    let opened = crate::support::wait::until("the page", crate::support::daemon::SOON, || {
        std::fs::read_to_string(home.path().join("opened")).ok().filter(|text| text.ends_with('\n'))
    });
    assert_eq!(opened, "https://us-east-1.console.aws.amazon.com/bedrock/home?region=us-east-1#/api-keys\n");
}
