//! Addresses: where to listen and where to send.

use super::reader::Value;
use http::Uri;
use std::net::{IpAddr, SocketAddr};

/// A URL that requests can be sent to, taken apart.
pub(super) struct Place {
    /// The URL without a trailing slash.
    pub(super) url: String,
    /// Sent in the clear.
    pub(super) plain: bool,
    host: String,
}

/// Reads an http(s) URL without credentials and query. What was written is not repeated: it may hold a key.
pub(super) fn url(value: &Value<'_>) -> Option<Place> {
    let place = parse_url(value.text()?);
    if place.is_none() {
        value.wrong(
            "this is no URL that requests can be sent to",
            "write `https://host/path`, without user, password or query",
        );
    }
    place
}

/// Reads an address to listen on.
pub(super) fn listener(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    let address = text.parse().ok();
    if address.is_none() {
        value.wrong(
            format!("`{text}` is no address to listen on"),
            "write an IP address and a port: `127.0.0.1:8080` or `[::1]:8080`",
        );
    }
    address
}

impl Place {
    /// True when what is sent there does not leave this machine.
    pub(super) fn is_loopback(&self) -> bool {
        match self.ip() {
            Some(ip) => ip.is_loopback(),
            None => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// True when the address can only be on this machine or in a private network.
    pub(super) fn is_near(&self) -> bool {
        self.is_loopback()
            || match self.ip() {
                Some(IpAddr::V4(ip)) => ip.is_private(),
                Some(IpAddr::V6(ip)) => ip.is_unique_local(),
                None => false,
            }
    }

    fn ip(&self) -> Option<IpAddr> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
    }
}

/// A URL taken apart; `None` where requests cannot be sent to it.
pub(super) fn parse_url(text: &str) -> Option<Place> {
    let uri: Uri = text.parse().ok()?;
    let plain = match uri.scheme_str()? {
        "http" => true,
        "https" => false,
        _ => return None,
    };
    let authority = uri.authority()?;
    let bare = !authority.as_str().contains('@') && uri.query().is_none() && !text.contains('#');
    let host = authority.host().to_ascii_lowercase();
    (bare && !host.is_empty()).then(|| Place {
        url: text.trim_end_matches('/').to_owned(),
        plain,
        host,
    })
}
