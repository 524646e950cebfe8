//! Makes release builds for Linux a fifth smaller, by what only the linker can leave out.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=packaging/link/no-unwind-tables.ld");
    if set("PROFILE") != "release" || set("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    // musl's own start-up files refer to the tables, and a static program needs nothing of what follows.
    if set("CARGO_CFG_TARGET_ENV") == "musl" {
        return;
    }
    // Unwind tables: a release build aborts on a panic and has no symbols, so nothing but a backtrace of bare
    // addresses would read them. rustc makes them all the same, since the target asks for them, and a profile
    // can't say otherwise. Tests unwind, and keep theirs. GNU ld and LLD both take the script.
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/packaging/link/no-unwind-tables.ld", set("CARGO_MANIFEST_DIR"));
    // Relocations in three bits rather than 24 bytes each, where the C library knows the form (glibc 2.36).
    if set("HOST") == set("TARGET") && set("CARGO_CFG_TARGET_ENV") == "gnu" && glibc() >= Some((2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Functions that came out alike are kept once. GNU ld can't do that, so only where rustc brings LLD, which it then uses
    // unless it is told otherwise.
    if set("TARGET") == "x86_64-unknown-linux-gnu" && brings_lld() {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all,-O2");
    }
    // The unwinder, of which next to nothing is left without tables, from the compiler's archive: loading libgcc_s.so
    // for it takes a tenth of the time that `credd status` does. Since GCC 14 it holds what asks the dynamic loader for
    // thread-local storage, and GNU ld, having read the C library before, wouldn't find that.
    if let Some(archive) = unwinder() {
        println!("cargo::rustc-link-arg-bins=-Wl,--whole-archive,{archive},--no-whole-archive,-lc");
    }
}

/// Where GCC keeps `libgcc_eh.a`; GCC and Clang know.
fn unwinder() -> Option<String> {
    let said = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output().ok()?;
    let path = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    // Where there is none, the bare name comes back.
    (set("HOST") == set("TARGET") && Path::new(&path).is_absolute()).then_some(path)
}

/// Whether rustc has a linker of its own, and isn't given another.
fn brings_lld() -> bool {
    let said = Command::new(set("RUSTC")).args(["--print", "target-libdir"]).output();
    let own = said.ok().and_then(|said| Some(Path::new(String::from_utf8(said.stdout).ok()?.trim()).parent()?.join("bin/gcc-ld/ld.lld")));
    // `-Clinker=…`, `-C link-arg=…` and their like; not a path that has such a word in it.
    let flags = set("CARGO_ENCODED_RUSTFLAGS");
    let is_told = flags.split('\x1f').any(|flag| flag.trim_start_matches("-C").trim_start().starts_with("link"));
    own.is_some_and(|own| own.exists()) && set("RUSTC_LINKER").is_empty() && !is_told
}

fn set(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The version of this machine's glibc: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
