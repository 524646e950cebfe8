//! Ways of changing a file. Each is done three times: with the watcher looking on twice, so that it
//! is known to live on after the first, and once more before it looks.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use credd::watcher::Watcher;

use crate::rig::{Rig, block_on};

/// In an empty directory: `$F` is the file as configured (`env`), `$V` the value to assign (always
/// of the same length), `$N` the number of the edit, `$T` a directory for other files.
struct Way {
    name: &'static str,
    /// Programs that it needs besides a POSIX shell and coreutils.
    needs: &'static [&'static str],
    setup: &'static str,
    edit: &'static str,
}

const fn way(name: &'static str, edit: &'static str) -> Way {
    Way { name, needs: &[], setup: "line >env", edit }
}

impl Way {
    const fn needs(self, needs: &'static [&'static str]) -> Self {
        Self { needs, ..self }
    }

    const fn after(self, setup: &'static str) -> Self {
        Self { setup, ..self }
    }
}

/// For every script.
const PRELUDE: &str = r#"
set -eu
line() { printf 'export KEY="%s"\n' "$V"; }
py() { python3 -c "import os, sys, time, mmap, ctypes
F, V, N, T = os.environ['F'], os.environ['V'], os.environ['N'], os.environ['T']
line = 'export KEY=\"%s\"\n' % V
$1"; }
vi() { vim -u NONE -i NONE -N -n -es "$@" -c 'g/KEY=/s/"[^"]*"/"'"$V"'"/' -c wq "$F" </dev/null || test $? = 1; }
mac() { emacs -Q --batch --eval "(progn (setq backup-enable-predicate (lambda (_) t) make-backup-files t $1) (find-file \"$F\") (erase-buffer) (insert \"export KEY=$V\n\") (save-buffer))" 2>/dev/null; }
git_() { git -c user.name=t -c user.email=t@example.com -c init.defaultBranch=main "$@" >/dev/null 2>&1; }
"#;

const LINKED: &str = "mkdir real; line >real/env; ln -s real/env env";
const DATA: &str = "mkdir ..0; line >..0/env; ln -s ..0 ..data; ln -s ..data/env env";

#[rustfmt::skip]
const WAYS: &[Way] = &[
    way("vim", "vi").needs(&["vim"]),
    way("vim, backupcopy=no", "vi -c 'set backupcopy=no'").needs(&["vim"]),
    way("vim, backupcopy=yes", "vi -c 'set backupcopy=yes'").needs(&["vim"]),
    way("vim, backups kept", "vi -c 'set backup'").needs(&["vim"]),
    way("vim, nowritebackup", "vi -c 'set nobackup nowritebackup'").needs(&["vim"]),
    way("vim of a symlink", "vi").needs(&["vim"]).after(LINKED),
    way("vim of a symlink, breaking it", "vi -c 'set backupcopy=no,breaksymlink'").needs(&["vim"]).after(LINKED),
    way("vim in a terminal, with a swap file", r#"TERM=xterm script -qec "vim -u NONE -i NONE -N -c 'g/KEY=/s/=.*/=$V/' -c wq $F" /dev/null >/dev/null </dev/null"#).needs(&["vim", "script"]),
    way("nano in a terminal", r#"for pause in 1 2 4 8; do
        (sleep $pause; printf '\013export KEY=%s\n' "$V"; sleep $pause; printf '\017\r'; sleep $pause; printf '\030'; sleep $pause) \
            | TERM=xterm timeout 60 script -qec "nano --ignorercfiles $F" /dev/null >/dev/null || true
        ! grep -q "KEY=$V" env || break; done"#).needs(&["nano", "script"]),
    way("emacs", "mac 'backup-by-copying nil'").needs(&["emacs"]),
    way("emacs, backup by copying", "mac 'backup-by-copying t'").needs(&["emacs"]),
    way("emacs, precious", "mac 'file-precious-flag t'").needs(&["emacs"]),
    way("as VS Code does: truncate, then write", "py 'f = open(F, \"w\"); time.sleep(.05); f.write(line)'").needs(&["python3"]),
    way("sed -i", r#"sed -i "s/\".*\"/\"$V\"/" "$F""#),
    way("sed -i with a backup", r#"sed -i.bak "s/\".*\"/\"$V\"/" "$F""#),
    way("sed -i of a symlink", r#"sed -i "s/\".*\"/\"$V\"/" "$F""#).after(LINKED),
    way("sed -i --follow-symlinks", r#"sed -i --follow-symlinks "s/\".*\"/\"$V\"/" "$F""#).after(LINKED),
    way("perl -pi", r#"perl -pi -e 's/".*"/"$ENV{V}"/' "$F""#).needs(&["perl"]),
    way("perl -pi with a backup", r#"perl -pi.bak -e 's/".*"/"$ENV{V}"/' "$F""#).needs(&["perl"]),
    way(">>", "line >>env"),
    way("cat >", "line >$T/new; cat $T/new >env"),
    way("tee", "line | tee env >/dev/null"),
    way("one open, two writes 200 ms apart", "py 'f = open(F, \"w\"); f.write(line[:9]); f.flush(); time.sleep(.2); f.write(line[9:])'").needs(&["python3"]),
    way("one open, a pause beyond the quiet", "py 'f = open(F, \"w\"); f.write(line); f.flush(); time.sleep(.4); f.write(\"# done\\n\")'").needs(&["python3"]),
    way("two opens 200 ms apart", "printf 'export ' >env; sleep .2; line | cut -d' ' -f2 >>env"),
    way("truncate, 200 ms, write", "truncate -s0 env; sleep .2; line >>env"),
    way("os.replace", "py 'open(F + \".new\", \"w\").write(line); os.replace(F + \".new\", F)'").needs(&["python3"]),
    way("an unnamed file linked into place", "py 'f = os.open(\".\", os.O_TMPFILE | os.O_WRONLY); os.write(f, line.encode()); os.path.exists(F) and os.unlink(F); assert ctypes.CDLL(None).linkat(-100, b\"/proc/self/fd/%d\" % f, -100, b\"env\", 0x400) == 0'").needs(&["python3"]),
    way("mv from elsewhere", "line >$T/new; mv $T/new env"),
    way("mv from the same directory", "line >.env.new; mv .env.new env"),
    way("cp", "line >$T/new; cp $T/new env"),
    way("cp --remove-destination", "line >$T/new; cp --remove-destination $T/new env"),
    way("cp -p of an older file", "line >$T/new; touch -d 2020-01-01 $T/new; cp -p $T/new env"),
    way("mv of an older file", "line >$T/new; touch -d 2020-01-01 $T/new; mv $T/new env"),
    way("install", "line >$T/new; install -m600 $T/new env"),
    way("ln -f", "rm -f $T/new; line >$T/new; ln -f $T/new env"),
    way("RENAME_EXCHANGE", "line >other; py 'libc = ctypes.CDLL(None, use_errno=True); assert libc.renameat2(-100, b\"other\", -100, b\"env\", 2) == 0, ctypes.get_errno()'").needs(&["python3"]),
    way("tar", "mkdir -p $T/t; line >$T/t/env; tar -C $T/t -cf $T/t.tar env; tar -xf $T/t.tar"),
    way("patch", r#"{ echo '--- env'; echo '+++ env'; echo '@@ -1 +1 @@'; sed 's/^/-/' env; line | sed 's/^/+/'; } | patch -s env"#).needs(&["patch"]),
    way("ed", r#"printf '1c\n%s\n.\nw\nq\n' "$(line)" | ed -s env"#).needs(&["ed"]),
    way("dd conv=notrunc", "line | dd of=env conv=notrunc status=none"),
    way("mmap", "py 'f = open(F, \"r+b\"); m = mmap.mmap(f.fileno(), 0); f.close(); m[:] = line.encode(); time.sleep(.3); m.close()'").needs(&["python3"]),
    way("a hard link in another directory", "line >$T/hard").after("line >$T/hard; ln $T/hard env"),
    way("a hard link in another directory, in place", "line | dd of=$T/hard conv=notrunc status=none").after("line >$T/hard; ln $T/hard env"),
    way("touch, chmod, then >>", "touch env; chmod 600 env; line >>env; chmod 640 env"),
    way("unreadable for a moment", "chmod 0 env; line >$T/new; sleep .3; cat $T/new >env; chmod 600 env"),
    way("delete, 200 ms, recreate", "rm env; sleep .2; line >env"),
    way("moved away and back", "mv env away; sleep .3; line >away; mv away env"),
    way("a directory in its place for a moment", "rm env; mkdir env; sleep .3; rmdir env; line >env"),
    way("a FIFO in its place for a moment", "rm env; mkfifo env; sleep .3; rm env; line >env"),
    // Symlinks.
    way("symlink swap, ln -s and mv -T", "line >env$N; ln -s env$N link; mv -T link env").after("line >env0; ln -s env0 env"),
    way("symlink swap, ln -sfn", "line >env$N; ln -sfn env$N env").after("line >env0; ln -s env0 env"),
    way("symlink's target replaced by rename", "line >real/.new; mv real/.new real/env").after(LINKED),
    way("symlink's target written in place", "line >real/env").after(LINKED),
    way("symlink's target deleted and recreated", "rm real/env; sleep .3; line >real/env").after(LINKED),
    way("symlink's directory recreated", "rm -r real; sleep .3; mkdir real; line >real/env").after(LINKED),
    way("symlink's directory swapped", "mkdir new; line >new/env; mv real old$N; mv new real").after(LINKED),
    way("symlink to a file, file to a symlink", "if [ -L env ]; then rm env; line >env; else line >real$N; ln -sf real$N env; fi").after(LINKED),
    way("the middle of three links", "line >r$N; ln -sfn ../r$N b/two").after("mkdir a b; line >r0; ln -s ../r0 b/two; ln -s ../b/two a/one; ln -s a/one env"),
    way("the end of three links", "line >new; mv new r0").after("mkdir a b; line >r0; ln -s ../r0 b/two; ln -s ../b/two a/one; ln -s a/one env"),
    way("a circle for a moment", "rm env; ln -s other env; ln -s env other; sleep .3; rm env other; line >env"),
    way("Kubernetes' ..data", "mkdir ..$N; line >..$N/env; ln -s ..$N ..tmp; mv -T ..tmp ..data; rm -rf ..$((N-1))").after(DATA),
    way("in place behind ..data", "line >..data/env").after(DATA),
    way("a generation of Nix", "mkdir -p store/$N; line >store/$N/env; ln -sfn ../store/$N profile/current").after("mkdir -p store/0 profile; line >store/0/env; ln -s ../store/0 profile/current; ln -s profile/current/env env"),
    way("stow and unstow", "rm env; sleep .3; line >pack/env; ln -s pack/env env").after("mkdir pack; line >pack/env; ln -s pack/env env"),
    // Version control.
    way("git checkout", "git_ checkout -b b$N; line >env; git_ commit -am $N; git_ checkout main; git_ checkout b$N").needs(&["git"]).after("git_ init .; line >env; git_ add env; git_ commit -m 0"),
    way("git stash pop", "line >env; git_ stash; git_ stash pop").needs(&["git"]).after("git_ init .; line >env; git_ add env; git_ commit -m 0"),
    way("git reset --hard", "line >env; git_ commit -am $N; git_ reset --hard HEAD~1; git_ reset --hard 'HEAD@{1}'").needs(&["git"]).after("git_ init .; line >env; git_ add env; git_ commit -m 0"),
    way("git checkout of dotfiles behind a symlink", "cd dot; git_ checkout -b b$N; line >env; git_ commit -am $N; git_ checkout main; git_ checkout b$N").needs(&["git"]).after("mkdir dot; cd dot; git_ init .; line >env; git_ add env; git_ commit -m 0; cd ..; ln -s dot/env env"),
    way("rsync", "line >$T/new; rsync -I $T/new env").needs(&["rsync"]),
    way("rsync --inplace", "line >$T/new; rsync -I --inplace $T/new env").needs(&["rsync"]),
];

/// With the file two directories deeper, `a/b/env`.
#[rustfmt::skip]
const DEEP: &[Way] = &[
    way("directory renamed away, another in", "mkdir a/new; line >a/new/env; mv a/b a/old$N; mv a/new a/b"),
    way("directory deleted and recreated", "rm -r a/b; sleep .2; mkdir a/b; line >a/b/env"),
    way("directory deleted and recreated at once", "rm -r a/b; mkdir a/b; line >a/b/env"),
    way("two directories deleted and recreated", "rm -r a; sleep .2; mkdir -p a/b; line >a/b/env"),
    way("two directories deleted and recreated at once", "rm -r a; mkdir -p a/b; line >a/b/env"),
    way("upper directory swapped", "mkdir -p n/b; line >n/b/env; mv a old$N; mv n a"),
    way("directories exchanged", "mkdir -p n/b; line >n/b/env; py 'libc = ctypes.CDLL(None); assert libc.renameat2(-100, b\"n\", -100, b\"a\", 2) == 0'; rm -r n").needs(&["python3"]),
    way("directory moved away and back", "mv a/b a/c; sleep .3; line >a/c/env; mv a/c a/b"),
    way("directory becomes a symlink", "mkdir real$N; line >real$N/env; rm -rf a/b; ln -s ../real$N a/b"),
    way("upper symlink swapped", "mkdir -p r$N/b; line >r$N/b/env; ln -sfn r$N new; mv -T new a").after("mkdir -p r0/b; line >r0/b/env; ln -s r0 a"),
    way("a file in the directory's place for a moment", "rm -r a/b; touch a/b; sleep .3; rm a/b; mkdir a/b; line >a/b/env"),
    way("os.replace in it", "line >a/b/new; mv a/b/new a/b/env"),
    way("first of all created", "rm -rf a; sleep .3; mkdir a; mkdir a/b; line >a/b/env").after(""),
    way("unpacked", "mkdir -p $T/t/a/b; line >$T/t/a/b/env; tar -C $T/t -cf $T/t.tar a; rm -rf a; tar -xf $T/t.tar").after(""),
];

#[test]
fn no_way_of_editing_is_missed() {
    every(WAYS, "env", "");
}

#[test]
fn no_way_of_replacing_directories_is_missed() {
    every(DEEP, "a/b/env", "mkdir -p a/b; line >a/b/env");
}

fn every(ways: &'static [Way], file: &'static str, setup: &'static str) {
    let queue: Mutex<VecDeque<&Way>> = Mutex::new(ways.iter().collect());
    let failures = Mutex::new(Vec::new());
    let (seen, skipped) = (Mutex::new(0), Mutex::new(Vec::new()));
    // They wait for quiet most of the time.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(way) = lock(&queue).pop_front() {
                    if way.needs.iter().any(|program| !installed(program)) {
                        lock(&skipped).push(way.name);
                        continue;
                    }
                    let setup = match way.setup {
                        "line >env" if !setup.is_empty() => setup,
                        own => own,
                    };
                    match block_on(three_times(way, file, setup)) {
                        Ok(()) => *lock(&seen) += 1,
                        Err(error) => lock(&failures).push(format!("{}: {error}", way.name)),
                    }
                }
            });
        }
    });
    eprintln!("{} ways seen; skipped {:?}", lock(&seen), lock(&skipped));
    let failures = lock(&failures).join("\n");
    assert!(failures.is_empty(), "\n{failures}");
}

async fn three_times(way: &'static Way, file: &str, setup: &'static str) -> Result<(), String> {
    let rig = Rig::new();
    let home = rig.path("home");
    for directory in ["home", "elsewhere"] {
        std::fs::create_dir(rig.path(directory)).unwrap();
    }
    let path = home.join(file);
    run(setup, &home, &path, 0)?;
    let mut watcher = Watcher::new(vec![path.clone()]);
    for number in 1..=3 {
        let (home, file) = (home.clone(), path.clone());
        let edit = tokio::task::spawn_blocking(move || run(way.edit, &home, &file, number));
        let value = value(number);
        let seen = if number < 3 {
            let (done, seen) = tokio::join!(edit, rig.sees(&mut watcher, &path, &value));
            done.unwrap()?;
            seen
        } else {
            edit.await.unwrap()?;
            rig.sees(&mut watcher, &path, &value).await
        };
        seen.map_err(|error| format!("edit {number}: {error}"))?;
    }
    Ok(())
}

fn value(number: u32) -> String {
    format!("value-{number:03}")
}

fn run(script: &str, home: &Path, file: &Path, number: u32) -> Result<(), String> {
    let output = Command::new("bash")
        .arg("-c")
        .arg(format!("{PRELUDE}\n{script}"))
        .current_dir(home)
        .env("F", file)
        .env("T", home.with_file_name("elsewhere"))
        .env("V", value(number))
        .env("N", number.to_string())
        .env("HOME", home)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("the edit itself failed ({}): {said}", output.status))
    }
}

fn installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\" >/dev/null"]).arg(program).status();
    found.is_ok_and(|status| status.success())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
