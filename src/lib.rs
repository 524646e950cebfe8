//! placeholder
pub mod envfile;
