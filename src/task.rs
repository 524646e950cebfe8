//! Tasks of the runtime, all of one type: what tokio builds around a future, it builds for each type of them.

use std::future::Future;
use std::pin::Pin;

use tokio::task::{AbortHandle, JoinHandle};

/// [`tokio::spawn`].
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    let task: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(task);
    tokio::spawn(task)
}

/// [`tokio::task::spawn_local`].
pub fn spawn_local(task: impl Future<Output = ()> + 'static) -> AbortHandle {
    let task: Pin<Box<dyn Future<Output = ()>>> = Box::pin(task);
    tokio::task::spawn_local(task).abort_handle()
}
