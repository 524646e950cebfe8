use std::fs::{OpenOptions, Permissions};
use std::io::Read as _;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use super::*;
use crate::core::{Finding, KeyKind, PresentKey};

struct Home {
    directory: TempDir,
    salt: Salt,
}

impl Home {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let salt = Salt::load_or_create(directory.path()).unwrap();
        Self { directory, salt }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn env(&self, contents: &str) -> PathBuf {
        let path = self.path(".env");
        std::fs::write(&path, contents).unwrap();
        path
    }

    fn read(&self, name: &str) -> FileBody {
        self.read_for(name, &["KEY"])
    }

    fn read_for(&self, name: &str, variables: &[&str]) -> FileBody {
        let query = FileQuery { path: self.path(name), variables: variables.iter().map(|&name| name.to_owned()).collect() };
        let report = read(&query, &self.salt, b"/home/u");
        assert_eq!(report.path, query.path);
        report.body
    }

    /// Reads until nobody writes: a test beside this one may be starting a process, which has this
    /// one's descriptors until it is what it is to be.
    fn settled(&self, name: &str, variables: &[&str]) -> FileBody {
        loop {
            match self.read_for(name, variables) {
                FileBody::Busy => std::thread::yield_now(),
                body => return body,
            }
        }
    }

    fn contents(&self, contents: &str, variables: &[&str]) -> FileContents {
        self.env(contents);
        match self.settled(".env", variables) {
            FileBody::Read(contents) => contents,
            other => panic!("{other:?}"),
        }
    }

    fn why(&self, name: &str) -> String {
        match self.read(name) {
            FileBody::Unreadable(why) => why.replace(self.directory.path().to_str().unwrap(), ""),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn present(contents: &FileContents, number: usize) -> &PresentKey {
    match &contents.variables[number].finding {
        Finding::Present(key) => key,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_is_reported_by_its_fingerprint() {
    let home = Home::new();
    let contents = home.contents("export KEY=\"secret\"\nOTHER=x\n", &["KEY", "OTHER", "NONE"]);
    let key = present(&contents, 0);
    assert_eq!(key.fingerprint, home.salt.fingerprint(b"secret"));
    assert_eq!((key.exported, key.line, key.control_character), (true, 1, false));
    assert_eq!(key.anatomy.kind, KeyKind::Opaque);
    assert!(!present(&contents, 1).exported);
    assert!(matches!(contents.variables[2].finding, Finding::Unset { .. }));
    assert!(!contents.empty && !contents.unfinished && !contents.exports_others);
    let metadata = std::fs::metadata(home.path(".env")).unwrap();
    let modified: Timestamp = metadata.modified().unwrap().try_into().unwrap();
    assert_eq!(contents.modified_at, modified);
    assert!(contents.changed_at >= contents.modified_at);
    let text = serde_json::to_string(&contents).unwrap();
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn what_else_stands_in_the_file_is_told() {
    let home = Home::new();
    let twice = home.contents("export KEY=a\nexport KEY=b\n", &["KEY"]);
    assert_eq!(*twice.variables[0].duplicates, [1, 2]);
    assert_eq!(present(&twice, 0).fingerprint, home.salt.fingerprint(b"b"));

    let empty = home.contents("export KEY=\n", &["KEY"]);
    assert_eq!(empty.variables[0].finding, Finding::Empty { line: 1 });
    assert!(!empty.empty);
    assert!(home.contents(" \n\t\n", &["KEY"]).empty);
    assert!(home.contents("", &["KEY"]).empty);

    let others = home.contents("KEY=a\nexport REGION=b\n", &["KEY"]);
    assert!(others.exports_others);

    let both = "AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nAWS_SECRET_ACCESS_KEY=x\nKEY=a\n";
    assert!(home.contents(both, &["KEY"]).static_aws_keys);
    let one = "AWS_ACCESS_KEY_ID=AKIAEXAMPLE\nKEY=a\n";
    assert!(!home.contents(one, &["KEY"]).static_aws_keys);

    assert!(home.contents("export KEY=\"a\n", &["KEY"]).unfinished);

    let plain = home.contents("KEY=a\nREGION=b\n", &["KEY"]);
    assert!(!plain.exports_others && !present(&plain, 0).exported);
    let dos = home.contents("export KEY=a\r\n", &["KEY"]);
    assert!(present(&dos, 0).control_character);
    let cut = home.contents("export KEY=a", &["KEY"]);
    assert!(cut.variables[0].cut_short);
}

#[test]
fn what_only_a_shell_could_tell_is_dynamic_with_its_reason_and_line() {
    let home = Home::new();
    let table = [
        ("export KEY=$(pass bedrock)\n", 1),
        ("\nexport KEY=\"${KEY:-x}\"\n", 2),
        ("export KEY=a\nexport KEY='open\n", 2),
        ("export KEY=a\nif true; then\nexport KEY=b\n", 2),
        ("export KEY=a\0\n", 1),
    ];
    for (text, line) in table {
        match &home.contents(text, &["KEY"]).variables[0].finding {
            Finding::Dynamic { reason, line: at } => {
                assert!(!reason.is_empty() && *at == line, "{text:?}: {reason}, {at}");
            }
            other => panic!("{text:?}: {other:?}"),
        }
    }
}

#[test]
fn the_mode_is_that_of_the_file_behind_a_symlink() {
    let home = Home::new();
    let path = home.env("KEY=a\n");
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    symlink(".env", home.path("link")).unwrap();
    match home.settled("link", &["KEY"]) {
        FileBody::Read(contents) => assert_eq!(contents.mode, 0o640),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_env_file_is_refused_in_one_sentence_and_never_waited_for() {
    let home = Home::new();
    let next = "; point env_file at the file that assigns the key";
    std::fs::create_dir(home.path("directory")).unwrap();
    assert_eq!(home.why("directory"), format!("/directory is a directory{next}"));
    rustix::fs::mkfifoat(rustix::fs::CWD, home.path("pipe"), Mode::RUSR).unwrap();
    assert_eq!(home.why("pipe"), format!("/pipe is a named pipe{next}"));
    let _listener = UnixListener::bind(home.path("socket")).unwrap();
    assert_eq!(home.why("socket"), format!("/socket is a socket{next}"));
    symlink("/dev/zero", home.path("device")).unwrap();
    assert_eq!(home.why("device"), format!("/device is a device{next}"));
    std::fs::write(home.path("large"), vec![b'#'; MOST_BYTES + 1]).unwrap();
    assert_eq!(home.why("large"), format!("/large is larger than 1 MiB{next}"));
    symlink("circle", home.path("circle")).unwrap();
    assert_eq!(home.why("circle"), "/circle is a symlink that leads in a circle; make it point at the file that assigns the key");
    std::fs::write(home.path("largest"), vec![b'#'; MOST_BYTES]).unwrap();
    assert!(matches!(home.settled("largest", &[]), FileBody::Read(_)));
}

#[test]
fn nothing_there_is_missing() {
    let home = Home::new();
    assert_eq!(home.read(".env"), FileBody::Missing);
    assert_eq!(home.read("a/b/.env"), FileBody::Missing);
    home.env("KEY=a\n");
    assert_eq!(home.read(".env/b"), FileBody::Missing);
    symlink("gone", home.path("dangling")).unwrap();
    assert_eq!(home.read("dangling"), FileBody::Missing);
}

/// On what the temporary directory is: leases are there on every usual local file system.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_is_open_for_writing_is_busy() {
    let home = Home::new();
    let path = home.env("KEY=a\n");
    let writer = OpenOptions::new().append(true).open(&path).unwrap();
    assert_eq!(home.read(".env"), FileBody::Busy);
    drop(writer);
    let reader = File::open(&path).unwrap();
    assert!(matches!(home.settled(".env", &[]), FileBody::Read(_)));
    drop(reader);
    // Another process' too.
    let mut child = Command::new("sh")
        .args(["-c", "exec 3>>\"$0\"; echo open; read line"])
        .arg(&path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(home.read(".env"), FileBody::Busy);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(matches!(home.settled(".env", &[]), FileBody::Read(_)));
}

/// The lease's signal would end this process.
#[test]
fn a_writer_in_a_hurry_and_a_reader_do_each_other_no_harm() {
    let home = Home::new();
    let path = home.env("KEY=first\n");
    let done = std::sync::atomic::AtomicBool::new(false);
    let (first, last) = (home.salt.fingerprint(b"first"), home.salt.fingerprint(b"second"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2_000 {
                let mut file = OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
                file.write_all(b"KEY=sec").unwrap();
                file.write_all(b"ond\n").unwrap();
            }
            done.store(true, std::sync::atomic::Ordering::Release);
        });
        while !done.load(std::sync::atomic::Ordering::Acquire) {
            if let FileBody::Read(contents) = home.read(".env")
                && let Finding::Present(key) = &contents.variables[0].finding
            {
                assert!(key.fingerprint == first || key.fingerprint == last);
            }
        }
    });
    match home.settled(".env", &["KEY"]) {
        FileBody::Read(contents) => assert_eq!(present(&contents, 0).fingerprint, last),
        other => panic!("{other:?}"),
    }
}
