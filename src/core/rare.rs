//! What few keys have.

use std::ops::{Deref, DerefMut};

/// A type whose values are mostly as they were made.
pub trait Unset: Default + 'static {
    /// As it is made.
    const UNSET: &'static Self;
}

/// Something that takes no room until it is written to: of ten thousand keys, few are made or minted here.
#[derive(Debug)]
pub struct Rare<T>(Option<Box<T>>);

impl<T> Rare<T> {
    /// To change what is set; what isn't stays so.
    pub fn if_set(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Unset> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::UNSET)
    }
}

impl<T: Unset> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}
