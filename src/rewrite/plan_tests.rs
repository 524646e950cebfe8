use super::*;

/// Contents, line, how, duplicates, derived.
type Done = (String, usize, How, Vec<usize>, Vec<String>);

#[track_caller]
fn rewrite(source: &str, new: &str) -> Result<Done, String> {
    let path = Path::new("/f");
    let source = Source::new(path, source.as_bytes(), "KEY", Path::new("/home/u"));
    let plan = source.value().and_then(|_| source.replace(new.as_bytes())).map_err(|refusal| refusal.message)?;
    Ok((String::from_utf8(plan.contents.to_vec()).unwrap(), plan.line, plan.how, plan.duplicates, plan.derived))
}

#[track_caller]
fn check(source: &str, new: &str, expected: &str) {
    assert_eq!(rewrite(source, new).map(|done| done.0).as_deref(), Ok(expected), "{source}");
}

#[track_caller]
fn refused(source: &str, line: usize, what: &str) {
    let message = rewrite(source, "n").unwrap_err();
    assert!(message.contains(what) && message.contains(&format!("line {line}: ")), "{source}: {message}");
}

#[test]
fn only_the_value_changes() {
    check("# c\nexport KEY='a' # it's\nB=1", "n", "# c\nexport KEY='n' # it's\nB=1");
    check("KEY=a;B=2", "n", "KEY=n;B=2");
    check("export A=1 KEY=\"a\" B=2\n", "n", "export A=1 KEY=\"n\" B=2\n");
    check("KEY=a\nKEY=b", "n o", "KEY=a\nKEY='n o'");
    check("export KEY=\n", "n", "export KEY='n'\n");
    check("KEY=\nB=1\n", "n", "KEY=n\nB=1\n");
    check("export KEY=''\n", "n", "export KEY='n'\n");
    check("KEY='a\nb'\n", "n", "KEY='n'\n");
    check("A=x\r\nexport KEY='a'\r\nB=y\r\n", "n", "A=x\r\nexport KEY='n'\nB=y\r\n");
    check("export KEY=a # c\r\nB=y\r\n", "n", "export KEY=n # c\r\nB=y\r\n");
    check("export KEY=a\r\nB=y\r\n", "n", "export KEY=n\nB=y\r\n");
    check("\u{feff}# c\nexport KEY=a", "n", "\u{feff}# c\nexport KEY=n");
}

#[test]
fn what_is_missing_is_appended() {
    check("", "n", "export KEY='n'\n");
    check("A=1\n", "n", "A=1\nKEY=n\n");
    check("A=1\n", "n$", "A=1\nKEY='n$'\n");
    check("export A=1", "it's", "export A=1\nexport KEY='it'\\''s'\n");
    check("#KEY=a\n", "n", "#KEY=a\nexport KEY='n'\n");
    let (_, line, how, ..) = rewrite("export A=1", "n").unwrap();
    assert_eq!((line, how), (2, How::Appended));
    refused("export A=1\nreturn\n", 3, "doesn't get that far");
    refused("export A=1 \\", 1, "only known at run time");
    assert!(rewrite("KEY = a\n", "n").unwrap_err().contains("a space stands before"));
    assert!(rewrite("$env:KEY='a'\n", "n").unwrap_err().contains("PowerShell"));
}

#[test]
fn what_is_not_certain_is_refused() {
    refused("KEY=a\nKEY=$(b)\n", 2, "command substitution");
    refused("export KEY=${KEY:-a}\n", 1, "inherit");
    refused("KEY=a\nKEY+=b\n", 2, "simple");
    refused("export \"KEY=a\"\n", 1, "simple");
    refused("B=a\nexport KEY=$B\n", 2, "of others");
    refused("unset A\nexport KEY=${A:=x}\n", 2, "of others");
    refused("export KEY=a\nB='c\n", 2, "stops reading");
    refused("export KEY=a\nfi\n", 2, "stops reading");
    refused("export KEY=a\nB=(\n", 3, "ends inside");
    refused("if [ -f x ]; then KEY=a; fi\n", 1, "");
}

#[test]
fn what_follows_is_told() {
    let (contents, line, how, duplicates, derived) = rewrite("KEY=x\nexport KEY=a\nexport B=p-$KEY\n", "n").unwrap();
    assert_eq!(contents, "KEY=x\nexport KEY=n\nexport B=p-$KEY\n");
    assert_eq!((line, how, duplicates, derived), (2, How::Replaced, vec![1], vec!["B".to_owned()]));
    check("KEY=a\nB=$KEY*\n", "n", "KEY=n\nB=$KEY*\n");
}
