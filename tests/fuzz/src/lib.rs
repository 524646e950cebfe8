//! What the fuzz targets share.

pub mod outside;
pub mod plain;
pub mod reader;
pub mod shells;
