//! What the daemon does with hints, in small: wait for quiet, read, and look again only when told.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use credd::core::{FileBody, Finding};
use credd::salt::Salt;
use credd::watcher::{Hint, Watcher};
use credd::worker::job::FileQuery;
use credd::worker::read::read;
use tempfile::TempDir;

/// As the contract says.
const QUIET: Duration = Duration::from_millis(250);

/// Longer than anything takes, even on a busy machine.
pub const LONG: Duration = Duration::from_mins(1);

/// A directory to edit in, and the salt.
pub struct Rig {
    pub directory: TempDir,
    salt: Salt,
}

impl Rig {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        std::fs::create_dir(&state).unwrap();
        let salt = Salt::load_or_create(&state).unwrap();
        Self { directory, salt }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a worker reports of the file.
    pub fn read(&self, path: &Path) -> FileBody {
        let query = FileQuery { path: path.to_owned(), variables: vec!["KEY".to_owned()] };
        read(&query, &self.salt, b"/home/u").body
    }

    /// Whether the file, read with care, assigns this value.
    pub fn holds(&self, path: &Path, value: &str) -> bool {
        match self.read(path) {
            FileBody::Read(contents) => match &contents.variables[0].finding {
                Finding::Present(key) => key.fingerprint == self.salt.fingerprint(value.as_bytes()),
                _ => false,
            },
            _ => false,
        }
    }

    /// Goes by hints alone until the value is seen in the file; an error after [`LONG`].
    pub async fn sees(&self, watcher: &mut Watcher, path: &Path, value: &str) -> Result<(), String> {
        let mut hints = 0;
        let seen = async {
            loop {
                hint_at(watcher, path).await;
                hints += 1;
                while tokio::time::timeout(QUIET, hint_at(watcher, path)).await.is_ok() {
                    hints += 1;
                }
                if self.holds(path, value) {
                    break;
                }
            }
        };
        let seen = tokio::time::timeout(LONG, seen).await;
        seen.map_err(|_| {
            let body = self.read(path);
            format!("not seen after {hints} hints; now there is {body:?}")
        })
    }
}

/// Waits for a hint at this file.
pub async fn hint_at(watcher: &mut Watcher, path: &Path) {
    loop {
        if let Hint::Files(files) = watcher.next().await
            && files.iter().any(|file| file == path)
        {
            return;
        }
    }
}

/// The next hint, or a failed test.
pub async fn next(watcher: &mut Watcher) -> Hint {
    tokio::time::timeout(LONG, watcher.next()).await.expect("a hint")
}

/// Runs like the daemon: one thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
