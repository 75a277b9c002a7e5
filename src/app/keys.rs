//! Keys made and revoked: a file of digests, changed whole or not at all.

use crate::config::{self, KeyEntry};
use crate::domain::{KeyDigest, Moment};
use anyhow::{Context, anyhow, bail};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What tells a key of ours from others, in a leak too.
const PREFIX: &str = "fl-";
/// 256 bits: nobody guesses it, so a plain digest of it gives nothing away.
const SECRET_BYTES: usize = 32;

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The caller in the config that it is for.
    pub caller: String,
    /// What it may be used to ask for; empty for all that its caller may.
    pub models: Vec<String>,
    /// When it ends; `None` when its caller does.
    pub expires: Option<Moment>,
}

/// A key that was made. The only place where its text ever is.
pub struct MadeKey {
    /// What it is called where it is listed and revoked.
    pub id: Arc<str>,
    /// The key itself.
    pub key: String,
    /// The file that holds its digest.
    pub file: PathBuf,
}

/// A config whose file of keys is being changed by nobody else.
struct Held {
    settings: config::Settings,
    file: PathBuf,
    entries: Vec<KeyEntry>,
    _lock: File,
}

/// Makes a key, keeps its digest, and gives the key itself, once.
///
/// # Errors
/// The caller is not in the config, or the key would let somebody do what its caller may not.
pub fn create_key(config: &Path, wanted: &NewKey) -> anyhow::Result<MadeKey> {
    let mut held = Held::of(config, true)?;
    refuse_more(&held.settings, wanted)?;
    let key = new_key()?;
    let digest = KeyDigest(Sha256::digest(key.as_bytes()).into());
    let id: Arc<str> = format!("k-{}", &digest.hex()[..12]).into();
    let models = (!wanted.models.is_empty()).then(|| {
        let names = wanted.models.iter();
        names.map(|name| Arc::from(name.as_str())).collect()
    });
    held.entries.push(KeyEntry {
        id: id.clone(),
        caller: wanted.caller.as_str().into(),
        digest,
        created: Some(crate::pipeline::now()),
        models,
        expires: wanted.expires,
    });
    let file = held.save()?;
    Ok(MadeKey { id, key, file })
}

/// Takes a key away; it lets nobody in once the gateway has read the file.
///
/// # Errors
/// No key of the file has that id.
pub fn revoke_key(config: &Path, id: &str) -> anyhow::Result<PathBuf> {
    let mut held = Held::of(config, false)?;
    let before = held.entries.len();
    held.entries.retain(|entry| &*entry.id != id);
    if held.entries.len() == before {
        bail!("no key is called `{id}`; `firstline keys list` shows those there are");
    }
    held.save()
}

/// The keys of a config's file, and whether each one's caller is in the config.
///
/// # Errors
/// The config cannot be read, or names no file of keys.
pub fn list_keys(config: &Path) -> anyhow::Result<Vec<(KeyEntry, bool)>> {
    let settings = load(config)?;
    let file = settings.keys.clone().ok_or_else(no_file)?;
    let known = |name: &str| {
        let mut callers = settings.policy.callers.iter();
        callers.any(|caller| &*caller.name == name)
    };
    let entries = entries(&file)?;
    Ok(entries
        .into_iter()
        .map(|entry| {
            let is_known = known(&entry.caller);
            (entry, is_known)
        })
        .collect())
}

impl Held {
    /// `begin` makes the file where there is none yet.
    fn of(config: &Path, begin: bool) -> anyhow::Result<Self> {
        let file = config::keys_file(config).ok_or_else(no_file)?;
        let lock = lock(&file)?;
        if begin && !file.exists() {
            write(&file, &config::keys_text(&[]))?;
        }
        let settings = load(config)?;
        // What a symlink leads to is replaced, and not the symlink.
        let file = fs::canonicalize(&file).with_context(|| format!("{}", file.display()))?;
        let entries = entries(&file)?;
        Ok(Self {
            settings,
            file,
            entries,
            _lock: lock,
        })
    }

    fn save(self) -> anyhow::Result<PathBuf> {
        write(&self.file, &config::keys_text(&self.entries))?;
        Ok(self.file)
    }
}

/// Refuses a key that would let somebody do more than its caller may.
fn refuse_more(settings: &config::Settings, wanted: &NewKey) -> anyhow::Result<()> {
    let callers = &settings.policy.callers;
    let caller = callers.iter().find(|rule| *rule.name == *wanted.caller);
    let Some(caller) = caller else {
        let names: Vec<&str> = callers.iter().map(|rule| &*rule.name).collect();
        bail!(
            "no caller is called `{}`; the config has {}",
            wanted.caller,
            names.join(", ")
        );
    };
    let models = &settings.policy.models;
    for name in &wanted.models {
        let is_there =
            name == crate::policy::AUTO || models.iter().any(|model| model.answers_to(name));
        let allowed = caller.models.as_ref();
        if !is_there || allowed.is_some_and(|allowed| !allowed.contains(name.as_str())) {
            bail!(
                "`{}` may not ask for `{name}`, so no key of it may",
                caller.name
            );
        }
    }
    if let (Some(end), Some(wanted)) = (caller.expires, wanted.expires)
        && wanted > end
    {
        bail!(
            "`{}` ends at {end}, so no key of it can end later",
            caller.name
        );
    }
    Ok(())
}

fn new_key() -> anyhow::Result<String> {
    let mut secret = [0; SECRET_BYTES];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| anyhow!("this machine gives no random numbers"))?;
    Ok(format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(secret)))
}

fn load(config: &Path) -> anyhow::Result<config::Settings> {
    config::load(config, &config::process_environment).map_err(in_words)
}

fn entries(file: &Path) -> anyhow::Result<Vec<KeyEntry>> {
    config::read_keys(file).map_err(in_words)
}

fn in_words(problems: Vec<config::Problem>) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow!("the configuration is not valid\n{}", lines.join("\n"))
}

fn no_file() -> anyhow::Error {
    anyhow!("the config names no file for keys; add `keys: {{file: keys.yaml}}`")
}

/// Two who change the file at the same time wait for one another. Ends when what is returned is dropped.
fn lock(file: &Path) -> anyhow::Result<File> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let lock = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    lock.lock()?;
    Ok(lock)
}

/// Writes beside the file, to the disk, and only then in its place: a reader sees the old one or the new one.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let say = || format!("cannot write {}", beside.display());
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut new = options.open(&beside).with_context(say)?;
    if let Ok(old) = fs::metadata(file) {
        new.set_permissions(old.permissions()).with_context(say)?;
    }
    new.write_all(text.as_bytes()).with_context(say)?;
    new.sync_all().with_context(say)?;
    fs::rename(&beside, file).with_context(|| format!("cannot replace {}", file.display()))
}
