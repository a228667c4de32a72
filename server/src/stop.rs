//! That the process is to end.

use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Told once, heard by everybody.
#[derive(Clone)]
pub(crate) struct Stop(Arc<tokio::sync::watch::Sender<bool>>);

impl Stop {
    /// Told by nobody yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(tokio::sync::watch::Sender::new(false)))
    }

    pub(crate) fn stop(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn stopped(&self) {
        let mut heard = self.0.subscribe();
        // An error would mean that nobody can stop us any more; `self` holds a sender.
        if heard.wait_for(|stopped| *stopped).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// From its return on no signal ends the process at once.
pub(crate) fn stop_on_signals(stop: Stop) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("interrupted: draining"),
        }
        stop.stop();
    });
    Ok(())
}
