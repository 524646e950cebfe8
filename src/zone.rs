//! The local time zone.

use std::fs;
use std::path::Path;

use jiff::tz::TimeZone;

/// Where zones are kept (tzset(3)).
const ZONES: &str = "/usr/share/zoneinfo";
/// The machine's own (localtime(5)).
const LOCAL: &str = "/etc/localtime";

/// The local time zone as it is now.
///
/// [`TimeZone::system`] looks for the zone's name in jiff's database, which begins by listing every zone of the machine: forty
/// directories, two thirds of all that `credd status` did, and 60 KB for as long as the process lives. Nobody
/// here asks for the name.
pub fn local() -> TimeZone {
    read(std::env::var_os("TZ").as_deref().map(Path::new)).unwrap_or_else(TimeZone::system)
}

fn read(named: Option<&Path>) -> Option<TimeZone> {
    let path = match named {
        None => Path::new(LOCAL).to_owned(),
        // `:`, rules and absolute paths are jiff's to read.
        Some(name) => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
            let name = name.to_str().filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_plain))?;
            Path::new(ZONES).join(name)
        }
    };
    TimeZone::tzif("local", &fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_zone_is_the_one_that_jiff_knows() {
        for name in ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "Etc/GMT-3"] {
            let (ours, theirs) = (read(Some(Path::new(name))).unwrap(), TimeZone::get(name).unwrap());
            // Before the table of the file, in it, and after it, where its rule counts.
            for second in [-3_000_000_000, 1_700_000_000, 1_720_000_000, 4_000_000_000, 4_015_000_000] {
                let time = Timestamp::from_second(second).unwrap();
                assert_eq!(ours.to_offset(time), theirs.to_offset(time), "{name} {time}");
            }
        }
    }

    #[test]
    fn what_is_no_plain_name_is_left_to_jiff() {
        for name in ["", ":Europe/Berlin", "/etc/localtime", "CET-1CEST,M3.5.0,M10.5.0/3", "../passwd", "Nowhere/Land"] {
            assert!(read(Some(Path::new(name))).is_none(), "{name}");
        }
    }

    #[test]
    fn the_machine_has_one() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert_eq!(read(None).unwrap_or(TimeZone::UTC).to_offset(now), TimeZone::system().to_offset(now));
    }
}
