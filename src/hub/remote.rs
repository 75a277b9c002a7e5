//! The hub's own API: what a repository holds at a commit, and the bytes of a file from some place on.

use super::HubError;
use super::digest::Stated;
use super::names::{Repository, in_url};
use super::select::Listed;
use crate::domain::Secret;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LOCATION, RANGE,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use reqwest::{Request, Response, Url};
use serde::Deserialize;
use std::time::Duration;

/// Where a hub is, and who asks.
#[derive(Debug, Clone)]
pub struct HubSettings {
    /// Its address, such as `https://huggingface.co`.
    pub address: String,
    /// Sent to that address alone.
    pub token: Option<Secret>,
}

/// A hub that can be asked.
#[derive(Debug)]
pub struct Hub {
    client: reqwest::Client,
    base: Url,
    token: Option<HeaderValue>,
}

/// What a repository holds at one commit.
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) license: Option<String>,
    pub(super) files: Vec<Listed>,
}

/// The answer to a request for a file's bytes.
pub(super) struct Opened {
    pub(super) response: Response,
    /// Bytes before the first that comes.
    pub(super) from: u64,
}

/// The longest list of files that is read, in bytes.
const LONGEST_LIST: usize = 32 << 20;

/// A hub's own redirect and its storage's are two; more are a circle.
const MOST_REDIRECTS: usize = 6;

const CONNECT: Duration = Duration::from_secs(15);

/// The longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct ModelInfo {
    sha: Option<String>,
    siblings: Vec<Sibling>,
    #[serde(rename = "cardData")]
    card: Option<Card>,
}

#[derive(Deserialize)]
struct Card {
    license: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: Option<String>,
    size: Option<u64>,
}

impl Hub {
    /// Prepares to ask; opens no connection.
    ///
    /// # Errors
    ///
    /// The address is none, or would carry the token in the clear across a network.
    pub fn new(settings: &HubSettings) -> Result<Self, HubError> {
        let wrong = |reason| HubError::Address {
            address: without_credentials(&settings.address),
            reason,
        };
        let base = format!("{}/", settings.address.trim_end_matches('/'));
        let base = Url::parse(&base).map_err(|_| wrong("it is no URL; write https://HOST"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("it is neither http nor https"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong(
                "it holds credentials; name a variable with --token-env instead",
            ));
        }
        let token = settings.token.as_ref().map(bearer).transpose();
        let token = token
            .map_err(|()| wrong("the token for it has characters that no header can carry"))?;
        if token.is_some() && base.scheme() == "http" && !is_loopback(&base) {
            return Err(wrong(
                "the token would cross the network unencrypted; use https",
            ));
        }
        // Fails only where one is installed already, and then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|_| wrong("the HTTP client could not be made"))?;
        Ok(Self {
            client,
            base,
            token,
        })
    }

    /// The hub's address, for people.
    pub(super) fn name(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The files of a repository, and the commit that its revision stands for now.
    pub(super) async fn list(&self, repository: &Repository) -> Result<Listing, HubError> {
        let what = &repository.name;
        let path = format!(
            "api/models/{what}/revision/{}",
            in_url(&repository.revision).replace('/', "%2F")
        );
        let mut url = self.url(&path, what)?;
        // With sizes and digests.
        url.set_query(Some("blobs=true"));
        let response = self.follow(Method::GET, url, 0, what).await?;
        let text = self.whole(response, what).await?;
        let info: ModelInfo = serde_json::from_slice(&text).map_err(|error| {
            self.answer(
                what,
                format!("its list of files is not understood: {error}"),
            )
        })?;
        let commit = info.sha.unwrap_or_default();
        if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(self.answer(what, "it does not say which commit the revision stands for"));
        }
        let license = info.card.and_then(|card| card.license);
        Ok(Listing {
            commit,
            license: license.and_then(|license| Some(license.as_str()?.to_owned())),
            files: info.siblings.into_iter().map(Sibling::listed).collect(),
        })
    }

    /// Length and digest of a file, for hubs whose list does not state them.
    pub(super) async fn state(
        &self,
        repository: &str,
        commit: &str,
        name: &str,
    ) -> Result<Listed, HubError> {
        let what = format!("{repository}/{name}");
        let response = self.resolve(Method::HEAD, repository, commit, name).await?;
        let headers = response.headers();
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let digest = text("x-linked-etag")
            .or_else(|| text(ETAG.as_str()))
            .and_then(Stated::parse);
        let bytes = text("x-linked-size").or_else(|| text(CONTENT_LENGTH.as_str()));
        let bytes = bytes.and_then(|bytes| bytes.parse().ok());
        if digest.is_none() || bytes.is_none() {
            return Err(self.answer(
                &what,
                "it states no length or no digest, so what came could not be checked",
            ));
        }
        Ok(Listed {
            name: name.to_owned(),
            bytes,
            digest,
        })
    }

    /// Asks for a file's bytes from `from` on; a hub that cannot do so sends all.
    pub(super) async fn open(
        &self,
        repository: &str,
        commit: &str,
        name: &str,
        from: u64,
    ) -> Result<Opened, HubError> {
        let what = format!("{repository}/{name}");
        let url = self.file_url(repository, commit, name)?;
        let response = self.follow(Method::GET, url, from, &what).await?;
        let begins = match response.status() {
            StatusCode::PARTIAL_CONTENT => beginning(response.headers())
                .filter(|begins| *begins == from)
                .ok_or_else(|| {
                    self.answer(
                        &what,
                        "it sends another part of the file than was asked for",
                    )
                })?,
            _ => 0,
        };
        Ok(Opened {
            response,
            from: begins,
        })
    }

    /// The first answer that leads nowhere else in the hub itself: its headers state what its storage's do not.
    async fn resolve(
        &self,
        method: Method,
        repository: &str,
        commit: &str,
        name: &str,
    ) -> Result<Response, HubError> {
        let what = format!("{repository}/{name}");
        let mut url = self.file_url(repository, commit, name)?;
        for _ in 0..MOST_REDIRECTS {
            let response = self.send(&method, &url, 0, &what).await?;
            match self.next(&url, &response, &what)? {
                Some(next) if next.origin() == self.base.origin() => url = next,
                Some(_) => return Ok(response),
                None => return self.checked(response, &what),
            }
        }
        Err(self.answer(&what, "it redirects in a circle"))
    }

    async fn follow(
        &self,
        method: Method,
        mut url: Url,
        from: u64,
        what: &str,
    ) -> Result<Response, HubError> {
        for _ in 0..MOST_REDIRECTS {
            let response = self.send(&method, &url, from, what).await?;
            match self.next(&url, &response, what)? {
                Some(next) => url = next,
                None => return self.checked(response, what),
            }
        }
        Err(self.answer(what, "it redirects in a circle"))
    }

    /// Where an answer redirects to, if it does. From https only to https.
    fn next(&self, url: &Url, response: &Response, what: &str) -> Result<Option<Url>, HubError> {
        if !response.status().is_redirection() {
            return Ok(None);
        }
        let place = response.headers().get(LOCATION);
        let place = place.and_then(|place| url.join(place.to_str().ok()?).ok());
        let safe = |next: &Url| {
            next.scheme() == "https" || (next.scheme() == "http" && url.scheme() == "http")
        };
        match place {
            Some(next) if safe(&next) => Ok(Some(next)),
            _ => Err(self.answer(what, "it redirects to where nobody should be sent")),
        }
    }

    async fn send(
        &self,
        method: &Method,
        url: &Url,
        from: u64,
        what: &str,
    ) -> Result<Response, HubError> {
        let mut request = Request::new(method.clone(), url.clone());
        let headers = request.headers_mut();
        // Lengths and ranges are those of the file itself.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(token) = &self.token
            && url.origin() == self.base.origin()
        {
            headers.insert(AUTHORIZATION, token.clone());
        }
        if from > 0
            && let Ok(range) = HeaderValue::from_str(&format!("bytes={from}-"))
        {
            headers.insert(RANGE, range);
        }
        let answer = self.client.execute(request).await;
        answer.map_err(|error| self.answer(what, in_words(&error)))
    }

    fn checked(&self, response: Response, what: &str) -> Result<Response, HubError> {
        let (what, hub) = (what.to_owned(), self.name().to_owned());
        match response.status() {
            status if status.is_success() => Ok(response),
            StatusCode::NOT_FOUND => Err(HubError::NotFound { what, hub }),
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => Err(HubError::Refused {
                what,
                hub,
                status: status.as_u16(),
            }),
            status => Err(self.answer(&what, format!("its status is {}", status.as_u16()))),
        }
    }

    async fn whole(&self, mut response: Response, what: &str) -> Result<Vec<u8>, HubError> {
        let mut text = Vec::new();
        loop {
            let piece = response.chunk().await;
            match piece.map_err(|error| self.answer(what, in_words(&error)))? {
                None => return Ok(text),
                Some(piece) if text.len() + piece.len() > LONGEST_LIST => {
                    return Err(self.answer(what, "its list of files is over 32 MiB"));
                }
                Some(piece) => text.extend_from_slice(&piece),
            }
        }
    }

    fn file_url(&self, repository: &str, commit: &str, name: &str) -> Result<Url, HubError> {
        self.url(
            &format!("{repository}/resolve/{commit}/{}", in_url(name)),
            repository,
        )
    }

    fn url(&self, path: &str, what: &str) -> Result<Url, HubError> {
        let url = self.base.join(path);
        url.map_err(|_| self.answer(what, "no address can be made of its name"))
    }

    pub(super) fn answer(&self, what: &str, reason: impl Into<String>) -> HubError {
        HubError::Answer {
            what: what.to_owned(),
            hub: self.name().to_owned(),
            reason: reason.into(),
        }
    }
}

impl Sibling {
    fn listed(self) -> Listed {
        let large = self.lfs.as_ref();
        let sha256 = large.and_then(|large| large.sha256.as_deref());
        Listed {
            bytes: large.and_then(|large| large.size).or(self.size),
            digest: sha256.or(self.blob.as_deref()).and_then(Stated::parse),
            name: self.rfilename,
        }
    }
}

/// Where the part of a file begins that an answer holds.
fn beginning(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    let (begin, _) = range.strip_prefix("bytes ")?.split_once('-')?;
    begin.parse().ok()
}

fn bearer(token: &Secret) -> Result<HeaderValue, ()> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {}", token.reveal().trim())).map_err(|_| ())?;
    value.set_sensitive(true);
    Ok(value)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn without_credentials(address: &str) -> String {
    match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}{}", &address[..scheme + 3], &address[at + 1..])
        }
        _ => address.to_owned(),
    }
}

/// The innermost cause: the outer ones hold addresses, which may be signed.
pub(super) fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if cause.is::<reqwest::Error>() {
        return if error.is_timeout() {
            "it fell silent"
        } else {
            "the connection failed"
        }
        .into();
    }
    cause.to_string()
}
