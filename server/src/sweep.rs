//! Retention of the pipe's topics, run beside the stages.

use std::sync::Arc;
use std::time::Duration;

use pipeline::retention::Retention;
use schemas::{Role, Topic};

use crate::workers::Ground;

/// How often what everybody has read is looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// Removes what everybody has read, for as long as the process lives.
pub(crate) async fn sweep(ground: Ground, topics: Vec<Topic>, archives: bool, keep_ms: u64) {
    let retention = Arc::new(std::sync::Mutex::new(Retention::new(keep_ms)));
    loop {
        tokio::time::sleep(SWEEP).await;
        let (ground, topics, retention) = (ground.clone(), topics.clone(), Arc::clone(&retention));
        let swept = tokio::task::spawn_blocking(move || {
            // A deployment without an archive has no archive to wait for.
            let readers = |topic: Topic| {
                let of = topic.readers().iter().copied();
                of.filter(|role| archives || *role != Role::Archive)
                    .collect()
            };
            let mut retention = retention
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            let mono = ground.clock.now().mono;
            let broker = ground.broker.as_ref();
            let shards = broker.shards();
            pipeline::retention::sweep(broker, shards, &topics, &readers, &mut retention, mono)
        });
        match swept.await {
            Ok(Ok(cut)) => tracing::debug!(cut, "partitions cut"),
            Ok(Err(error)) => tracing::warn!(%error, "retention; trying again"),
            Err(error) => tracing::error!(%error, "retention"),
        }
    }
}
