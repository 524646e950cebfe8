//! `credd install` where a package brought program and unit.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the error handling")]

use std::fs;
use std::path::{Path, PathBuf};

use credd::service::Manager;

use crate::place::Place;
use crate::{ACTIVE, ENABLE, RELOAD, RESTART};

const DISABLE: &str = "systemctl --user disable --now credd.service";
const ENABLED: &str = "systemctl --user is-enabled credd.service";

/// A place with a package's unit that starts `program`, or its own.
fn place(program: Option<&str>) -> (Place, PathBuf) {
    let mut place = Place::new(Manager::Systemd);
    let dir = place.options.home.join("lib");
    fs::create_dir(&dir).unwrap();
    let unit = dir.join("credd.service");
    let program = program.map_or_else(|| place.options.exe.clone(), PathBuf::from);
    fs::write(&unit, format!("[Service]\nExecStart={} run\n", program.display())).unwrap();
    place.options.packaged_in = vec![place.options.home.join("nowhere"), dir];
    (place, unit)
}

fn in_units(place: &Place, name: &str) -> PathBuf {
    place.options.config_home.join("systemd/user").join(name)
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn the_package_s_unit_is_used_and_only_added_to() {
    let (mut place, unit) = place(None);
    let drop_in = in_units(&place, "credd.service.d/10-credd-install.conf");
    let out = place.install().unwrap();
    assert!(out.contains(&format!("Wrote {}", drop_in.display())), "{out}");
    assert!(!in_units(&place, "credd.service").exists());
    assert!(text_of(&drop_in).contains("\nEnvironment=\"PATH="), "{}", text_of(&drop_in));
    assert!(!text_of(&drop_in).contains("ExecStart"), "{}", text_of(&drop_in));
    assert_eq!(place.commands(), [RELOAD, ENABLE, RESTART, ACTIVE]);
    assert!(place.install().unwrap().contains("nothing to do"));

    place.options.arguments = vec!["--config".to_owned(), "/x".to_owned()];
    place.install().unwrap();
    assert!(text_of(&drop_in).contains("\nExecStart=\nExecStart=\""), "{}", text_of(&drop_in));

    place.forget();
    let out = place.uninstall().unwrap();
    assert!(!drop_in.parent().unwrap().exists() && unit.exists());
    assert!(out.contains(&format!("Left where it is: {}", unit.display())), "{out}");
    assert_eq!(place.commands()[..2], [DISABLE, RELOAD]);
}

#[test]
fn a_unit_of_one_s_own_gives_way_to_the_package_s_and_comes_back() {
    let (mut place, _unit) = place(None);
    let (own, drop_in) = (in_units(&place, "credd.service"), in_units(&place, "credd.service.d/10-credd-install.conf"));
    let packaged_in = std::mem::take(&mut place.options.packaged_in);
    place.install().unwrap();
    assert!(own.exists());

    place.options.packaged_in = packaged_in;
    place.options.dry_run = true;
    let out = place.install().unwrap();
    assert!(out.contains(&format!("Would remove {}", own.display())) && own.exists(), "{out}");
    place.options.dry_run = false;
    place.install().unwrap();
    assert!(!own.exists() && drop_in.exists());

    place.options.packaged_in.clear();
    place.install().unwrap();
    assert!(own.exists() && !drop_in.exists());
    // With both there is nothing of either left.
    fs::create_dir_all(drop_in.parent().unwrap()).unwrap();
    fs::write(&drop_in, "# Installed by credd\n").unwrap();
    fs::write(drop_in.with_file_name("mine.conf"), "").unwrap();
    place.uninstall().unwrap();
    assert!(!own.exists() && !drop_in.exists() && drop_in.with_file_name("mine.conf").exists());
}

#[test]
fn another_s_unit_before_the_package_s_stays_unless_forced() {
    let (mut place, _unit) = place(None);
    let own = in_units(&place, "credd.service");
    fs::create_dir_all(own.parent().unwrap()).unwrap();
    // What `systemctl --user mask credd` leaves.
    std::os::unix::fs::symlink("/dev/null", &own).unwrap();
    for refusal in [place.install(), place.uninstall()] {
        let refusal = refusal.unwrap_err();
        assert!(refusal.contains("--force"), "{refusal}");
    }
    assert!(own.is_symlink() && place.commands().is_empty());
    place.options.force = true;
    place.install().unwrap();
    assert!(!own.is_symlink());
}

#[test]
fn a_package_of_another_program_is_none_of_ours() {
    let (place, _unit) = place(Some("/usr/bin/credd"));
    place.install().unwrap();
    assert!(in_units(&place, "credd.service").exists());
}

#[test]
fn what_was_enabled_by_hand_is_disabled() {
    let (mut place, unit) = place(None);
    place.options.dry_run = true;
    let out = place.uninstall().unwrap();
    assert!(out.contains(&format!("Would run: {DISABLE}")), "{out}");
    place.options.dry_run = false;
    place.forget();
    let out = place.uninstall().unwrap();
    assert!(out.contains("credd is stopped"), "{out}");
    assert_eq!(place.commands()[..2], [ENABLED, DISABLE]);

    place.manager_says("case $* in *is-*) exit 1 ;; esac");
    place.forget();
    let out = place.uninstall().unwrap();
    assert_eq!(out, format!("{} isn't enabled: nothing to do.\n", unit.display()));
    assert_eq!(place.commands(), [ENABLED, ACTIVE]);
}
