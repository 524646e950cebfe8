//! How the service stands, without changing anything.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::{self, Found};
use super::{InstallOptions, Manager, launchd, systemd};

/// The service's file, and what its manager says.
#[derive(Debug)]
pub struct Standing {
    /// Where `credd install` puts the file.
    pub path: PathBuf,
    /// What stands there.
    pub file: ServiceFile,
    /// What the manager says; `None` where it can't be asked.
    pub manager: Option<Managed>,
    /// The program that the service's file starts.
    pub program: Option<PathBuf>,
    /// The `PATH` that the file gives it.
    pub search_path: Option<String>,
}

/// What stands in the file's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceFile {
    /// Nothing, or nothing that can be read.
    Absent,
    /// Something that credd didn't write, such as a link.
    Foreign,
    /// Another text than this program would write, apart from the `PATH`, the program and its options.
    Outdated,
    /// As it should be.
    Current,
}

/// What the service's manager says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Managed {
    /// It knows such a service, wherever its file is: packages bring one along.
    pub known: bool,
    /// It starts the service by itself.
    pub enabled: bool,
    /// The service runs.
    pub active: bool,
}

/// Looks. `ask` runs a command of the manager's and returns what that says, if it succeeds.
pub fn standing(options: &InstallOptions, ask: &dyn Fn(&[String]) -> Option<String>) -> Standing {
    let path = options.path();
    let (file, own) = match file::look(&path) {
        Ok(Found::Ours(text)) => {
            let same = options.render().is_ok_and(|new| apart_from_program(&new) == apart_from_program(&text));
            (if same { ServiceFile::Current } else { ServiceFile::Outdated }, Some(text))
        }
        Ok(Found::Foreign(_)) => (ServiceFile::Foreign, None),
        Ok(Found::Absent) | Err(_) => (ServiceFile::Absent, None),
    };
    let (manager, elsewhere) = match options.manager {
        Manager::Systemd => match ask(&systemd::showing()).and_then(|said| systemd::shown(&said)) {
            Some((managed, file)) => (Some(managed), file),
            None => (None, None),
        },
        Manager::Launchd => {
            // It fails where there is no such service as where it can't be asked.
            let loaded = ask(&launchd::printing()).is_some();
            (Some(Managed { known: loaded, enabled: loaded, active: loaded }), None)
        }
    };
    let text = own.or_else(|| fs::read_to_string(elsewhere.as_deref().unwrap_or(&path)).ok()).unwrap_or_default();
    let (program, search_path) = match options.manager {
        Manager::Systemd => systemd::parts(&text),
        Manager::Launchd => launchd::parts(&text),
    };
    Standing { path, file, manager, program: program.map(PathBuf::from).filter(|path: &PathBuf| Path::is_absolute(path)), search_path }
}

/// The text without the lines that depend on who installs it and how.
fn apart_from_program(text: &str) -> String {
    let mut rest = String::new();
    let mut skip = false;
    for line in super::without_path(text) {
        // The plist has an argument a line.
        skip = (skip || line.contains("<key>ProgramArguments</key>")) && !line.contains("</array>");
        if !skip && !line.starts_with("ExecStart=") {
            rest.push_str(line);
            rest.push('\n');
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(manager: Manager, exe: &Path) -> InstallOptions {
        InstallOptions {
            manager,
            dry_run: false,
            force: false,
            exe: exe.into(),
            arguments: vec!["--config".into(), "/x".into()],
            home: exe.parent().unwrap().into(),
            config_home: exe.parent().unwrap().join(".config"),
            path_env: "/a b%c:/bin".into(),
            kept: Vec::new(),
            removal: String::new(),
            packaged_in: Vec::new(),
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let exe = dir.path().join("my 100% credd");
        fs::write(&exe, "").unwrap();
        for manager in [Manager::Systemd, Manager::Launchd] {
            let options = options(manager, &exe);
            let look = || standing(&options, &|_| None);
            assert_eq!((look().file, look().program), (ServiceFile::Absent, None));
            file::write(&look().path, &options.render().unwrap()).unwrap();
            let found = look();
            assert_eq!(found.file, ServiceFile::Current, "{manager:?}");
            assert_eq!(found.program.as_deref(), Some(&*exe));
            assert_eq!(found.search_path.as_deref(), Some("/a b%c:/bin"));
            // Another program with other options has no other unit.
            let other = InstallOptions { exe: dir.path().join("other"), arguments: Vec::new(), ..options.clone() };
            fs::write(&other.exe, "").unwrap();
            assert_eq!(standing(&other, &|_| None).file, ServiceFile::Current);
            let text = fs::read_to_string(&found.path).unwrap();
            fs::write(&found.path, text.replace("on-failure", "always").replace("RunAtLoad", "RunNever")).unwrap();
            assert_eq!(look().file, ServiceFile::Outdated);
            fs::write(&found.path, "[Service]\n").unwrap();
            assert_eq!(look().file, ServiceFile::Foreign);
        }
    }

    #[test]
    fn what_systemd_says() {
        let said = "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nFragmentPath=/usr/lib/systemd/user/credd.service\n";
        let all = Managed { known: true, enabled: true, active: true };
        assert_eq!(systemd::shown(said).unwrap(), (all, Some("/usr/lib/systemd/user/credd.service".into())));
        let none = "LoadState=not-found\nUnitFileState=\nActiveState=inactive\nFragmentPath=\n";
        assert_eq!(systemd::shown(none).unwrap(), (Managed::default(), None));
        assert_eq!(systemd::shown(""), None);
    }
}
