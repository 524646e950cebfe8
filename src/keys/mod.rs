//! What is known of keys themselves.

mod anatomy;

pub use anatomy::anatomy;
