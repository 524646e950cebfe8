//! The command lines of all processes, at the price of one small file each.

use std::fs::File;
use std::io::{self, Read};

use rustix::fs::{Dir, Mode, OFlags, openat};

/// What most command lines fit in; the kernel's own limit is 6 MiB (execve(2)).
const USUAL: usize = 16 * 1024;

/// Shows the process id and the arguments of every process that has any, of whichever user: who it belongs to
/// takes a second file, and `/proc/PID` itself doesn't tell, since that of a process that made itself
/// undumpable is root's (proc(5)).
///
/// Kernel threads and zombies have no arguments, and a process that ends meanwhile, or that this user may not
/// see (`hidepid`), is left out. The error is of listing processes at all.
pub fn each_command_line(see: &mut dyn FnMut(i32, &[&[u8]])) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, Mode::empty())?;
    let mut text = Vec::with_capacity(USUAL);
    for entry in Dir::read_from(&proc)? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().ok().and_then(|name| name.parse().ok()) else { continue };
        let Ok(file) = openat(&proc, format!("{pid}/cmdline"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else { continue };
        text.clear();
        // `take`: without it, its size would be asked after first, which is 0.
        if File::from(file).take(u64::MAX).read_to_end(&mut text).is_err() || text.is_empty() {
            continue;
        }
        let argv: Vec<&[u8]> = text.strip_suffix(b"\0").unwrap_or(&text).split(|byte| *byte == 0).collect();
        see(pid, &argv);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumers::sys::Held;

    #[test]
    fn this_very_process_has_the_arguments_that_it_has() {
        let own = i32::try_from(std::process::id()).unwrap();
        let mut seen = Vec::new();
        each_command_line(&mut |pid, argv| {
            if pid == own {
                seen.push(argv.iter().map(|argument| argument.to_vec()).collect::<Vec<_>>());
            }
        })
        .unwrap();
        assert_eq!(seen, [Held::open(own).unwrap().argv().unwrap()]);
    }
}
