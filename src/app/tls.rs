//! The files of the listener's certificate, read for the server.

use crate::config::TlsFiles;
use crate::server::{Tls, TlsPem};
use anyhow::Context;
use std::fs;
use std::path::Path;

/// What the listener begins with.
pub(super) fn begin(files: &TlsFiles) -> anyhow::Result<Tls> {
    with(files, Tls::new)
}

/// Puts what stands in the files now in the place of what stood there.
pub(super) fn replace(tls: &Tls, files: &TlsFiles) -> anyhow::Result<()> {
    with(files, |pem| tls.replace(pem))
}

fn with<T>(
    files: &TlsFiles,
    take: impl FnOnce(TlsPem<'_>) -> Result<T, crate::server::TlsError>,
) -> anyhow::Result<T> {
    let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
    let client_ca = files.client_ca.as_deref().map(read).transpose()?;
    let pem = TlsPem {
        certificate: &certificate,
        key: &key,
        client_ca: client_ca.as_deref(),
    };
    take(pem).with_context(|| format!("listen.tls ({})", files.certificate.display()))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("listen.tls: cannot read {}", path.display()))
}
