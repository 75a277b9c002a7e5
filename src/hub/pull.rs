//! A whole model: listed, chosen, fetched, recorded.

use super::HubError;
use super::digest::Running;
use super::fetch::{self, PARTIAL, Wanted};
use super::names::Repository;
use super::record::{self, Origin};
use super::remote::{Hub, Listing};
use super::select::{Chosen, Listed, Wish, choose};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// Its name in the source.
    pub file: &'a str,
    /// Bytes that are here.
    pub done: u64,
    /// Bytes that it has.
    pub of: u64,
}

/// A file that is here and is what the source stated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledFile {
    /// Its path below the folder.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal digits.
    pub sha256: String,
}

/// A model that is here whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The commit; empty for one that was copied.
    pub commit: String,
    /// The licence as the hub states it.
    pub license: Option<String>,
    /// Its files.
    pub files: Vec<PulledFile>,
}

/// Folders of this machine that are searched: a model's own, and `onnx` in it.
const DEEPEST: usize = 3;

/// Fetches what is wished for of a repository into `folder`, going on where an earlier pull stopped.
///
/// # Errors
///
/// Whatever is here by then stays; the folder's record is written only when all of it is.
pub async fn pull(
    hub: &Hub,
    repository: &Repository,
    wish: &Wish,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Pulled, HubError> {
    let Listing {
        commit,
        license,
        files,
    } = hub.list(repository).await?;
    let chosen = choose(&files, wish)?;
    let source = format!("hf:{}", repository.name);
    let choice = choice(wish);
    let origin = Origin {
        source: &source,
        commit: &commit,
        license: license.as_deref(),
        choice: &choice,
    };
    record::refuse_others(folder, &origin)?;
    let _alone = alone(folder)?;
    let mut files = Vec::new();
    for file in &chosen {
        let stated = stated(hub, &repository.name, &commit, file).await?;
        let (Some(bytes), Some(digest)) = (stated.bytes, &stated.digest) else {
            return Err(hub.answer(&stated.name, "it states no length or no digest"));
        };
        let wanted = Wanted {
            repository: &repository.name,
            commit: &commit,
            name: &stated.name,
            to: &file.to,
            bytes,
            digest,
        };
        files.push(fetch::fetch(hub, &wanted, folder, progress).await?);
    }
    record::write(folder, &origin, &files)?;
    // What is left there are parts of files that this commit no longer has.
    let _ = fs::remove_dir_all(folder.join(PARTIAL));
    Ok(Pulled {
        commit,
        license,
        files,
    })
}

/// Copies what is wished for out of a folder of this machine. Links in it are followed: it is the operator's own.
pub fn copy(
    from: &Path,
    wish: &Wish,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Pulled, HubError> {
    let mut listed = Vec::new();
    list_folder(from, "", DEEPEST, &mut listed)?;
    let chosen = choose(&listed, wish)?;
    let whence = from.canonicalize().map_err(HubError::file(from))?;
    let (source, choice) = (whence.display().to_string(), choice(wish));
    let origin = Origin {
        source: &source,
        commit: "",
        license: None,
        choice: &choice,
    };
    record::refuse_others(folder, &origin)?;
    let _alone = alone(folder)?;
    let mut files = Vec::new();
    for file in &chosen {
        files.push(copy_file(from, file, folder, progress)?);
    }
    record::write(folder, &origin, &files)?;
    let _ = fs::remove_dir_all(folder.join(PARTIAL));
    Ok(Pulled {
        commit: String::new(),
        license: None,
        files,
    })
}

async fn stated(
    hub: &Hub,
    repository: &str,
    commit: &str,
    file: &Chosen,
) -> Result<Listed, HubError> {
    let listed = &file.listed;
    if listed.bytes.is_some() && listed.digest.is_some() {
        return Ok(listed.clone());
    }
    hub.state(repository, commit, &listed.name).await
}

/// The variant and the subfolder, in words.
fn choice(wish: &Wish) -> String {
    let variant = wish.variant.as_deref().unwrap_or("the only graph");
    match &wish.subfolder {
        None => variant.to_owned(),
        Some(folder) => format!("{variant} of {folder}"),
    }
}

/// Two pulls into one folder would write into the same parts.
fn alone(folder: &Path) -> Result<File, HubError> {
    let parts = folder.join(PARTIAL);
    fs::create_dir_all(&parts).map_err(HubError::file(&parts))?;
    let path = parts.join("lock");
    let file = File::create(&path).map_err(HubError::file(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(HubError::Choice(format!(
            "another pull is writing into {}; wait for it",
            folder.display()
        ))),
    }
}

fn list_folder(
    root: &Path,
    below: &str,
    depth: usize,
    listed: &mut Vec<Listed>,
) -> Result<(), HubError> {
    let folder = root.join(below);
    let say = HubError::file(&folder);
    let mut entries: Vec<_> = fs::read_dir(&folder)
        .map_err(&say)?
        .collect::<Result<_, _>>()
        .map_err(&say)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().filter(|name| !name.starts_with('.')) else {
            continue;
        };
        let name = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        let path = entry.path();
        // A link that leads nowhere is no file of the model.
        let Ok(data) = fs::metadata(&path) else {
            continue;
        };
        if data.is_dir() && depth > 0 {
            list_folder(root, &name, depth - 1, listed)?;
        } else if data.is_file() {
            listed.push(Listed {
                name,
                bytes: Some(data.len()),
                digest: None,
            });
        }
    }
    Ok(())
}

fn copy_file(
    from: &Path,
    file: &Chosen,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PulledFile, HubError> {
    let (source, target) = (from.join(&file.listed.name), folder.join(&file.to));
    let part = folder.join(PARTIAL).join("copy");
    let (read, written) = (HubError::file(&source), HubError::file(&part));
    let of = file.listed.bytes.unwrap_or(0);
    let mut input = File::open(&source).map_err(&read)?;
    let mut output = File::create(&part).map_err(&written)?;
    let (mut running, mut buffer, mut done) = (Running::new(of), vec![0; 1 << 20], 0);
    loop {
        let length = input.read(&mut buffer).map_err(&read)?;
        if length == 0 {
            break;
        }
        running.update(&buffer[..length]);
        output.write_all(&buffer[..length]).map_err(&written)?;
        done += length as u64;
        progress(Progress {
            file: &file.listed.name,
            done,
            of,
        });
    }
    output.sync_all().map_err(&written)?;
    let say = HubError::file(&target);
    fs::create_dir_all(target.parent().unwrap_or(folder)).map_err(&say)?;
    fs::rename(&part, &target).map_err(&say)?;
    Ok(PulledFile {
        path: file.to.clone(),
        bytes: done,
        sha256: running.finish().sha256,
    })
}
