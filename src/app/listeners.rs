//! Listeners: their addresses are taken when a gateway is built, and opened once it can serve.
//!
//! Opened earlier, a second process on the same address (`listen.reuse_port`) would be given connections that nobody
//! takes while its models are read.

use super::Handle;
use crate::config::ServerSettings;
use anyhow::{Context, anyhow};
use std::io;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that the system keeps until they are taken, as tokio's own listener has it.
const BACKLOG: u32 = 1024;

/// Addresses that nobody else can take, and that nobody can reach yet.
pub(super) struct Bound {
    api: TcpSocket,
    admin: Option<TcpSocket>,
}

impl Bound {
    /// Takes the addresses of the API and of the admin pages.
    pub(super) fn to(settings: &ServerSettings) -> anyhow::Result<Self> {
        let taken = |address| {
            let socket = bind(address, settings.reuse_port);
            socket.with_context(|| remedy(address, settings.reuse_port))
        };
        if settings.reuse_port && !cfg!(target_os = "linux") {
            return Err(anyhow!(
                "`listen.reuse_port` is for Linux, which shares connections out among those who listen; leave it out here"
            ));
        }
        Ok(Self {
            api: taken(settings.api)?,
            admin: settings.admin.map(taken).transpose()?,
        })
    }

    /// Where they can be reached once they listen.
    pub(super) fn handle(&self, settings: &ServerSettings) -> io::Result<Handle> {
        Ok(Handle {
            api: self.api.local_addr()?,
            admin: self.admin.as_ref().unwrap_or(&self.api).local_addr()?,
            tls: settings.tls.is_some(),
        })
    }

    /// Lets connections come, to the API and to the admin pages.
    pub(super) fn listen(
        self,
        settings: &ServerSettings,
    ) -> anyhow::Result<(TcpListener, Option<TcpListener>)> {
        let open = |socket: TcpSocket, address| {
            let listening = socket.listen(BACKLOG);
            listening.with_context(|| remedy(address, settings.reuse_port))
        };
        let api = open(self.api, settings.api)?;
        let admin = self.admin.zip(settings.admin);
        let admin = admin.map(|(socket, address)| open(socket, address));
        Ok((api, admin.transpose()?))
    }
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A port whose last connections are still being forgotten can be taken again; one that somebody listens on cannot.
    socket.set_reuseaddr(true)?;
    #[cfg(target_os = "linux")]
    socket.set_reuseport(reuse_port)?;
    #[cfg(not(target_os = "linux"))]
    let _ = reuse_port;
    socket.bind(address)?;
    Ok(socket)
}

fn remedy(address: SocketAddr, reuse_port: bool) -> String {
    let why = match reuse_port {
        true => {
            "whoever listens there must have `listen.reuse_port: true`, too, and run as the same user"
        }
        false => "is another program using the port? choose another with --listen or `listen.api`",
    };
    format!("cannot listen on {address}; {why}")
}
