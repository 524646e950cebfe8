//! When to ask again.

use std::time::Duration;

use super::finding::{Finding, Retry};
use crate::core::{ProbeManner, ProbeVerdict};

/// For a key that was just put into its file, in all: AWS makes a new one known everywhere within seconds.
pub(super) const FRESH: Duration = Duration::from_mins(1);

/// Before the second try of all others.
const SECOND_TRY: Duration = Duration::from_secs(2);

/// The pause before the next try, after so many; `None` once the finding stands.
pub(super) fn pause(manner: ProbeManner, tries: u32, elapsed: Duration, finding: &Finding) -> Option<Duration> {
    if finding.retry == Retry::Useless {
        return None;
    }
    match manner {
        ProbeManner::First if finding.verdict == ProbeVerdict::Rejected => None,
        ProbeManner::Fresh | ProbeManner::First => {
            let pause = Duration::from_secs(1 << tries.saturating_sub(1).min(3));
            (elapsed + pause < FRESH).then_some(pause)
        }
        ProbeManner::Scheduled | ProbeManner::Asked => (tries == 1 && finding.verdict == ProbeVerdict::Unreachable).then_some(SECOND_TRY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [u64; 0] = [];
    const ONCE: [u64; 1] = [2];

    fn pauses(manner: ProbeManner, verdict: ProbeVerdict, retry: Retry) -> Vec<u64> {
        let finding = Finding::new(verdict, retry, "");
        let mut elapsed = Duration::ZERO;
        (1..).map_while(|tries| pause(manner, tries, elapsed, &finding).inspect(|pause| elapsed += *pause)).map(|p| p.as_secs()).collect()
    }

    #[test]
    fn a_fresh_key_gets_a_minute() {
        use ProbeVerdict::{Rejected, Unreachable};
        let growing = [1, 2, 4, 8, 8, 8, 8, 8, 8];
        assert_eq!(pauses(ProbeManner::Fresh, Rejected, Retry::Key), growing);
        assert_eq!(pauses(ProbeManner::Fresh, Unreachable, Retry::Endpoint), growing);
        assert_eq!(pauses(ProbeManner::Fresh, Rejected, Retry::Useless), NEVER);
    }

    #[test]
    fn of_an_older_key_a_rejection_counts_at_once() {
        let growing = [1, 2, 4, 8, 8, 8, 8, 8, 8];
        assert_eq!(pauses(ProbeManner::First, ProbeVerdict::Rejected, Retry::Key), NEVER);
        assert_eq!(pauses(ProbeManner::First, ProbeVerdict::Unreachable, Retry::Endpoint), growing);
    }

    #[test]
    fn others_are_asked_after_once_and_an_outage_twice() {
        use ProbeVerdict::{Rejected, Unknown, Unreachable, Works};
        for manner in [ProbeManner::Scheduled, ProbeManner::Asked] {
            assert_eq!(pauses(manner, Rejected, Retry::Key), NEVER);
            assert_eq!(pauses(manner, Unreachable, Retry::Endpoint), ONCE);
            assert_eq!(pauses(manner, Unreachable, Retry::Key), ONCE);
            assert_eq!(pauses(manner, Works, Retry::Useless), NEVER);
            assert_eq!(pauses(manner, Unknown, Retry::Useless), NEVER);
        }
    }
}
