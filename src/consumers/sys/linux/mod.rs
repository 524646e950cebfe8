//! Linux: `/proc`, pidfds, and the user's systemd.

mod bus;
mod command_lines;
mod held;
mod procfs;
mod run_by;
mod share;
mod sockets;
mod spec_file;
mod streams;
mod trace;
mod traits;

pub use bus::{Bus, Unit};
pub use command_lines::each_command_line;
pub use held::{Held, descendants, is_native, is_stopped, leads_session, resident};
pub use run_by::{container_of, is_in_unit, run_by};
pub use share::Shared;
pub use sockets::{Listener, is_anybody_on, listener_of, listeners, shares_network, squatted};
pub use spec_file::{own_program, spec_file, wipe};
pub use streams::{Streams, log_path};
pub use trace::{Traced, await_bind};
pub use traits::traits;
