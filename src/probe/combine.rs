//! What the issuer and the consumers said, as one verdict.

use super::finding::Finding;
use crate::core::{ConsumerProbe, ProbeReport, ProbeVerdict};

/// The direct answer counts where there is one; consumers decide where there is none, and raise a doubt
/// where they say otherwise.
pub(super) fn combine(direct: Finding, consumers: Vec<ConsumerProbe>) -> ProbeReport {
    use ProbeVerdict::{Denied, Rejected, Unknown, Unreachable, Works};
    let who_said = |verdict| consumers.iter().find(|consumer| consumer.verdict == verdict).map(|consumer| consumer.consumer.as_str());
    let (verdict, detail) = match (direct.verdict, who_said(Works), who_said(Rejected)) {
        (Rejected, Some(name), _) => {
            (Unknown, format!("it works through {name}, but the probe says: {}; check endpoint and region", direct.detail))
        }
        (Unreachable | Unknown, Some(name), _) => (Works, format!("it works through {name}; asked directly: {}", direct.detail)),
        (Unreachable, None, Some(name)) => (Rejected, format!("Bedrock refuses it through {name}; asked directly: {}", direct.detail)),
        (Works | Denied | Rejected | Unreachable | Unknown, ..) => (direct.verdict, direct.detail),
    };
    ProbeReport { verdict, detail, consumers }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Retry;
    use super::*;
    use crate::core::ConsumerName;

    #[test]
    fn every_combination() {
        use ProbeVerdict::{Denied, Rejected, Unknown, Unreachable, Works};
        for (direct, consumers, expected) in [
            (Works, &[][..], Works),
            (Works, &[Rejected], Works),
            (Works, &[Unreachable], Works),
            (Denied, &[Works], Denied),
            (Denied, &[Rejected], Denied),
            (Rejected, &[], Rejected),
            (Rejected, &[Rejected], Rejected),
            (Rejected, &[Unreachable], Rejected),
            (Rejected, &[Unknown], Rejected),
            (Rejected, &[Unknown, Works], Unknown),
            (Unreachable, &[], Unreachable),
            (Unreachable, &[Works], Works),
            (Unreachable, &[Rejected, Works], Works),
            (Unreachable, &[Rejected], Rejected),
            (Unreachable, &[Unreachable], Unreachable),
            (Unreachable, &[Unknown], Unreachable),
            (Unknown, &[], Unknown),
            (Unknown, &[Works], Works),
            (Unknown, &[Rejected], Unknown),
            (Unknown, &[Unreachable], Unknown),
        ] {
            let said = consumers
                .iter()
                .map(|verdict| ConsumerProbe { consumer: ConsumerName::from("litellm"), verdict: *verdict, detail: String::new() })
                .collect();
            let report = combine(Finding::new(direct, Retry::Useless, "directly"), said);
            assert_eq!(report.verdict, expected, "{direct:?} {consumers:?}");
            assert_eq!(report.detail == "directly", direct == expected, "{}", report.detail);
            assert_eq!(report.consumers.len(), consumers.len());
        }
    }
}
