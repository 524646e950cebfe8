//! One test per rule; tests/envfile compares whole files with real shells.

use super::{Answer, Difference, Style, read};

/// What the reader says of KEY in `source`, in a line.
fn key(source: &str) -> String {
    describe(&read(source.as_bytes(), b"/home/u").variable("KEY"))
}

fn describe(answer: &Answer) -> String {
    match answer {
        Answer::Static { value, exported, .. } => {
            let value = String::from_utf8_lossy(value);
            if *exported { format!("exported {value}") } else { format!("shell {value}") }
        }
        Answer::Inherited { depends_on, .. } => format!("inherited {}", depends_on.join(",")),
        Answer::Unset { .. } => "unset".to_owned(),
        Answer::Dynamic { line, .. } => format!("dynamic {line}"),
        Answer::Broken { line, .. } => format!("broken {line}"),
    }
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (source, expected) in cases {
        assert_eq!(key(source), *expected, "{source}");
    }
}

#[test]
fn quotes_and_concatenation() {
    check(&[
        ("export KEY=abc", "exported abc"),
        ("KEY='a b'\"c $HOME\"d\\ e", "shell a bc /home/ud e"),
        ("KEY=\"a\\\"b\\n\\\\\"", "shell a\"b\\n\\"),
        ("KEY=$'a\\tb\\x41'", "shell a\tbA"),
        ("KEY=abc\\\ndef", "shell abcdef"),
        ("KEY=a#b # comment", "shell a#b"),
        ("KEY='x'\r\n", "shell x\r"),
        ("KEY=~/x:~", "shell /home/u/x:/home/u"),
        ("KEY=", "shell "),
    ]);
}

#[test]
fn export_states() {
    check(&[
        ("KEY=a\nexport KEY", "exported a"),
        ("export KEY\nKEY=a", "exported a"),
        ("set -a\nKEY=a\nset +a\n", "exported a"),
        ("declare -x KEY=a", "exported a"),
        ("export A=1 KEY=a B=2", "exported a"),
        ("export KEY=a\nunset KEY", "unset"),
        ("export KEY", "unset"),
        ("export \"KEY=a b\"", "exported a b"),
    ]);
}

#[test]
fn the_last_assignment_wins() {
    check(&[("KEY=a; KEY=b\nKEY=c", "shell c"), ("KEY=a\nKEY+=b", "shell ab"), ("KEY=a\nreturn\nKEY=b", "shell a")]);
}

#[test]
fn defaults_and_references() {
    check(&[
        ("A=x\nKEY=$A-${A}", "shell x-x"),
        ("unset A\nKEY=${A:-d}", "shell d"),
        ("A=\nKEY=${A-d}${A:-e}", "shell e"),
        ("A=x\nKEY=${A:+y}", "shell y"),
        ("KEY=${A:-d}", "inherited A"),
        ("KEY=${KEY:-d}", "inherited KEY"),
        ("A=$B\nKEY=${A:-d}", "inherited B"),
    ]);
}

#[test]
fn only_running_could_tell() {
    check(&[
        ("KEY=$(cat x)", "dynamic 1"),
        ("\nKEY=a\n. ./x", "dynamic 3"),
        ("if [ -f x ]; then\nKEY=a\nfi", "dynamic 1"),
        ("eval x\nKEY=a", "dynamic 1"),
        ("KEY=$RANDOM", "dynamic 1"),
    ]);
}

#[test]
fn conditions_that_are_certain_are_followed() {
    check(&[
        ("if true; then KEY=a; else KEY=b; fi", "shell a"),
        ("if [ x ]; then KEY=a; else KEY=a; fi", "shell a"),
        ("false || KEY=a", "shell a"),
        ("KEY=a\n(KEY=b)\nf() { KEY=c; }", "shell a"),
    ]);
}

#[test]
fn what_may_have_been_declared_counts_in_either_branch() {
    for (then, otherwise) in [("D", ":"), (":", "D")] {
        for (declaration, before, after, expected) in [
            ("export KEY", "KEY=a\n", "", "dynamic 1"),
            ("readonly KEY", "KEY=a\n", "KEY=b", "dynamic 3"),
            ("declare -i KEY", "\n", "KEY=2+1", "dynamic 2"),
            ("typeset A", "\n", "KEY=${A-d}", "dynamic 3"),
            ("typeset A=", "\n", "KEY=b", "shell b"),
        ] {
            let branches = format!("if ls; then {then}; else {otherwise}; fi\n").replace('D', declaration);
            let source = format!("{before}{branches}{after}");
            assert_eq!(key(&source), expected, "{source}");
        }
    }
    check(&[("KEY=a\nreadonly KEY\nKEY=b", "dynamic 3"), ("readonly KEY=a\nexport KEY", "exported a")]);
}

#[test]
fn bash_and_zsh_differ() {
    check(&[
        ("export 1A=x\nKEY=a", "dynamic 1"),
        ("ls *.x\nKEY=a", "dynamic 1"),
        ("KEY=$A:t", "dynamic 1"),
        ("KEY=$A[1]", "dynamic 1"),
        ("KEY==ls", "dynamic 1"),
        ("export A=x KEY=$A", "dynamic 1"),
        ("KEY=a\nexport KEY+=b", "dynamic 2"),
        ("echo }\nKEY=a", "dynamic 1"),
        ("KEY=a\n! ! true\nKEY=b", "dynamic 2"),
        ("KEY=a\n[[ x ]]\nKEY=b", "dynamic 2"),
        ("KEY=a\nbreak\nKEY=b", "dynamic 2"),
        ("KEY=a\nwait -p KEY", "dynamic 2"),
        ("KEY=a\nalias x=a=b\nKEY=b", "dynamic 2"),
        ("KEY=a\nalias x=~\nKEY=b", "dynamic 2"),
        ("alias .=x\nKEY=a", "dynamic 1"),
        ("alias a/b=x\nKEY=a", "dynamic 1"),
        ("alias if=x\nKEY=a", "dynamic 1"),
        ("alias 'x=y '\nKEY=a", "dynamic 1"),
        ("alias -x\nKEY=a", "dynamic 1"),
        ("alias +x\nKEY=a", "dynamic 1"),
        ("alias x=y\nKEY=a", "shell a"),
        ("KEY=a\nUID=1 true\nKEY=b", "dynamic 2"),
        ("KEY=a\nIFS=, true\nKEY=b", "shell b"),
        ("KEY=a\nreturn ''\nKEY=b", "dynamic 2"),
        ("KEY=a\nreturn 0\nKEY=b", "shell a"),
        ("KEY=a\nexec true\nKEY=b", "shell a"),
        ("KEY=a\nexec 2>/dev/null\nKEY=b", "shell b"),
    ]);
}

#[test]
fn broken_files_keep_their_earlier_lines() {
    check(&[
        ("KEY=a\n)\nA=b", "shell a"),
        ("A=b\nKEY=a;;", "broken 2"),
        ("A=b\nKEY='a", "broken 2"),
        ("KEY=a\nif [ x ]; then\nA=b\n", "shell a"),
    ]);
    assert!(read(b"if [ x ]; then", b"").unfinished());
    assert!(read(b"KEY=a\0", b"").unfinished());
    assert!(!read(b"KEY=a\n)", b"").unfinished());
}

#[test]
fn what_stands_after_a_line_that_can_t_be_read() {
    check(&[
        // It names the variable, quoted in pieces or broken by a line's end.
        ("KEY=a\n)\nKEY=b", "broken 2"),
        ("KEY=a\n)\nexport K'E'Y=b", "broken 2"),
        ("KEY=a\n)\nexport K\\\nEY=b", "broken 2"),
        ("KEY=a\n)\nexport OTHER=b", "shell a"),
        // It may reach any variable.
        ("KEY=a\n)\neval x", "broken 2"),
        ("KEY=a\n)\n. ./x", "broken 2"),
        ("f() { KEY=b; }\nKEY=a\n)\nf", "broken 3"),
        ("f() { KEY=b; }\nKEY=a\n)\ng", "shell a"),
        ("KEY=a\nalias x='KEY=b'\n)\nx", "broken 3"),
        ("KEY=a\n)\nexport $A=b", "broken 2"),
        ("KEY=a\n)\nexport\\\n\t$A=b", "broken 2"),
        ("KEY=a\n)\nexport `echo KEY`=b", "broken 2"),
        ("KEY=a\n)\nexport A=$B", "shell a"),
        ("KEY=a\n)\necho $A=b", "shell a"),
        // No shell runs what isn't ended.
        ("KEY=a\nif x; then eval y", "shell a"),
        ("A=b\nKEY='a\nb\n", "broken 2"),
        ("if x; then\nA=b;;\nfi\nKEY=b", "broken 2"),
        ("A=1\nif [ x ]; then\nKEY=b\n", "broken 2"),
    ]);
    let style = |source: &str| read(source.as_bytes(), b"").style();
    assert_eq!((style("KEY=a\n)\nset -a"), style("KEY=a\n)\nls")), (Style::Shell, Style::Plain));
}

#[test]
fn hints_name_the_other_syntax() {
    let hint = |source: &str| match read(source.as_bytes(), b"").variable("KEY") {
        Answer::Unset { hint } => hint.unwrap_or_default(),
        Answer::Dynamic { reason, .. } | Answer::Broken { reason, .. } => reason,
        _ => String::new(),
    };
    for (source, part) in [
        ("set -gx KEY v", "fish"),
        ("$env:KEY = 'v'", "PowerShell"),
        ("KEY = v", "space stands before"),
        ("KEY=a b", "unquoted space"),
        ("# export KEY=v", "commented"),
        ("export key=v", "letter case"),
        ("\u{feff}export KEY=v", "byte-order"),
        ("KEY=\u{201c}a b\u{201d}", "typographic"),
        ("{\"KEY\": \"v\"}", "JSON"),
        ("\u{a0}export KEY=v", "invisible"),
        ("\u{200b}export KEY=v", "invisible"),
        ("\u{c}export KEY=v", "invisible"),
        ("setenv KEY v", "csh"),
        ("set KEY=v", "Windows"),
        ("$KEY=v", "dollar"),
        ("KEY := v", "make"),
        ("KEY ?= v", "make"),
        ("KEY: v", "colon"),
        ("export KEY", "never given"),
        ("KEY", "stands alone"),
        ("KEY= v", "space stands after"),
        ("KEY=a & b", "unquoted space"),
        ("KEY=a&b", "unquoted operator"),
        ("KEY='a' & b", "doesn't last"),
        ("KEY='a' b", "doesn't last"),
        ("(export KEY=a)", "doesn't last"),
    ] {
        assert!(hint(source).contains(part), "{source}: {}", hint(source));
    }
    // Names that only have it in them, and ones that are spelt as it is.
    for source in ["MYKEY = v", "KEYS = v", "MY_KEY: v", "KEY2=a b"] {
        assert_eq!(hint(source), "", "{source}");
    }
    assert!(hint("key KEY = v").contains("space stands before"));
    for source in ["KEY -x", "echo KEY"] {
        assert_eq!(hint(source), "", "{source}");
    }
}

#[test]
fn another_reader_s_syntax_is_named_whatever_the_shells_make_of_it() {
    let foreign = |source: &str| read(source.as_bytes(), b"").foreign("KEY");
    assert!(foreign("A=1\nset -gx KEY v").is_some_and(|text| text.contains("fish")));
    assert!(foreign("export KEY=<your key>").is_some_and(|text| text.contains("placeholder")));
    for source in ["export KEY=v", "# KEY: v", "key: v", ""] {
        assert_eq!(foreign(source), None, "{source}");
    }
}

#[test]
fn two_readings_are_told_apart_by_name_and_kind() {
    let before = "export A=1\nexport B=2\nexport C=3\nD=4\nE=5\n";
    let differences = |after: &str| read(before.as_bytes(), b"").differences(&read(after.as_bytes(), b""));
    assert_eq!(differences(before), []);
    assert_eq!(
        differences("export B=2\nexport A=9\nC=3\nD=$(x)\nF=6\n"),
        [("A", Difference::Value), ("C", Difference::Kind), ("D", Difference::Kind), ("E", Difference::Kind), ("F", Difference::Kind)]
            .map(|(name, difference)| (name.to_owned(), difference))
    );
    let names = |source: &str| read(source.as_bytes(), b"").names();
    assert_eq!(names("B=1\nexport A\nB=2\nunset C\n"), ["A", "B", "C"]);
    assert_eq!(names("B=1\n)\nexport A=2"), ["A", "B", "export"], "named where it couldn't be followed");
    assert_eq!(names("# A=1\n"), [""; 0]);
}

#[test]
fn a_defect_is_where_a_shell_would_stop() {
    let defect = |source: &[u8]| read(source, b"").defect();
    for source in [&b"KEY=a\n"[..], b"KEY=$(x)\nls *\n", b"", b"cat <<E\nx\nE\n"] {
        assert_eq!(defect(source), None, "{source:?}");
    }
    assert!(defect(b"KEY=a\n)\n").is_some_and(|(_, line)| line == 2));
    assert!(defect(b"KEY=a\nA='b\n").is_some_and(|(why, line)| why.contains("quote") && line == 2));
    assert!(defect(b"A=1\nB=\0\n").is_some_and(|(why, line)| why.contains("NUL") && line == 2));
    assert!(defect(b"cat <<E\nx\n").is_some_and(|(why, _)| why.contains("here-document")));
}

#[test]
fn what_is_nested_side_by_side_is_not_deep() {
    let beside = format!("{}KEY=a", "( ( ls ) )\n".repeat(300));
    assert_eq!(key(&beside), "shell a");
    let deep = format!("{}ls{}\nKEY=a", "( ".repeat(300), " )".repeat(300));
    assert_eq!(key(&deep), "dynamic 1");
}

#[test]
fn spans_cover_the_value_word() {
    let source = "export KEY='a b' # x\n";
    let Answer::Static { span: Some(span), line: 1, .. } = read(source.as_bytes(), b"").variable("KEY") else {
        panic!("not literal");
    };
    assert_eq!(&source[span], "'a b'");
    for several in [&b"KEY=a\nKEY+=b"[..], b"if ls; then KEY=a; else KEY=a; fi"] {
        assert!(matches!(read(several, b"").variable("KEY"), Answer::Static { span: None, .. }));
    }
}

#[test]
fn assignments_are_listed_by_line() {
    assert_eq!(read(b"KEY=a\n\nexport KEY=b\nif x; then KEY=c; fi\n", b"").assignments("KEY"), [1, 3]);
}

#[test]
fn a_half_written_value_is_cut_short() {
    assert!(read(b"KEY=abc", b"").cut_short("KEY"));
    assert!(!read(b"KEY=abc\n", b"").cut_short("KEY"));
    assert!(!read(b"KEY='abc'", b"").cut_short("KEY"));
    assert!(!read(b"KEY=abc\nA=b", b"").cut_short("KEY"));
    assert!(!read(b"KEY=abc # c", b"").cut_short("KEY"));
}

#[test]
fn plain_files_export_everything() {
    let reading = read(b"A=1\nKEY='b c'\nC=$X\n", b"");
    assert_eq!(reading.style(), Style::Plain);
    assert_eq!(reading.exports(), [(b"A".to_vec(), b"1".to_vec()), (b"KEY".to_vec(), b"b c".to_vec())]);
    let reading = read(b"A=1\nexport KEY=x\nunset B\n", b"");
    assert_eq!(reading.style(), Style::Shell);
    assert_eq!(reading.exports(), [(b"KEY".to_vec(), b"x".to_vec())]);
    assert_eq!(reading.unsets(), [b"B".to_vec()]);
}

#[test]
fn hostile_files_end_soon() {
    const SIZE: usize = 1 << 15;
    for part in ["(", "((", "$((", "${A:-", "\"$(", "A=$A$A\n", "`\\`", "A=$B[", "f() { f; f; }; f\n", "while :; do ", "A["] {
        let source = format!("A=x\n{}", part.repeat(SIZE / part.len()));
        describe(&read(source.as_bytes(), b"").variable("KEY"));
    }
}
