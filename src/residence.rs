//! Gives memory back to the system.
//!
//! A program keeps what it has touched once: the pages of its own file that ran at the start, the heap that a burst of
//! events took, the stack as deep as it ever was. An agent that waits for weeks needs none of that while it waits.
#![expect(unsafe_code, reason = "madvise(2) and malloc_trim(3) have no safe wrappers; audited here, a call each")]

use std::ffi::c_void;
use std::ops::Range;
use std::sync::OnceLock;

use rustix::mm::{Advice, madvise};

/// What can be given back of the program and its libraries: found once, at a time when the loader alone has mapped files.
static PAGES: OnceLock<Box<[Range<usize>]>> = OnceLock::new();

/// How far below the caller the stack is given back. It has been some 80 KB deep when a daemon comes to rest; every thread
/// that Rust starts has 2 MB.
const STACK: usize = 256 << 10;
/// What is left below the caller, for what it calls until the kernel is entered. (A signal's frame comes after that.)
const STACK_IN_USE: usize = 4 << 10;

/// Gives back the free parts of the heap, what the stack had below the caller, and those pages of the program and its
/// libraries that can be had from their files again: a page fault each (from the page cache, a microsecond or less) when
/// they are next needed.
pub fn give_back() {
    // First, since it takes heap and stack.
    let of_the_file = PAGES.get_or_init(|| of_the_file(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default()));
    #[cfg(target_env = "gnu")]
    // SAFETY: it touches nothing but malloc's own free memory, under malloc's lock.
    unsafe {
        libc::malloc_trim(0);
    }
    give_back_stack();
    // Nothing is freed behind the calls: what runs then brings its own pages back.
    for pages in of_the_file {
        // SAFETY: the range is a private mapping of a file, not writable and without a page of its own (Anonymous: 0), so
        // each page is the file's, and a read of it after this call gives what one before would have given. The loader
        // made it, and nothing in this program unloads a library or ends a mapping of a file. (A panic's backtrace does,
        // and aborts.)
        let _ = unsafe { madvise(std::ptr::without_provenance_mut::<c_void>(pages.start), pages.len(), Advice::LinuxDontNeed) };
    }
}

/// Below the stack there may be nothing yet: the kernel then skips that, and says so (`ENOMEM`, madvise(2)).
fn give_back_stack() {
    let page = rustix::param::page_size();
    let here = 0_u8;
    let end = ((&raw const here).addr() - STACK_IN_USE) / page * page;
    // SAFETY: no frame of this thread lies there; what is put there later begins with being written. Nor does anything else:
    // the range is within the stack, or in the megabyte below it that the kernel keeps free for it to grow into.
    let _ = unsafe { madvise(std::ptr::without_provenance_mut::<c_void>(end - STACK), STACK, Advice::LinuxDontNeed) };
}

/// The mappings of files that can't be written and have no changed pages (`proc_pid_smaps(5)`).
fn of_the_file(maps: &str) -> Box<[Range<usize>]> {
    let mut found = Vec::new();
    let mut candidate = None;
    for line in maps.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            // Of what was relocated once and is read-only since, pages are changed.
            ["Anonymous:", "0", ..] => found.extend(candidate.take()),
            [addresses, rights, _, _, _, path, ..] if addresses.contains('-') => {
                let is_the_file = path.starts_with('/') && rights.ends_with('p') && !rights.contains('w');
                candidate = range(addresses).filter(|_| is_the_file);
            }
            [addresses, ..] if addresses.contains('-') => candidate = None,
            _ => {}
        }
    }
    found.into()
}

fn range(addresses: &str) -> Option<Range<usize>> {
    let (start, end) = addresses.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
1000-3000 r--p 00000000 fe:00 31 /usr/bin/credd
Rss:                   8 kB
Anonymous:             0 kB
VmFlags: rd mr mw me sd
3000-9000 r-xp 00002000 fe:00 31 /usr/bin/credd
Anonymous:             0 kB
9000-a000 r--p 00008000 fe:00 31 /usr/bin/credd
Anonymous:             4 kB
a000-b000 rw-p 00009000 fe:00 31 /usr/bin/credd
Anonymous:             0 kB
b000-c000 r--p 00000000 00:00 0
Anonymous:             0 kB
c000-d000 r--p 00000000 00:00 0 [vvar]
Anonymous:             0 kB
d000-e000 r--s 00000000 fe:00 33 /var/shared
Anonymous:             0 kB
";

    #[test]
    fn only_what_the_file_can_give_again_is_given_back() {
        assert_eq!(*of_the_file(MAPS), [0x1000..0x3000, 0x3000..0x9000]);
    }

    /// Other tests of this process panic on purpose, and their backtraces map files and end that again.
    #[test]
    fn all_is_there_again_when_it_is_needed() {
        let own = std::env::current_exe().unwrap();
        let ran = std::process::Command::new(own).args(["--exact", "--ignored", "residence::tests::given_back_alone"]).output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
    }

    /// Goes deep, and then counts what the stack holds.
    #[test]
    fn a_stack_that_was_deep_is_given_back() {
        #[inline(never)]
        fn deep(levels: usize) -> usize {
            let room = std::hint::black_box([1_u8; 4096]);
            if levels == 0 { room.len() } else { deep(levels - 1) + usize::from(std::hint::black_box(room)[levels % room.len()]) }
        }
        let held = || {
            let here = 0_u8;
            let address = (&raw const here).addr();
            let maps = std::fs::read_to_string("/proc/thread-self/smaps").unwrap();
            let mut lines =
                maps.lines().skip_while(|line| !line.split(' ').next().and_then(range).is_some_and(|range| range.contains(&address)));
            let rss = lines.find_map(|line| line.strip_prefix("Rss:")).unwrap();
            rss.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
        };
        std::hint::black_box(deep(40));
        let before = held();
        give_back_stack();
        assert!(before >= 160 && held() + 100 <= before, "{before} KB, then {} KB", held());
    }

    #[test]
    #[ignore = "run by the test above"]
    fn given_back_alone() {
        let before: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        for _ in 0..3 {
            give_back();
            assert!(before.iter().enumerate().all(|(n, text)| *text == n.to_string()));
        }
    }
}
