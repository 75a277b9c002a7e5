//! `firstline serve` and `firstline demo`: the two that run a gateway.

use super::{Demo, Serve, show};
use crate::app::{self, Places};
use crate::config::{self, Settings};
use crate::demo;
use anyhow::anyhow;
use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub(super) fn serve(asked: Serve) -> anyhow::Result<bool> {
    log("info,ort=warn", asked.log_json);
    let mut settings = settings(asked.config.as_deref())?;
    if let Some(address) = asked.listen {
        settings
            .listen_on(address)
            .map_err(|problem| anyhow!("{problem}"))?;
    }
    settings.server.anonymous_confirmed = asked.allow_anonymous;
    settings
        .refuse_open()
        .map_err(|problem| anyhow!("{problem}"))?;
    let places = places();
    runtime()?.block_on(async {
        let app = app::build(settings, asked.config, &places)?;
        let handle = app.handle();
        let scheme = if handle.tls { "https" } else { "http" };
        show::line(&format!(
            "listening on {scheme}://{}  (OpenAI base URL: {scheme}://{}/v1)",
            handle.api, handle.api
        ));
        let scheme = match handle.admin == handle.api {
            true => scheme,
            false => "http",
        };
        show::line(&format!(
            "health and metrics on {scheme}://{}",
            handle.admin
        ));
        let lost = app.run(asked_to_end()).await;
        if lost > 0 {
            show::error(&format!("{lost} records could not be saved"));
        }
        Ok(lost == 0)
    })
}

pub(super) fn demo(asked: Demo) -> anyhow::Result<bool> {
    // The table says what happened; only what should not have happened is logged beside it.
    log("error", false);
    let places = places();
    let folder = asked.folder.unwrap_or_else(|| places.demo());
    runtime()?.block_on(async {
        let running = demo::start(&folder, &places).await?;
        let outcome = running.converse(&show::line).await;
        if asked.keep && outcome.is_ok() {
            show::line(&running.where_to_reach());
            asked_to_end().await;
        }
        show::line(&running.stop().await?);
        outcome
    })
}

/// The file's settings, or the built-in ones.
pub(super) fn settings(file: Option<&Path>) -> anyhow::Result<Settings> {
    let loaded = match file {
        Some(file) => config::load(file, &config::process_environment),
        None => config::defaults(&config::process_environment),
    };
    loaded.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow!("the configuration is not valid\n{}", lines.join("\n"))
    })
}

/// The usual places, with the operator's own ONNX Runtime and cache folder where the environment names them.
pub(super) fn places() -> Places {
    let environment = &config::process_environment;
    Places::usual(environment("ORT_DYLIB_PATH").map(Into::into)).keeping_in(config::user_folder(
        environment,
        "XDG_CACHE_HOME",
        ".cache",
    ))
}

/// On one core a second scheduler thread only costs wake-ups, so there the runtime has one thread and no work stealing.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1) {
        return Ok(tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?);
    }
    Ok(tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?)
}

/// Logs to standard error at `usual`, or as `FIRSTLINE_LOG` says (`debug`, `warn,firstline=info`, …).
fn log(usual: &str, json: bool) {
    let level = config::process_environment("FIRSTLINE_LOG");
    let filter = level
        .and_then(|level| EnvFilter::try_new(level).ok())
        .unwrap_or_else(|| EnvFilter::new(usual));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second subscriber cannot be set; the first one stays, which is what is wanted.
    let _ = if json {
        lines.json().try_init()
    } else {
        lines.try_init()
    };
}

/// Ends at SIGINT or SIGTERM.
fn asked_to_end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupt, terminate) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    );
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
