//! Where an endpoint is, as it stood when a request was sent there. A config may say something else tomorrow; a record
//! says what was known then.

use super::Word;
use crate::domain::{Endpoint, Region};
use serde::{Deserialize, Serialize};

/// Where a request was sent, as the config stated it then. What it did not state is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaceSeen {
    /// The endpoint's name.
    pub endpoint: Word,
    /// `local` or `remote`.
    pub tier: Word,
    /// Its address is a loopback one: what is sent there reaches no network.
    pub loopback: bool,
    /// Where it processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processing: Option<Vec<Word>>,
    /// Where data rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Word>,
    /// Under whose law its operator stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<Word>,
    /// For how many days it keeps what it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
    /// Whether it trains on what it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trains_on_data: Option<bool>,
    /// Agreements in force with its operator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agreements: Vec<Word>,
    /// Where others work for its operator; empty where nobody does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subprocessors: Option<Vec<Word>>,
    /// The last day on which all of this holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Word>,
}

impl PlaceSeen {
    /// What is sent there stays on this machine: the operator calls it local, and its address is a loopback one.
    pub fn is_this_machine(&self) -> bool {
        self.loopback && &*self.tier == "local"
    }
}

impl From<&Endpoint> for PlaceSeen {
    fn from(endpoint: &Endpoint) -> Self {
        let residency = &endpoint.residency;
        let word = |region: &Region| Word::from(region.as_str().to_owned());
        Self {
            endpoint: Word::from(&endpoint.name),
            tier: Word::fixed(endpoint.tier.as_str()),
            loopback: is_loopback(&endpoint.base_url),
            processing: residency
                .processing
                .as_ref()
                .map(|regions| regions.iter().map(word).collect()),
            storage: residency.storage.as_ref().map(word),
            jurisdiction: residency.jurisdiction.as_ref().map(word),
            retention_days: residency.retention.map(|retention| retention.days),
            trains_on_data: residency.trains_on_data,
            agreements: residency
                .agreements
                .iter()
                .map(|agreement| Word::from(agreement.as_str().to_owned()))
                .collect(),
            subprocessors: residency
                .subprocessors
                .as_ref()
                .map(|regions| regions.iter().map(word).collect()),
            valid_until: residency.valid_until.map(|day| Word::from(day.to_string())),
        }
    }
}

/// True for an address that can only be on this machine. A name is one only where it can mean nothing else (RFC 6761).
fn is_loopback(base_url: &str) -> bool {
    let Ok(url) = base_url.parse::<http::Uri>() else {
        return false;
    };
    let host = url.host().unwrap_or_default().to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<std::net::IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loopback_address_is_this_machine() {
        for url in [
            "http://127.0.0.1:11434/v1",
            "http://[::1]/v1",
            "http://LOCALHOST:1/v1",
            "http://a.localhost",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://api.openai.com/v1",
            "http://10.0.0.1/v1",
            "http://localhost.example.com/v1",
            "",
            "http://[2001:db8::1]/",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
        let place = |tier: &'static str, loopback| PlaceSeen {
            tier: Word::fixed(tier),
            loopback,
            ..PlaceSeen::default()
        };
        // A proxy on this machine that passes on to somebody else is remote.
        assert!(place("local", true).is_this_machine());
        assert!(
            !place("remote", true).is_this_machine() && !place("local", false).is_this_machine()
        );
    }
}
