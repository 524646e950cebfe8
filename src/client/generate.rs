//! `credd completions` and `credd man`: made from the command line's own definition.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;

use super::Failure;

/// Prints the completions of a shell.
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "credd", &mut script);
    std::io::stdout().lock().write_all(&script)?;
    Ok(0)
}

/// Writes a manual page for each command into `dir`.
pub fn man(dir: &Path, command: clap::Command) -> Result<u8, Failure> {
    let said = |error: std::io::Error| Failure::failed(format!("the manual pages can't be written to {}: {error}", dir.display()));
    DirBuilder::new().recursive(true).mode(0o755).create(dir).map_err(said)?;
    write_pages(dir, command).map_err(said)?;
    Ok(0)
}

/// Each page whole, by name: a symlink or a hard link in its place isn't written through, as it would be by `clap_mangen`'s
/// own way to write files.
fn write_pages(dir: &Path, command: clap::Command) -> io::Result<()> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut all = vec![command];
    while let Some(command) = all.pop() {
        all.extend(command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command);
        let mut file = AtomicWriteFile::options().preserve_mode(false).open(dir.join(page.get_filename()))?;
        // Whatever the umask: it is for all to read, and nobody else to write.
        file.as_file().set_permissions(Permissions::from_mode(0o644))?;
        page.render(&mut file)?;
        file.commit()?;
    }
    Ok(())
}
