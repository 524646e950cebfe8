//! The life of a key as a bar.

use crate::protocol::{KeyStanding, KeyStatus};

/// So many cells, those that are over filled, with a mark where its first alert is; `None` where there is no life to
/// show.
pub(super) fn bar(key: &KeyStatus, cells: usize, unicode: bool) -> Option<String> {
    let (age, left) = (key.age_days?, key.days_left?);
    let life = age + left;
    if life <= 0.0 || !matches!(key.state, KeyStanding::Ok | KeyStanding::Due | KeyStanding::Expired) {
        return None;
    }
    let mark = key.first_alert_at.zip(key.issued_at).map(|(at, issued)| at.duration_since(issued).as_secs_f64() / 86_400.0);
    #[expect(clippy::cast_precision_loss, reason = "as many as a line has")]
    let most = cells as f64;
    let place = |days: f64| (days / life).clamp(0.0, 1.0) * most;
    // Ages are rounded: a mark on the edge of a cell is in the one that begins there.
    let (done, mark) = (place(age), mark.map(|mark| (place(mark) + 1e-3).min(most - 0.5)));
    let (full, rest, tick) = if unicode { ('━', '─', '┃') } else { ('=', '-', '|') };
    let mut bar = String::new();
    let mut cell = 0.0;
    while cell < most {
        bar.push(if mark.is_some_and(|mark| cell <= mark && mark < cell + 1.0) {
            tick
        } else if cell + 0.5 <= done {
            full
        } else {
            rest
        });
        cell += 1.0;
    }
    Some(bar)
}
