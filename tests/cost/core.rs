//! How often the core allocates.

use allocation_counter::measure;

use crate::costs::hold;
use crate::crowd::Crowd;

/// Tables grow now and then: not every edit allocates the same.
const EDITS: u64 = 100;

#[test]
fn an_edit_allocates_alike_with_any_number_of_keys() {
    for keys in [10, 100, 1_000, 10_000] {
        let mut crowd = Crowd::started(keys);
        let count = measure(|| {
            for _ in 0..EDITS {
                assert!(crowd.edit() > 0);
            }
        });
        hold(&format!("allocations of an edit among {keys} keys"), count.count_total / EDITS);
        hold(&format!("bytes allocated for an edit among {keys} keys"), count.bytes_total / EDITS);
    }
}

#[test]
fn the_next_deadline_is_there() {
    let crowd = Crowd::started(10_000);
    let count = measure(|| assert!(crowd.machine.next_deadline().is_some()));
    hold("allocations of the next deadline", count.count_total);
}

#[test]
fn a_start_allocates_in_proportion() {
    for keys in [10, 1_000] {
        let mut crowd = Crowd::new(keys);
        let count = measure(|| crowd.start());
        hold(&format!("allocations of a start with {keys} keys"), count.count_total);
    }
}
