//! Why the service could not be installed or removed.

use std::io;
use std::path::PathBuf;

/// Why the service could not be installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The program, or one of its options, can't be named in a service file.
    #[error("{what} can't be run as a service: {why}. Put it elsewhere and run credd install again")]
    Unfit {
        /// The program or the option.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The service's file is somebody else's.
    #[error(
        "{} was not written by credd ({why}). Move it away, or run the command again with --force",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// How that was told.
        why: &'static str,
    },
    /// A unit's drop-in of our name is somebody else's.
    #[error("{} was not written by credd ({why}), and has the name of credd's own: give it another", path.display())]
    ForeignDropIn {
        /// The file.
        path: PathBuf,
        /// How that was told.
        why: &'static str,
    },
    /// A drop-in can't name its file of variables.
    #[error("{} has characters in its path that EnvironmentFile= can't hold", path.display())]
    UnfitPath {
        /// The file of variables.
        path: PathBuf,
    },
    /// The service's file can't be read, written or removed.
    #[error("{}: {source}. Check the directory's owner and permissions", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// The file is there, but there is nobody to start the service.
    #[error("{} is written, but {reason}. {next}", path.display())]
    NotStarted {
        /// The file.
        path: PathBuf,
        /// What is missing.
        reason: String,
        /// What to do.
        next: String,
    },
    /// The service manager refused.
    #[error("{command} failed: {said}. {next}")]
    Manager {
        /// What was asked.
        command: String,
        /// Its own words.
        said: String,
        /// What to do.
        next: String,
    },
    /// Nobody reads what we say.
    #[error(transparent)]
    Output(#[from] io::Error),
}
