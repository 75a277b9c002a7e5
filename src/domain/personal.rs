//! Personal data found in a text, and the class a request falls in because of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A kind of personal data. The names are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each variant is the word it stands for")]
pub enum PersonalKind {
    Card,
    Iban,
    BankAccount,
    NationalId,
    TaxId,
    Passport,
    DrivingLicence,
    HealthId,
    Vehicle,
    Ip,
    Mac,
    Email,
    Phone,
    Crypto,
    Secret,
    Name,
    Address,
    DateOfBirth,
    Organisation,
    Location,
}

/// Whether a finding can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// A guess from context or shape alone.
    Probable,
    /// A checksum, or a shape that nothing else has.
    Certain,
}

/// One piece of personal data in a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is.
    pub kind: PersonalKind,
    /// Where it starts, in code points of the text that was read.
    pub start: usize,
    /// Where it ends (exclusive), in code points.
    pub end: usize,
    /// 0 to 1.
    pub score: f32,
    /// Whether it can be relied on.
    pub certainty: Certainty,
    /// The country whose id it is (`us`, `gb`, …), where that is known.
    pub country: Option<&'static str>,
}

/// All personal data found in one text, in order of their start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Findings(pub Vec<Finding>);

/// Which personal data counts: the kinds, each with the least certainty at which it does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Counted(BTreeMap<PersonalKind, Certainty>);

/// A data class. Classes are ordered by rank: a rule for one holds for all above it as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataClass {
    /// 0 is the least sensitive.
    pub rank: u8,
    /// `public`, `internal`, `personal`, `restricted`, or the operator's own.
    pub name: Arc<str>,
}

impl PersonalKind {
    /// Every kind, in the order of the interface.
    pub const ALL: [Self; 20] = [
        Self::Card,
        Self::Iban,
        Self::BankAccount,
        Self::NationalId,
        Self::TaxId,
        Self::Passport,
        Self::DrivingLicence,
        Self::HealthId,
        Self::Vehicle,
        Self::Ip,
        Self::Mac,
        Self::Email,
        Self::Phone,
        Self::Crypto,
        Self::Secret,
        Self::Name,
        Self::Address,
        Self::DateOfBirth,
        Self::Organisation,
        Self::Location,
    ];

    /// Kinds that stand in free text without a shape of their own, so that a model has to read them.
    pub const FREE_TEXT: [Self; 5] = [
        Self::Name,
        Self::Address,
        Self::DateOfBirth,
        Self::Organisation,
        Self::Location,
    ];

    /// The word used in configs, records and `firstline signals`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Iban => "iban",
            Self::BankAccount => "bank_account",
            Self::NationalId => "national_id",
            Self::TaxId => "tax_id",
            Self::Passport => "passport",
            Self::DrivingLicence => "driving_licence",
            Self::HealthId => "health_id",
            Self::Vehicle => "vehicle",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Crypto => "crypto",
            Self::Secret => "secret",
            Self::Name => "name",
            Self::Address => "address",
            Self::DateOfBirth => "date_of_birth",
            Self::Organisation => "organisation",
            Self::Location => "location",
        }
    }

    /// The kind of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Findings {
    /// True when nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True when a finding of this kind is among them, however certain.
    pub fn has(&self, kind: PersonalKind) -> bool {
        self.0.iter().any(|finding| finding.kind == kind)
    }
}

impl Counted {
    /// True when a finding of this kind and certainty is among what counts.
    pub fn counts(&self, kind: PersonalKind, certainty: Certainty) -> bool {
        self.0.get(&kind).is_some_and(|least| certainty >= *least)
    }

    /// True when a kind counts that only a model can find.
    pub fn has_free_text(&self) -> bool {
        let free = PersonalKind::FREE_TEXT;
        self.0.keys().any(|kind| free.contains(kind))
    }
}

impl FromIterator<(PersonalKind, Certainty)> for Counted {
    /// Of a kind named twice the lower certainty holds.
    fn from_iter<T: IntoIterator<Item = (PersonalKind, Certainty)>>(kinds: T) -> Self {
        let mut counted = BTreeMap::new();
        for (kind, least) in kinds {
            let known = counted.entry(kind).or_insert(least);
            *known = least.min(*known);
        }
        Self(counted)
    }
}

impl fmt::Display for DataClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_again_by_its_word() {
        for kind in PersonalKind::ALL {
            assert_eq!(PersonalKind::parse(kind.as_str()), Some(kind));
        }
    }
}
