use std::collections::HashMap;

use super::*;

/// `"d /a"`, `"l /a/b -> c"`, `"f /a/c"`, `"s /a/socket"`, `"x /a/secret"`.
struct Fake(HashMap<PathBuf, Look>);

fn fake(lines: &[&str]) -> Fake {
    let mut tree = HashMap::from([(PathBuf::from("/"), Look::Directory(id(1)))]);
    for (inode, line) in (2..).zip(lines) {
        let (kind, rest) = line.split_once(' ').unwrap();
        let (path, target) = rest.split_once(" -> ").unwrap_or((rest, ""));
        let look = match kind {
            "d" => Look::Directory(id(inode)),
            "l" => Look::Link(target.into()),
            "f" => Look::File(stamp(inode, 10)),
            "s" => Look::Other(stamp(inode, 0)),
            _ => Look::Refused,
        };
        tree.insert(path.into(), look);
    }
    Fake(tree)
}

impl Tree for Fake {
    fn look(&self, path: &Path) -> Look {
        self.0.get(path).cloned().unwrap_or(Look::Missing)
    }
}

fn id(inode: u64) -> Id {
    Id { device: 1, inode }
}

fn stamp(inode: u64, size: u64) -> Stamp {
    Stamp { id: id(inode), size, modified: (1, 0), changed: (1, 0) }
}

fn way(route: &Route) -> Vec<String> {
    route.steps.iter().map(|step| format!("{}:{}", step.directory.display(), step.name.display())).collect()
}

#[test]
fn every_name_on_the_way_is_a_step() {
    let home = ["d /home", "d /home/u"];
    #[allow(clippy::type_complexity, reason = "a table")]
    let table: &[(&str, &[&str], &str, &[&str], &str)] = &[
        ("a plain file", &["f /home/u/.env"], "/home/u/.env", &["/:home", "/home:u", "/home/u:.env"], "file /home/u/.env"),
        ("a missing file", &[], "/home/u/.env", &["/:home", "/home:u", "/home/u:.env"], "missing"),
        ("missing parents: the nearest ancestor that exists", &[], "/home/u/a/b/.env", &["/:home", "/home:u", "/home/u:a"], "missing"),
        (
            "a relative symlink",
            &["l /home/u/.env -> dot/env", "d /home/u/dot", "f /home/u/dot/env"],
            "/home/u/.env",
            &["/:home", "/home:u", "/home/u:.env", "/home/u:dot", "/home/u/dot:env"],
            "file /home/u/dot/env",
        ),
        (
            "an absolute symlink, shared steps once",
            &["l /home/u/.env -> /home/u/real", "f /home/u/real"],
            "/home/u/.env",
            &["/:home", "/home:u", "/home/u:.env", "/home/u:real"],
            "file /home/u/real",
        ),
        (
            "a symlinked directory, as in Kubernetes",
            &["l /home/u/.env -> ..data/env", "l /home/u/..data -> ..1", "d /home/u/..1", "f /home/u/..1/env"],
            "/home/u/.env",
            &["/:home", "/home:u", "/home/u:.env", "/home/u:..data", "/home/u:..1", "/home/u/..1:env"],
            "file /home/u/..1/env",
        ),
        ("up and down", &["f /home/env"], "/home/u/../env", &["/:home", "/home:u", "/home:env"], "file /home/env"),
        ("up from the root", &["f /home/env"], "/../../home/./env", &["/:home", "/home:env"], "file /home/env"),
        ("a link to itself", &["l /home/u/.env -> .env"], "/home/u/.env", &["/:home", "/home:u", "/home/u:.env"], "circle"),
        (
            "two links in a circle",
            &["l /home/u/a -> b", "l /home/u/b -> a"],
            "/home/u/a",
            &["/:home", "/home:u", "/home/u:a", "/home/u:b"],
            "circle",
        ),
        (
            "a dangling link",
            &["l /home/u/.env -> gone/env"],
            "/home/u/.env",
            &["/:home", "/home:u", "/home/u:.env", "/home/u:gone"],
            "missing",
        ),
        ("a file where a directory should be", &["f /home/u/a"], "/home/u/a/.env", &["/:home", "/home:u", "/home/u:a"], "missing"),
        ("a directory where the file should be", &["d /home/u/.env"], "/home/u/.env", &["/:home", "/home:u", "/home/u:.env"], "directory"),
        ("a socket", &["s /home/u/.env"], "/home/u/.env", &["/:home", "/home:u", "/home/u:.env"], "other"),
        ("no permission", &["x /home/u/a"], "/home/u/a/.env", &["/:home", "/home:u", "/home/u:a"], "refused"),
        ("the root", &[], "/", &[], "directory"),
    ];
    for (title, lines, path, steps, end) in table {
        let tree = fake(&[&home[..], lines].concat());
        let route = resolve(&tree, Path::new(path));
        assert_eq!(way(&route), *steps, "{title}");
        let found = match &route.end {
            End::Missing => "missing".to_owned(),
            End::Refused => "refused".to_owned(),
            End::Circle => "circle".to_owned(),
            End::Directory(_) => "directory".to_owned(),
            End::Other(_) => "other".to_owned(),
            End::File(path, _) => format!("file {}", path.display()),
        };
        assert_eq!(found, *end, "{title}");
    }
}

#[test]
fn a_route_tells_contents_from_way() {
    let mut tree = fake(&["d /a", "f /a/env"]);
    let path = Path::new("/a/env");
    let first = resolve(&tree, path);
    assert_eq!(first.digest(), resolve(&tree, path).digest());

    tree.0.insert(path.into(), Look::File(stamp(3, 11)));
    let written = resolve(&tree, path);
    assert!(first.same_way(&written), "the same inode, written to");
    assert_ne!(first.digest(), written.digest());

    tree.0.insert(path.into(), Look::File(stamp(4, 11)));
    let replaced = resolve(&tree, path);
    assert!(!written.same_way(&replaced), "another inode");

    tree.0.insert("/a".into(), Look::Directory(id(9)));
    let moved = resolve(&tree, path);
    assert!(!replaced.same_way(&moved), "another directory");
    assert_ne!(replaced.digest(), moved.digest());
}
