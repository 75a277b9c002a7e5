//! The languages that an entry is for, as operators write them, and as the gateway measures them.

use whatlang::Lang;

/// A language that the gateway can tell, by its ISO 639-3 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Language(&'static str);

/// ISO 639-1 codes, and common ones beside them, of the languages that can be told.
const SHORT: [(&str, &str); 76] = [
    ("af", "afr"),
    ("ak", "aka"),
    ("am", "amh"),
    ("ar", "ara"),
    ("az", "aze"),
    ("be", "bel"),
    ("bg", "bul"),
    ("bn", "ben"),
    ("ca", "cat"),
    ("cs", "ces"),
    ("cy", "cym"),
    ("da", "dan"),
    ("de", "deu"),
    ("el", "ell"),
    ("en", "eng"),
    ("eo", "epo"),
    ("es", "spa"),
    ("et", "est"),
    ("fa", "pes"),
    ("fas", "pes"),
    ("fi", "fin"),
    ("fr", "fra"),
    ("gu", "guj"),
    ("he", "heb"),
    ("hi", "hin"),
    ("hr", "hrv"),
    ("hu", "hun"),
    ("hy", "hye"),
    ("id", "ind"),
    ("it", "ita"),
    ("ja", "jpn"),
    ("jv", "jav"),
    ("ka", "kat"),
    ("km", "khm"),
    ("kn", "kan"),
    ("ko", "kor"),
    ("la", "lat"),
    ("lt", "lit"),
    ("lv", "lav"),
    ("mk", "mkd"),
    ("ml", "mal"),
    ("mr", "mar"),
    ("my", "mya"),
    ("nb", "nob"),
    ("ne", "nep"),
    ("nl", "nld"),
    ("nn", "nob"),
    ("nno", "nob"),
    ("no", "nob"),
    ("nor", "nob"),
    ("or", "ori"),
    ("pa", "pan"),
    ("pl", "pol"),
    ("pt", "por"),
    ("ro", "ron"),
    ("ru", "rus"),
    ("si", "sin"),
    ("sk", "slk"),
    ("sl", "slv"),
    ("sn", "sna"),
    ("sr", "srp"),
    ("sv", "swe"),
    ("ta", "tam"),
    ("te", "tel"),
    ("th", "tha"),
    ("tk", "tuk"),
    ("tl", "tgl"),
    ("tr", "tur"),
    ("uk", "ukr"),
    ("ur", "urd"),
    ("uz", "uzb"),
    ("vi", "vie"),
    ("yi", "yid"),
    ("zh", "cmn"),
    ("zho", "cmn"),
    ("zu", "zul"),
];

/// Languages whose short texts are taken for one another: a Norwegian question is measured as Danish easily.
const ALIKE: [&[&str]; 3] = [&["nob", "dan"], &["hrv", "srp", "slv"], &["ces", "slk"]];

impl Language {
    /// By an ISO 639-1 or 639-3 code, with or without a region: `en`, `nob`, `de-AT`. `None` for a language that is
    /// never measured.
    pub fn parse(code: &str) -> Option<Self> {
        let code = code.trim().to_ascii_lowercase();
        let base = code.split(['-', '_']).next().unwrap_or_default();
        let short = SHORT.iter().find(|(short, _)| *short == base);
        let long = short.map_or(base, |(_, long)| *long);
        Lang::from_code(long).map(|lang| Self(lang.code()))
    }

    /// The ISO 639-3 code.
    pub fn code(self) -> &'static str {
        self.0
    }

    /// True where a text measured as this code may be in the language.
    pub(super) fn may_be(self, measured: &str) -> bool {
        let both = |alike: &&[&str]| alike.contains(&self.0) && alike.contains(&measured);
        self.0 == measured || ALIKE.iter().any(both)
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn languages_are_known_by_their_usual_codes() {
        for (written, code) in [
            ("en", "eng"),
            ("EN-gb", "eng"),
            ("nob", "nob"),
            ("no", "nob"),
            ("nn-NO", "nob"),
            ("zh", "cmn"),
            ("deu", "deu"),
        ] {
            assert_eq!(Language::parse(written).map(Language::code), Some(code));
        }
        for unknown in ["", "english", "x", "ga", "e n"] {
            assert_eq!(Language::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn every_short_code_leads_to_a_language_that_is_told() {
        for (short, long) in super::SHORT {
            let found = Language::parse(short).map(Language::code);
            assert_eq!(found, Some(long), "{short}");
        }
    }

    #[test]
    fn a_close_language_may_be_meant_and_another_may_not() {
        let norwegian = Language::parse("nob").unwrap();
        assert!(norwegian.may_be("nob") && norwegian.may_be("dan"));
        assert!(!norwegian.may_be("eng") && !norwegian.may_be("swe"));
    }
}
