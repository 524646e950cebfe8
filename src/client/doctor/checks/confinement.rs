//! Whether the kernel can take from the process that talks to Bedrock what it doesn't need.

use crate::client::doctor::finding::Finding;
use crate::client::doctor::situation::Situation;
use crate::probe;

/// One that can't be started is told where a key is asked after.
pub(super) fn check(_: &Situation) -> Vec<Finding> {
    let lacking = probe::unconfined().ok().flatten();
    lacking.iter().map(|lacking| finding(lacking)).collect()
}

fn finding(lacking: &str) -> Finding {
    let message = format!("the process that talks to Bedrock keeps rights that it doesn't need: this kernel has {lacking}");
    Finding::info(
        "not-confined",
        &message,
        "nothing has to be done; Linux from 5.13 on has both, where landlock is among its security modules",
    )
}
