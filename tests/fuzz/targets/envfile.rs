//! The env-file reader: whatever the bytes, what it says is about them, and the same each time; and what it claims of
//! files that can be run without harm, bash and zsh have.
#![no_main]

use credd::envfile::read;
use credd_fuzz::reader::checked;
use credd_fuzz::shells::{HOME, compare};

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let reading = checked(file);
    let again = read(file, HOME.as_bytes());
    assert!(reading.differences(&again).is_empty() && reading.defect() == again.defect(), "the same each time");
    assert!(reading.style() == again.style() && reading.unfinished() == again.unfinished());
    // A comment in front changes no more than the lines' numbers. A byte order mark is one at the start alone.
    if !file.starts_with(b"\xef\xbb\xbf") {
        let moved = checked(&[b"#\n", file].concat());
        assert!(reading.differences(&moved).is_empty(), "a comment in front changes nothing");
        assert!(reading.defect().map(|(reason, line)| (reason, line + 1)) == moved.defect());
    }
    compare(file, &reading);
});
