//! What the desk model made of approved texts, kept: a reload or a start reads only texts that are new.
//!
//! A file of the user's cache folder holds it between runs, readable by its owner alone. It has no text, but directions,
//! which tell much of a text, under the digest of each. Whatever is wrong with the file, its texts are read anew.

use crate::domain::Closely;
use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of a text, or of a whole file.
type Digest = [u8; blake3::OUT_LEN];

/// What stands first in the file. A change of its form changes this.
const FORM: &[u8] = b"firstline readings 1\n";

/// Texts that the file keeps at the most; where there are more, only those stay that were read last.
const KEPT: usize = 20_000;

/// The readings of one model. A handle, cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Readings {
    file: Option<PathBuf>,
    known: Arc<Mutex<HashMap<Digest, Closely>>>,
}

impl Readings {
    /// Those that `folder` has of a model with this digest; none are kept beyond the process where there is no folder.
    pub(super) fn of(model: &str, folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join(format!("desk-{model}.readings")));
        let known = file.as_deref().map(stored).unwrap_or_default();
        Self {
            file,
            known: Arc::new(Mutex::new(known)),
        }
    }

    /// The reading of a text, where it is known.
    pub(super) fn get(&self, text: &str) -> Option<Closely> {
        self.known().get(&digest(text)).cloned()
    }

    /// Keeps new readings. A file that cannot be written is said and does no other harm.
    pub(super) fn keep<'a>(&self, new: impl Iterator<Item = (&'a str, &'a Closely)>) {
        let new: HashMap<Digest, Closely> = new
            .map(|(text, reading)| (digest(text), reading.clone()))
            .collect();
        if new.is_empty() {
            return;
        }
        self.known().extend(new.clone());
        let Some(file) = &self.file else { return };
        if let Err(error) = self.write(file, new) {
            tracing::warn!(file = %file.display(), %error, "what was read of approved texts is not kept for the next start");
        }
    }

    /// Another process may have written since: what it kept stays, as far as there is room.
    fn write(&self, file: &Path, new: HashMap<Digest, Closely>) -> io::Result<()> {
        let mut all = self.known().clone();
        all.extend(stored(file));
        if all.len() > KEPT {
            all = new;
        }
        if let Some(folder) = file.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let beside = file.with_extension(format!("{}.new", process::id()));
        let mut options = File::options();
        options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&beside)?.write_all(&in_bytes(&all))?;
        fs::rename(beside, file)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Digest, Closely>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn digest(text: &str) -> Digest {
    *blake3::hash(text.as_bytes()).as_bytes()
}

/// The form, the digest of all that follows; then for each text its digest, the length of its reading, the reading.
fn in_bytes(readings: &HashMap<Digest, Closely>) -> Vec<u8> {
    let mut rest = Vec::new();
    for (digest, reading) in readings {
        let reading = reading.to_bytes();
        // A reading has some kilobytes.
        let length = u32::try_from(reading.len()).unwrap_or(u32::MAX);
        rest.extend_from_slice(digest);
        rest.extend_from_slice(&length.to_le_bytes());
        rest.extend_from_slice(&reading);
    }
    [FORM, blake3::hash(&rest).as_bytes(), &rest].concat()
}

/// What a file holds; nothing where there is none, or it is not as it was written.
fn stored(file: &Path) -> HashMap<Digest, Closely> {
    let Ok(bytes) = fs::read(file) else {
        return HashMap::new();
    };
    whole(&bytes).unwrap_or_else(|| {
        tracing::info!(file = %file.display(), "what was read of approved texts is damaged or of another form; they are read anew");
        HashMap::new()
    })
}

fn whole(bytes: &[u8]) -> Option<HashMap<Digest, Closely>> {
    let (said, mut rest) = bytes.strip_prefix(FORM)?.split_first_chunk::<32>()?;
    if blake3::hash(rest).as_bytes() != said {
        return None;
    }
    let mut readings = HashMap::new();
    while let Some((digest, behind)) = rest.split_first_chunk::<32>() {
        let (length, behind) = behind.split_first_chunk::<4>()?;
        let (reading, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        readings.insert(*digest, Closely::from_bytes(reading)?);
        rest = behind;
    }
    rest.is_empty().then_some(readings)
}

#[cfg(test)]
#[path = "readings_tests.rs"]
mod tests;
