//! Reading and writing of which the first fault is kept: between two documents serde makes words of it.

use std::io::{self, Read, Write};

/// A reader or writer, and why it failed.
pub struct Noted<T> {
    inner: T,
    fault: Option<io::Error>,
}

impl<T> Noted<T> {
    /// Nothing has failed yet.
    pub fn new(inner: T) -> Self {
        Self { inner, fault: None }
    }

    /// Why it failed, if it did.
    pub fn into_fault(self) -> Option<io::Error> {
        self.fault
    }

    fn note<V>(&mut self, result: io::Result<V>) -> io::Result<V> {
        result.inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                self.fault.get_or_insert_with(|| error.kind().into());
            }
        })
    }
}

impl<T: Read> Read for Noted<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.inner.read(buffer);
        self.note(result)
    }
}

impl<T: Write> Write for Noted<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.note(result)
    }
}
