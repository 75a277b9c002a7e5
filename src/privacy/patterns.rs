//! What each kind looks like: shapes of numbers, the words that announce them, and secrets by their prefix.

use super::identity as id;
use crate::domain::Certainty;
use crate::domain::Certainty::{Certain, Probable};
use crate::domain::PersonalKind::{self, *};

/// A number whose shape is checked, and what it is worth alone and with a word that announces it.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) kind: PersonalKind,
    pub(super) country: Option<&'static str>,
    pub(super) pattern: &'static str,
    /// Given the letters and digits alone, upper case.
    pub(super) check: fn(&str) -> bool,
    pub(super) words: &'static str,
    /// `None`: nothing without an announcing word.
    pub(super) alone: Option<Certainty>,
    pub(super) near: Certainty,
}

/// Alone and near a word.
type Worth = (Option<Certainty>, Certainty);
const ALWAYS: Worth = (Some(Certain), Certain);
const GUESS_ALONE: Worth = (Some(Probable), Certain);
const NEAR: Worth = (None, Certain);
const NEAR_GUESS: Worth = (None, Probable);
const GUESS: Worth = (Some(Probable), Probable);

const fn shape(
    kind: PersonalKind,
    country: &'static str,
    worth: Worth,
    check: fn(&str) -> bool,
    pattern: &'static str,
    words: &'static str,
) -> Shape {
    let country = if country.is_empty() {
        None
    } else {
        Some(country)
    };
    Shape {
        kind,
        country,
        pattern,
        check,
        words,
        alone: worth.0,
        near: worth.1,
    }
}

const SOCIAL: &str = "ssn|social|social security|s\\.s\\.n|tax ?payer id";
const PHONE: &str = "phone|tel|telephone|telefon|telefono|telefone|call|text|mobile|cell|sms|whats ?app|fax|reach|ring|contact|dial|handy|nummer|movil|celular|portable|number is|numero";

/// Every shape, by country. The patterns see ASCII only.
#[rustfmt::skip]
pub(super) const SHAPES: &[Shape] = &[
    shape(NationalId, "us", ALWAYS, id::us_ssn, r"\b[0-8]\d{2}([-. ] ?)\d{2}[-. ] ?\d{4}\b", SOCIAL),
    shape(NationalId, "us", NEAR_GUESS, id::us_ssn, r"\b[0-8]\d{8}\b", SOCIAL),
    shape(TaxId, "us", GUESS_ALONE, id::shape_only, r"\b9\d{2}-(?:5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])-\d{4}\b", "itin|tax"),
    shape(TaxId, "us", NEAR_GUESS, id::shape_only, r"\b\d{2}-\d{7}\b", "ein|fein|employer id|tax id|federal id"),
    shape(NationalId, "gb", ALWAYS, id::gb_nino, r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ .-]\d\d[ .-]\d\d[ .-]\d\d[ .-]?[A-D]\b", "nino"),
    shape(NationalId, "gb", GUESS_ALONE, id::gb_nino, r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]\b", "nino|ni|national insurance|insurance"),
    shape(NationalId, "es", ALWAYS, id::es_nif, r"\b(?:\d{8}|[XYZ][ .-]?\d{7})[ .-]?[A-HJ-NP-TV-Z]\b", "nif|dni|nie"),
    shape(NationalId, "es", ALWAYS, id::es_nif, r"\b\d{2}\.\d{3}\.\d{3}[ .-]?[A-HJ-NP-TV-Z]\b", "nif|dni|nie"),
    shape(NationalId, "pl", GUESS_ALONE, id::pl_pesel, r"\b\d{11}\b", "pesel|id number|national id"),
    shape(NationalId, "se", ALWAYS, id::se_personnummer, r"\b(?:19|20)?\d{6}[-+]\d{4}\b", "personnummer"),
    shape(NationalId, "se", NEAR, id::se_personnummer, r"\b(?:19|20)?\d{6} ?\d{4}\b", "personnummer|personnr|pnr|personal (?:number|id)"),
    shape(NationalId, "fi", ALWAYS, id::fi_hetu, r"\b\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b", "hetu"),
    shape(NationalId, "nl", NEAR, id::nl_bsn, r"\b\d{9}\b|\b\d{4}[. -]\d{2}[. -]\d{3}\b|\b\d{3}[. -]\d{3}[. -]\d{3}\b", "bsn|burgerservice(?:nummer)?|sofi(?:nummer)?|citizen service"),
    shape(NationalId, "fr", ALWAYS, id::fr_nir, r"\b[1278][ .-]?\d{2}[ .-]?(?:0[1-9]|1[0-2]|[2-9]\d)[ .-]?(?:\d{2}|2[AB])[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{2}\b", "nir|secu|securite sociale"),
    shape(NationalId, "it", ALWAYS, id::it_codice, r"\b[A-Z]{3}[ -]?[A-Z]{3}[ -]?[\dLMNP-V]{2}[ -]?[A-EHLMPRST][ -]?[\dLMNP-V]{2}[ -]?[A-Z][ -]?[\dLMNP-V]{3}[ -]?[A-Z]\b", "codice fiscale"),
    shape(NationalId, "br", ALWAYS, id::br_cpf, r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b|\b\d{3} \d{3} \d{3}[- ]\d{2}\b", "cpf"),
    shape(NationalId, "br", GUESS_ALONE, id::br_cpf, r"\b\d{11}\b|\b\d{9}-\d{2}\b", "cpf|cadastro"),
    shape(NationalId, "in", GUESS_ALONE, id::in_aadhaar, r"\b[2-9]\d{3}[ -]\d{4}[ -]\d{4}\b", "aadhaar|aadhar|uidai|uid"),
    shape(NationalId, "in", NEAR, id::in_aadhaar, r"\b[2-9]\d{11}\b", "aadhaar|aadhar|uidai|uid"),
    shape(NationalId, "no", ALWAYS, id::no_fodselsnummer, r"\b\d{6} ?\d{5}\b", "fodselsnummer|personnummer"),
    shape(NationalId, "dk", NEAR_GUESS, id::day_month_first, r"\b\d{6}[- ]?\d{4}\b", "cpr|cpr-?nr|personnummer"),
    shape(NationalId, "be", ALWAYS, id::be_register, r"\b\d{2}\.\d{2}\.\d{2}[- ]\d{3}[. -]\d{2}\b", "rijksregister"),
    shape(NationalId, "ch", ALWAYS, id::ch_ahv, r"\b756[. ]?\d{4}[. ]?\d{4}[. ]?\d{2}\b", "ahv|avs"),
    shape(NationalId, "cn", ALWAYS, id::cn_resident, r"\b[1-8]\d{5}(?:19|20)\d{9}[\dX]\b", "id"),
    shape(NationalId, "mx", GUESS_ALONE, id::shape_only, r"\b[A-Z][AEIOUX][A-Z]{2}\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[HMX][A-Z]{5}[A-Z\d]\d\b", "curp"),
    shape(NationalId, "ca", NEAR, id::luhn_not_monotone, r"\b\d{3}[ -]?\d{3}[ -]?\d{3}\b", "sin|social insurance"),
    shape(HealthId, "gb", NEAR, id::gb_nhs, r"\b\d{3}[ -]?\d{3}[ -]?\d{4}\b", "nhs|nhs (?:number|no)|patient|health service"),
    shape(HealthId, "au", NEAR, id::au_medicare, r"\b[2-6]\d{3}[ -]?\d{5}[ -]?\d(?:[ /-]?\d)?\b", "medicare"),
    shape(HealthId, "us", NEAR, id::us_npi, r"\b[12]\d{9}\b", "npi|provider identifier|provider"),
    shape(HealthId, "us", NEAR, id::us_dea, r"\b[A-Z]{2}\d{7}\b", "dea"),
    shape(TaxId, "de", NEAR, id::de_steuer_id, r"\b[1-9]\d[ /]?\d{3}[ /]?\d{3}[ /]?\d{3}\b", "steuer|steuer-?id|steuer-?nummer|steueridentifikationsnummer|idnr|tin|tax"),
    shape(TaxId, "br", ALWAYS, id::br_cnpj, r"\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b", "cnpj"),
    shape(TaxId, "br", GUESS_ALONE, id::br_cnpj, r"\b\d{14}\b", "cnpj"),
    shape(TaxId, "au", NEAR, id::au_abn, r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", "abn|business number"),
    shape(TaxId, "au", NEAR, id::au_tfn, r"\b\d{3}[ -]?\d{3}[ -]?\d{3}\b", "tfn|tax file"),
    shape(TaxId, "in", GUESS_ALONE, id::shape_only, r"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b", "pan|permanent account"),
    shape(TaxId, "", NEAR_GUESS, id::shape_only, r"\b(?:AT ?U\d{8}|BE ?[01]\d{9}|DE ?\d{9}|DK ?\d{8}|EL ?\d{9}|ES ?[A-Z\d]\d{7}[A-Z\d]|FI ?\d{8}|FR ?[A-Z\d]{2} ?\d{9}|GB ?\d{9}|IE ?\d[A-Z\d]\d{5}[A-Z]{1,2}|IT ?\d{11}|LU ?\d{8}|NL ?\d{9}B\d{2}|PL ?\d{10}|PT ?\d{9}|SE ?\d{12}|CZ ?\d{8,10}|HU ?\d{8}|RO ?\d{6,10}|SK ?\d{10})\b", "vat|ust|ust-?id(?:nr)?|mwst|tva|iva|btw|moms|tax"),
    shape(BankAccount, "us", NEAR, id::us_routing, r"\b\d{9}\b", "routing|aba|rtn|wire|transit"),
    shape(BankAccount, "gb", NEAR_GUESS, id::shape_only, r"\b\d{2}[- ]?\d{2}[- ]?\d{2}\b", "sort ?code"),
    shape(Mac, "", NEAR, id::luhn_not_monotone, r"\b\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d\b", "imei|meid|device id|handset"),
    shape(DrivingLicence, "gb", GUESS_ALONE, id::gb_licence, r"\b[A-Z]{1,5}9{0,4}\d[0156]\d[0-3]\d{2}[A-Z][A-Z9]\d[A-Z]{2}\b", "licen[cs]e|dvla|driver|driving"),
    shape(Phone, "", ALWAYS, id::phone_international, r"\+ ?[1-9]\d{0,2}(?:[ ./-]{0,2}(?:\(\d{1,4}\)|\d)){6,14}(?: ?(?:x|ext\.?) ?\d{1,6})?\b", PHONE),
    shape(Phone, "", GUESS, id::phone_international, r"\b00[1-9]\d{0,2}(?:[ ./-]{1,2}(?:\(\d{1,4}\)|\d{1,5})){1,6}(?: ?(?:x|ext\.?) ?\d{1,6})?\b", PHONE),
    shape(Phone, "us", GUESS, id::phone_national, r"(?:\b1[-. ])?(?:\([2-9]\d{2}\)[-. ]?|\b[2-9]\d{2}[-. ])\d{3}[-. ]\d{4}(?: ?(?:x|ext\.?) ?\d{1,6})?\b", PHONE),
    shape(Phone, "", GUESS, id::phone_trunk, r"(?:\(0\d{1,5}\)[ -]{0,2}|\b0\d{1,5}[ /.-]{1,2})\d{1,8}(?:[ .-]\d{2,6}){0,5}\b", PHONE),
    shape(Phone, "", GUESS, id::phone_trunk, r"\b0\d{8,10}\b", PHONE),
    shape(Phone, "br", GUESS, id::phone_national, r"\b\d{2} 9?\d{4}-\d{4}\b", PHONE),
    shape(Phone, "", NEAR_GUESS, id::phone_national, r"(?:\(\d{1,5}\)|\b\d{1,15})(?:[ .-]{1,2}\d{1,8}){0,6}(?: ?(?:x|ext\.?) ?\d{1,6})?\b", PHONE),
    shape(Ip, "", ALWAYS, id::shape_only, r"\b(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\b", "ip"),
];

/// A value known only by the words before it: the pattern starts at the words, and group `value` is the find.
pub(super) struct Labelled {
    pub(super) kind: PersonalKind,
    pub(super) certainty: Certainty,
    pub(super) pattern: &'static str,
}

/// Finds where a label may start; the patterns of [`LABELLED`] are tried only there.
pub(super) const LABELS: &str = r"(?:password|passwd|pwd|passcode|passphrase|passwort|kennwort|contrasena|mot de passe|senha|wachtwoord|parola d|haslo|losenord|pin\b|api[ _-]?key|secret|access[ _-]?key|token\b|bearer\b|passport|passeport|pasaporte|reisepass|paspoort|passaporto|passaporte|paszport|driv[a-z']{2,5}[ _-]?licen[cs]e|licen[cs]e|fuhrerschein|permis\b|permiso|carnet|patente|rijbewijs|prawo jazdy|d\.?o\.?b\b|date[ _-]of[ _-]birth|birth[ _-]?da|born|geboren|geburtsdatum|geboortedatum|fecha de nac|nacid|nato il|nata il|data di nascita|data de nasc|nascid|nee? le|date de naissance|fodelsedatum|urodz|account|acct|a/c|konto|cuenta|compte|rekening|cvv|cvc|security code)";

const fn labelled(kind: PersonalKind, certainty: Certainty, pattern: &'static str) -> Labelled {
    Labelled {
        kind,
        certainty,
        pattern,
    }
}

#[rustfmt::skip]
pub(super) const LABELLED: &[Labelled] = &[
    labelled(Secret, Certain, r#"^(?:password|passwd|pwd|passcode|passphrase|passwort|kennwort|contrasena|mot de passe|senha|wachtwoord|haslo|losenord|api[ _-]?key|(?:client[ _-]?)?secret(?:[ _-](?:access[ _-])?key)?|access[ _-]?key|token)["'`]?\s{0,3}(?:[:=]|=>)\s{0,3}["'`]?(?P<value>[^\s"'`,;<>{}]{4,200})"#),
    labelled(Secret, Probable, r#"^(?:password|passwd|pwd|passcode|passwort|kennwort|contrasena|mot de passe|senha|wachtwoord|haslo|losenord|pin)\s{1,3}(?:(?:was|is|ist|lautet|es|era|est|e) |[-,] ?(?:it |its |it's )(?:was|is)? ?|(?:it|he) was )?["'`]?(?P<value>[^\s"'`]{4,64})"#),
    labelled(Secret, Probable, r#"^(?:password|pwd|passcode),? (?:it(?:'s| was| is)|its) ["'`]?(?P<value>[^\s"'`]{4,64})"#),
    labelled(Secret, Certain, r"^bearer\s{1,2}(?P<value>[A-Za-z0-9._~+/-]{16,}=*)"),
    labelled(Passport, Probable, r"^(?:passport|passeport|passaport[eo])[^0-9\n]{0,24}?\b(?P<value>(?:[A-Z]{1,2}[ -]?)?\d{6,9}[A-Z]?)\b"),
    labelled(Passport, Probable, r"^(?:pasaporte|reisepass|paspoort|paszport)[^0-9\n]{0,24}?\b(?P<value>[A-Z0-9]{1,3}\d{5,8}[A-Z0-9]?)\b"),
    labelled(DrivingLicence, Probable, r"^(?:driv[a-z']{2,5}[ _-]?licen[cs]e|licen[cs]e|fuhrerschein|permis|permiso|carnet|patente|rijbewijs|prawo jazdy)[^0-9\n]{0,24}?\b(?P<value>(?:[A-Z]{1,5}[ -]?)?\d[\dA-Z]{0,3}(?:[ -]?\d{2,14}){1,4}[A-Z]{0,3})\b"),
    labelled(BankAccount, Probable, r"^(?:account|acct|a/c|konto(?:nummer)?|cuenta|compte|rekening(?:nummer)?)(?:[ _]?(?:number|num|no\.?|nr\.?|#))?\s{0,2}(?:is|:|#|=)?\s{0,2}(?P<value>(?:[A-Z]{2,4}-?)?\d{4,12}(?:[ -]\d{2,10}){0,4})\b"),
    labelled(Card, Probable, r"^(?:cvv2?|cvc2?|security code)(?:[ _]?(?:number|code|no\.?))?\s{0,2}(?:is|:|#|=)?\s{0,2}(?P<value>\d{3,4})\b"),
    labelled(DateOfBirth, Probable, r"^[a-z][a-z. _-]{1,20}[^0-9a-z\n]{0,8}(?:[a-z]{1,10}[^0-9a-z\n]{1,3}){0,3}?(?P<value>\d{1,4}[-/. ]\d{1,2}[-/. ]\d{1,4}|\d{1,2}(?:st|nd|rd|th|\.)?[ -](?:of |de )?[a-z]{3,10}\.?,?[ -](?:de )?\d{2,4}|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{2,4})\b"),
];

/// The labels that announce a birth date; other labels before a date do not.
pub(super) const BIRTH_LABELS: &str =
    r"^(?:d\.?o\.?b|date[ _-]of|birth|born|geb|fecha|nac|nat|data d|nasc|ne|date de n|fod|uro)";

/// Secrets known by their own shape, whatever stands before them.
pub(super) const SECRETS: &str = r"\b(?:(?i:AKIA|ASIA)(?i:[A-Z0-9]{16})\b|(?i:gh[pousr]_[A-Z0-9]{30,})|(?i:github_pat_[A-Z0-9_]{22,})|glpat-[A-Za-z0-9_-]{20,}|sk-(?:proj-|ant-|or-|svcacct-)?[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|xox[abeoprs]-[A-Za-z0-9-]{10,}|AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|dop_v1_[a-f0-9]{64}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)|-----BEGIN [A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----|://[^\s:/@]{1,64}:[^\s:/@]{1,128}@[a-zA-Z0-9.-]{0,253}";

/// Words that announce a card.
pub(super) const CARD: &str = "card|cards|visa|master ?card|amex|american express|discover|diners|jcb|maestro|credit|debit|cc|pan|carte|tarjeta|karte|kreditkarte|carta|cartao|kaart|karta|kort";

/// Words that announce another long number: what follows a bare one is hardly a card.
pub(super) const OTHER_NUMBER: &str = "order|tracking|track|invoice|ticket|reference|ref|parcel|shipment|serial|imei|sku|isbn|ean|case|booking";

/// Words before a dotted number that make it a version.
pub(super) const VERSION: &str = "version|v|ver|release|build|firmware|driver|upgraded? to|update";

/// Words that announce a vehicle's number.
pub(super) const VEHICLE: &str =
    "vin|chassis|vehicle|fahrgestell(?:nummer)?|fin|bastidor|telaio|car";

/// An e-mail address spelled out, or with blanks around its sign. A plain ` at ` counts only with ` dot `.
pub(super) const SPELLED_EMAIL: &str = r"\b[a-z0-9][a-z0-9._%+-]{0,63} ?(?:@|\(at\)|\[at\]|\{at\}) ?[a-z0-9-]{1,63}(?: ?(?:\.|\(dot\)|\[dot\]| dot ) ?[a-z0-9-]{1,63}){0,3} ?(?:\.|\(dot\)|\[dot\]| dot ) ?[a-z]{2,12}\b|\b[a-z0-9][a-z0-9._%+-]{0,63} at [a-z0-9-]{1,63}(?: dot [a-z0-9-]{1,63}){0,3} dot [a-z]{2,12}\b";

/// A label right before a number that makes it no telephone.
pub(super) const OTHER_LABEL: &str = r"(?:^|[^a-z])(?:order|tracking|invoice|ticket|reference|ref|parcel|serial|sku|isbn|case|booking|account|acct|code|error|zip|passport|licen[cs]e|confirmation|confirmation email for|pin|price|total|amount|version)(?:[ _]?(?:number|num|no\.?|nr\.?|id|code))?[^a-z0-9]{0,4}(?:is|was)?[^a-z0-9]{0,3}(?:[a-z]{1,4}-)?$";
