//! Serving, and ending in good order.

use super::build::App;
use super::looks;
use crate::config::ServerSettings;
use crate::inference::{DecoderThreads, Workers};
use crate::server::{
    self, ConnectionLimits, Gate, GateLimits, RequestLimits, Site, Stop, Surface, Tls,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::Signal;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

impl App {
    /// Serves until `shutdown` is done, then ends in order: no new connections, readiness says no, open answers get the
    /// grace period, the rest is cut, models are let go, records and telemetry are flushed.
    ///
    /// Gives the number of records that could not be saved.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> usize {
        let tasks = TaskTracker::new();
        let stop = Stop {
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        };
        self.listen(&tasks, &stop);
        let ask = self.reloader.as_ref().and_then(|reloader| reloader.ask());
        if let Some((hangups, ask)) = self.hangups.take().zip(ask) {
            tasks.spawn(on_hangup(hangups, ask, stop.drain.clone()));
        }
        let stores = std::mem::take(&mut self.stores).run();
        tasks.spawn(looks::look(
            self.upstream.clone(),
            self.local_servers.clone(),
            self.readiness.clone(),
            stop.drain.clone(),
        ));
        let upstream = self.upstream.clone();
        let tending = async move { upstream.tend().await };
        tasks.spawn(stop.drain.clone().run_until_cancelled_owned(tending));
        self.readiness.set_ready();
        shutdown.await;
        self.readiness.set_draining();
        tracing::info!(grace = ?self.settings.drain, "draining");
        stop.drain.cancel();
        tasks.close();
        if tokio::time::timeout(self.settings.drain, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                open = tasks.len(),
                "the grace period is over; open answers are cut"
            );
            stop.abort.cancel();
            // Tasks end at their next step once they are told to.
            let _ = tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await;
        }
        stores.finish().await;
        self.finish().await
    }

    fn listen(&mut self, tasks: &TaskTracker, stop: &Stop) {
        let limits = connection_limits(&self.settings);
        let gate = Gate::new(gate_limits(&self.settings), self.metrics.clone());
        let site = |surface, metrics| Site {
            pipeline: self.pipeline.clone(),
            readiness: self.readiness.clone(),
            metrics,
            surface,
            limits: request_limits(&self.settings),
            gate: gate.clone(),
            seal_key: self.seal_key.clone(),
        };
        let own_admin = self.admin.is_some();
        let api = site(Surface::Api, self.metrics.clone().filter(|_| !own_admin));
        let admin = site(Surface::Admin, self.metrics.clone());
        let start = |listener: TcpListener, tls: Option<Tls>, site: Site| {
            tasks.spawn(server::serve(
                (listener, tls),
                site,
                limits,
                stop.clone(),
                tasks.clone(),
            ));
        };
        if let Some(listener) = self.admin.take() {
            start(listener, None, admin);
        }
        if let Some(listener) = self.api.take() {
            start(listener, self.tls.take(), api);
        }
    }

    async fn finish(self) -> usize {
        let Self {
            pipeline,
            threads,
            engine_threads,
            handoff,
            keeper,
            export,
            reloader,
            ..
        } = self;
        // Joining threads and writing files would block the async threads, so both are done on one of their own.
        let (done, wait) = tokio::sync::oneshot::channel();
        let work = move || {
            drop(reloader);
            drop(pipeline);
            threads.into_iter().for_each(Workers::join);
            engine_threads.into_iter().for_each(DecoderThreads::join);
            handoff.finish();
            let lost = keeper.finish();
            // The keeper held the other handle and is gone.
            if let Some(export) = export.and_then(Arc::into_inner) {
                export.shutdown();
            }
            let _ = done.send(lost);
        };
        match std::thread::Builder::new()
            .name("shutdown".into())
            .spawn(work)
        {
            Ok(_) => wait.await.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "could not end in order");
                0
            }
        }
    }
}

fn connection_limits(settings: &ServerSettings) -> ConnectionLimits {
    ConnectionLimits {
        max_connections: settings.max_connections,
        header_timeout: settings.header_timeout,
    }
}

fn gate_limits(settings: &ServerSettings) -> GateLimits {
    GateLimits {
        max_in_flight: settings.max_in_flight,
        max_wait: settings.max_wait,
    }
}

fn request_limits(settings: &ServerSettings) -> RequestLimits {
    RequestLimits {
        max_body_bytes: settings.max_body_bytes,
        body_timeout: settings.body_timeout,
        debug_headers: settings.debug_headers,
    }
}

/// SIGHUP asks for a look at the files now.
async fn on_hangup(
    mut hangups: Signal,
    ask: std::sync::mpsc::SyncSender<()>,
    drain: CancellationToken,
) {
    loop {
        tokio::select! {
            hangup = hangups.recv() => if hangup.is_none() { return },
            () = drain.cancelled() => return,
        }
        // A look that is already asked for will see this change too.
        let _ = ask.try_send(());
    }
}
