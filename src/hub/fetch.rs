//! One file: fetched from where it broke off, checked, and only then given its name.

use super::HubError;
use super::digest::{Found, Running, Stated};
use super::pull::{Progress, PulledFile};
use super::remote::{Hub, in_words};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file to fetch: where it is, and what it must be.
pub(super) struct Wanted<'a> {
    pub(super) repository: &'a str,
    pub(super) commit: &'a str,
    pub(super) name: &'a str,
    pub(super) to: &'a Path,
    pub(super) bytes: u64,
    pub(super) digest: &'a Stated,
}

/// A file on its way: what has come, and its digests.
struct Part {
    path: PathBuf,
    file: File,
    have: u64,
    running: Running,
}

/// Tries in a row that bring nothing new before it is given up.
const MOST_TRIES: u32 = 4;

/// The wait before the second try; the third waits twice as long, and so on.
const WAIT: Duration = Duration::from_millis(250);

/// Folder of files on their way, in the target folder, so that a rename is enough.
pub(super) const PARTIAL: &str = ".partial";

/// Fetches a file into `folder`, unless it is there already.
pub(super) async fn fetch(
    hub: &Hub,
    wanted: &Wanted<'_>,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PulledFile, HubError> {
    let target = folder.join(wanted.to);
    if let Some(found) = digests_of(&target, wanted.bytes)?
        && wanted.digest.differs(&found).is_none()
    {
        return Ok(pulled(wanted, found));
    }
    let mut part = Part::open(&folder.join(PARTIAL).join(part_name(wanted)), wanted.bytes)?;
    let mut tries = 0;
    while part.have < wanted.bytes {
        let before = part.have;
        let Err(reason) = more(hub, wanted, &mut part, progress).await? else {
            continue;
        };
        tries = if part.have > before { 1 } else { tries + 1 };
        if tries >= MOST_TRIES {
            return Err(HubError::BrokeOff {
                file: target,
                have: part.have,
                of: wanted.bytes,
                reason,
            });
        }
        tokio::time::sleep(WAIT * tries).await;
    }
    let found = part.finish(wanted, &target)?;
    Ok(pulled(wanted, found))
}

/// Reads on until the file is whole, or the connection breaks: then the inner result says why.
async fn more(
    hub: &Hub,
    wanted: &Wanted<'_>,
    part: &mut Part,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Result<(), String>, HubError> {
    let opened = hub
        .open(wanted.repository, wanted.commit, wanted.name, part.have)
        .await;
    let mut opened = match opened {
        Ok(opened) => opened,
        // A hub that is out of order for a moment, or a connection that fails, is worth another try.
        Err(HubError::Answer { reason, .. }) => return Ok(Err(reason)),
        Err(error) => return Err(error),
    };
    if opened.from == 0 && part.have > 0 {
        part.begin_again(wanted.bytes)?;
    }
    loop {
        match opened.response.chunk().await {
            Ok(Some(piece)) => {
                part.take(&piece, wanted)?;
                progress(Progress {
                    file: wanted.name,
                    done: part.have,
                    of: wanted.bytes,
                });
            }
            Ok(None) if part.have == wanted.bytes => return Ok(Ok(())),
            Ok(None) => return Ok(Err("the connection was closed early".into())),
            Err(error) => return Ok(Err(in_words(&error))),
        }
    }
}

impl Part {
    /// Opens what a pull before this one left, or begins.
    fn open(path: &Path, bytes: u64) -> Result<Self, HubError> {
        let say = HubError::file(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(&say)?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path);
        let mut part = Self {
            path: path.to_owned(),
            file: file.map_err(&say)?,
            have: 0,
            running: Running::new(bytes),
        };
        let there = part.file.metadata().map_err(&say)?.len();
        if there > bytes {
            part.begin_again(bytes)?;
            return Ok(part);
        }
        part.have = read_all(&mut part.file, &mut part.running).map_err(&say)?;
        Ok(part)
    }

    fn begin_again(&mut self, bytes: u64) -> Result<(), HubError> {
        self.file.set_len(0).map_err(HubError::file(&self.path))?;
        self.have = 0;
        self.running = Running::new(bytes);
        Ok(())
    }

    fn take(&mut self, piece: &[u8], wanted: &Wanted<'_>) -> Result<(), HubError> {
        let have = self.have + piece.len() as u64;
        if have > wanted.bytes {
            let error = self.wrong(
                "length over",
                &have.to_string(),
                &wanted.bytes.to_string(),
                wanted,
            );
            return Err(error);
        }
        self.file
            .write_all(piece)
            .map_err(HubError::file(&self.path))?;
        self.running.update(piece);
        self.have = have;
        Ok(())
    }

    /// Checks what came and gives it its name.
    fn finish(mut self, wanted: &Wanted<'_>, target: &Path) -> Result<Found, HubError> {
        let running = std::mem::replace(&mut self.running, Running::new(0));
        let found = running.finish();
        if let Some((kind, was, stated)) = wanted.digest.differs(&found) {
            return Err(self.wrong(kind, was, stated, wanted));
        }
        let say = HubError::file(target);
        self.file.sync_all().map_err(&say)?;
        fs::create_dir_all(target.parent().unwrap_or(Path::new("."))).map_err(&say)?;
        fs::rename(&self.path, target).map_err(&say)?;
        Ok(found)
    }

    /// What came cannot be right, and going on from it cannot become right: it is thrown away.
    fn wrong(
        &self,
        what: &'static str,
        found: &str,
        expected: &str,
        wanted: &Wanted<'_>,
    ) -> HubError {
        // If even that fails, the next pull finds the same and says the same.
        let _ = fs::remove_file(&self.path);
        HubError::Content {
            file: wanted.to.to_owned(),
            what,
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    }
}

/// The digests of a file that is there and has that length.
pub(super) fn digests_of(path: &Path, bytes: u64) -> Result<Option<Found>, HubError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HubError::file(path)(error)),
    };
    let say = HubError::file(path);
    if file.metadata().map_err(&say)?.len() != bytes {
        return Ok(None);
    }
    let mut running = Running::new(bytes);
    read_all(&mut file, &mut running).map_err(&say)?;
    Ok(Some(running.finish()))
}

fn read_all(file: &mut File, running: &mut Running) -> io::Result<u64> {
    let (mut buffer, mut have) = (vec![0; 1 << 16], 0);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(have),
            read => {
                running.update(&buffer[..read]);
                have += read as u64;
            }
        }
    }
}

/// One name for each content, so that a part of another commit is never gone on with.
fn part_name(wanted: &Wanted<'_>) -> String {
    match wanted.digest {
        Stated::Sha256(digest) | Stated::GitBlob(digest) => digest.clone(),
    }
}

fn pulled(wanted: &Wanted<'_>, found: Found) -> PulledFile {
    PulledFile {
        path: wanted.to.to_owned(),
        bytes: wanted.bytes,
        sha256: found.sha256,
    }
}
