//! A file, whole: the sections in the order in which they need each other.

use super::known::word;
use super::problem::{Problem, Report};
use super::reader::{Section, Value};
use super::secrets::Secrets;
use super::settings::{Settings, Source};
use super::tree::{self, Kind, MAX_BYTES, Node};
use super::{
    callers, cost, human, keys, latency, models, modes, privacy, reach, route, server, topics,
};
use crate::domain::Day;
use crate::policy;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Every key at the top of a file.
const KEYS: &[&str] = &[
    "version",
    "name",
    "listen",
    "limits",
    "debug_headers",
    "encoder",
    "topics",
    "models",
    "callers",
    "keys",
    "guard",
    "privacy",
    "routes",
    "cost",
    "latency",
    "quality",
    "human",
    "cache",
    "upstream",
    "records",
    "telemetry",
    "shadow",
    "canary",
    "mode",
    "shadow_route",
];

/// Reads a config file. Paths in it start at its own folder; `environment` answers for environment variables.
///
/// # Errors
/// Every mistake in the file, in the order of its lines.
pub fn load(
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<Problem>> {
    load_as(Standing::Alone, path, environment)
}

/// Whether a file stands for itself, and may name others to stand beside it, or is one of those.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Alone,
    Beside,
}

pub(super) fn load_as(
    standing: Standing,
    path: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<Problem>> {
    let text = read(path).map_err(|(message, remedy)| {
        let report = Report::new(path);
        report.error(None, "", message, Some(remedy.to_owned()));
        report.into_problems()
    })?;
    parse_as(standing, &text, path, environment)
}

/// Reads the text of a config file that is, or might be, at `file`.
///
/// # Errors
/// Every mistake in the text, in the order of its lines.
pub fn parse(
    text: &str,
    file: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<Problem>> {
    parse_as(Standing::Alone, text, file, environment)
}

fn parse_as(
    standing: Standing,
    text: &str,
    file: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Vec<Problem>> {
    let report = Report::new(file);
    match parse_into(standing, &report, text, file, environment) {
        Some(settings) if report.is_empty() => Ok(settings),
        Some(_) | None => Err(report.into_problems()),
    }
}

/// What could be read of a text; what is wrong with it is in the report.
pub(super) fn parse_into(
    standing: Standing,
    report: &Report,
    text: &str,
    file: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Settings> {
    match tree::parse(text) {
        Ok(node) => {
            let digest = Sha256::digest(text.as_bytes()).into();
            let secrets = Secrets::new(file, environment);
            document(report, &node).map(|root| {
                let mut settings = settings(&root, &secrets, report, digest, file);
                modes::read(&root, standing, &secrets, report, &mut settings);
                settings
            })
        }
        Err(malformed) => {
            let remedy = Some(malformed.remedy.to_owned());
            report.error(malformed.line, "", malformed.message, remedy);
            None
        }
    }
}

/// A text file of bounded size, or why not and what would be right.
pub(super) fn read(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| {
        (
            format!("the file cannot be read: {}", error.kind()),
            "check the path and its permissions",
        )
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // One byte more than is allowed shows that it is too large; the rest of a huge file is never read.
    file.take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_BYTES / 1024);
        return Err((message, "is this the config file?"));
    }
    String::from_utf8(bytes)
        .map_err(|_| ("the file is not UTF-8 text".to_owned(), "save it as UTF-8"))
}

fn document<'a>(report: &'a Report, node: &'a Node) -> Option<Section<'a>> {
    if let Kind::Null = node.kind {
        let remedy = "start with `version: 1`, `name: my-policy` and `models:`";
        report.error(None, "", "the file is empty", Some(remedy.to_owned()));
        return None;
    }
    Value::root(node, report).section(KEYS)
}

fn settings(
    root: &Section<'_>,
    secrets: &Secrets<'_>,
    report: &Report,
    digest: [u8; 32],
    file: &Path,
) -> Settings {
    let name = head(root);
    let models = models::read(root, secrets);
    let keys = keys::read(root, secrets, report);
    let mut callers = callers::read(root, &models, secrets, &keys);
    let budgets = std::mem::take(&mut callers.budgets);
    let server = server::server(root, callers.names.len(), secrets);
    let (encoder, signals_deadline) = server::encoder(root, secrets);
    let topics = topics::read(root, secrets, report);
    let guard = route::guard(root);
    let privacy = privacy::read(root);
    let known = latency::Known {
        models: &models.names,
        classes: &privacy.classes,
    };
    let mut routes = route::read(root, known, &callers.names);
    let (cost, shared_budgets) = cost::read(root, &name, &callers, budgets, secrets);
    cost::refuse_unpriced(root, &cost, &models);
    let (deadline, mut latency) = latency::read(root, known);
    let of_routes = routes
        .iter_mut()
        .flat_map(|route| route.latency.hedge.iter_mut());
    for hedge in of_routes.chain([&mut latency.hedge]).flatten() {
        models.spread(&mut hedge.to);
    }
    for route in &mut routes {
        models.spread(&mut route.models);
    }
    let (quality, promise) = route::quality(root, secrets);
    let (human, handoff) = human::read(root, secrets);
    human::refuse_unanswered(root, human.as_ref(), &quality, &routes);
    let (cache_rule, cache) = server::cache(root, &privacy, secrets);
    let upstream = server::upstream(root);
    let (records, records_required) = server::records(root, secrets);
    let telemetry = server::telemetry(root, secrets);
    let settings = Settings {
        policy: policy::Settings {
            stamp: policy::Stamp::new(&name, &short(&digest)),
            models: models.models,
            callers: callers.rules,
            privacy,
            guard,
            routes,
            cost,
            deadline,
            latency,
            signals_deadline,
            quality,
            human,
            cache: cache_rule,
            records_required,
        },
        model_paths: models.paths,
        keys: keys.file,
        desks: models.desks,
        prices: models.prices,
        engines: models.engines,
        handoff: Arc::new(handoff),
        promise,
        shadow_route: None,
        shadow: None,
        canary: None,
        server,
        encoder,
        topics,
        cache,
        shared_budgets,
        upstream,
        records,
        telemetry,
        digest,
        source: Source {
            file: file.to_owned(),
            lines: root.value().lines(),
        },
    };
    // Half-read rules would be accused of what the missing half says.
    if report.is_empty() {
        // No statement has ended on this day: what has is `lapsed`, for whoever knows the date.
        let unlawful = reach::unlawful(&settings, Day(0));
        unlawful.into_iter().for_each(|problem| report.add(problem));
    }
    settings
}

/// The version, which has to be one we know, and the name.
fn head(root: &Section<'_>) -> Arc<str> {
    if let Some(version) = root.required("version", "1")
        && version
            .whole(1..=u32::MAX)
            .is_some_and(|version| version != 1)
    {
        version.wrong(
            "this version of the language is not known",
            "write `version: 1`",
        );
    }
    let name = root.required("name", "my-policy");
    name.and_then(|value| word(&value))
        .unwrap_or_else(|| "".into())
}

fn short(digest: &[u8; 32]) -> String {
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
