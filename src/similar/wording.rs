//! A question taken apart: normal words, the numbers in it, what is denied, what is asked.

use super::alike::stem;
use super::{contrasts, numbers};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

/// Longer questions are not compared: an answer to a page of text is an answer to that page.
const LONGEST_BYTES: usize = 2_000;

/// English words that are written small where text is written with care; made by `models/train/similar.py words`.
static COMMON: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    include_str!("common_words.txt")
        .split_whitespace()
        .collect()
});

/// Words that carry no subject of their own.
const LIGHT: &str = "a an the this that these those i me my mine you your yours we us our he him his she her it its \
they them their am is are was were be been being do does did done doing have has had having will would shall should \
can could may might must to of in on at by for with from about into as and or but if so than then there here what \
which who whom whose when where why how not no never please kindly thanks thank hi hello hey just really actually \
some any all also too very much many more most up out off over under again get got want need like know help tell \
let one ones s t d ll m re ve ok okay yes yeah sorry now right go way trying try fucking fuckin goddamn damn bloody freaking";

/// Their stems, so that an inflection that no list has is still a common word.
static COMMON_STEMS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| COMMON.iter().map(|word| stem(word)).collect());

/// Everyday words of support that are long enough to be known again when a letter is wrong.
const FREQUENT: &str = "access account accounts address addresses against article articles asking assist assistance available billing \
bought calling cancel canceling cancellation cannot change changing charge charges check checking claim comment company \
compensation complaint consumer contact correct correcting corporate create creating customer damage delete deleting \
delivery different download editing error errors expect feedback filing information inform invoice invoices issue issues item \
locate making merchandise methods modify modifying newsletter notify obtain online opening operator option options order orders package \
password payment payments penalties penalty person policy possible problem problems processed product products profile \
purchase purchases receive reclamation recover refund refunds register registration reimbursement reimbursements report \
reporting request reset restitution restore retrieve review secondary service services several shipment shipping shopping \
signing situations somebody someone speaking status submit submitting subscribe subscription support switch switching \
talking things tracking trouble trying understand unsubscribe updating update website withdrawal";

static FREQUENT_WORDS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    FREQUENT
        .split_whitespace()
        .filter(|word| word.len() >= SHORTEST_MENDED)
        .collect()
});

/// Shorter words are too near each other: one letter makes a city of another word.
const SHORTEST_MENDED: usize = 6;

static LIGHT_WORDS: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| LIGHT.split_whitespace().collect());

/// What stands for what, once the case and the apostrophes are settled.
const SPELLINGS: [(&str, &str); 58] = [
    ("can't", "can not"),
    ("cannot", "can not"),
    ("cant", "can not"),
    ("won't", "will not"),
    ("wont", "will not"),
    ("shan't", "shall not"),
    ("ain't", "is not"),
    ("dont", "do not"),
    ("doesnt", "does not"),
    ("didnt", "did not"),
    ("isnt", "is not"),
    ("arent", "are not"),
    ("wasnt", "was not"),
    ("werent", "were not"),
    ("hasnt", "has not"),
    ("havent", "have not"),
    ("hadnt", "had not"),
    ("couldnt", "could not"),
    ("wouldnt", "would not"),
    ("shouldnt", "should not"),
    ("mustnt", "must not"),
    ("neednt", "need not"),
    ("aint", "is not"),
    ("dunno", "do not know"),
    ("im", "i am"),
    ("ive", "i have"),
    ("id", "i would"),
    ("whats", "what is"),
    ("wheres", "where is"),
    ("hows", "how is"),
    ("whos", "who is"),
    ("whens", "when is"),
    ("thats", "that is"),
    ("theres", "there is"),
    ("let's", "let us"),
    ("wanna", "want to"),
    ("gonna", "going to"),
    ("gotta", "got to"),
    ("gimme", "give me"),
    ("lemme", "let me"),
    ("u", "you"),
    ("ur", "your"),
    ("ya", "you"),
    ("yo", "you"),
    ("r", "are"),
    ("pls", "please"),
    ("plz", "please"),
    ("thx", "thanks"),
    ("tho", "though"),
    ("cuz", "because"),
    ("w/o", "without"),
    ("w/", "with"),
    ("b4", "before"),
    ("acct", "account"),
    ("info", "information"),
    ("e-mail", "email"),
    ("log-in", "login"),
    ("sign-up", "signup"),
];

/// After these, `'s` is `is`; after others it says whose.
const BEFORE_IS: [&str; 14] = [
    "what", "where", "how", "who", "when", "why", "which", "that", "there", "here", "it", "he",
    "she", "this",
];

/// A question, read once; comparing two of them reads no text again.
#[derive(Debug, Clone, PartialEq)]
pub struct Wording {
    /// Every word in its normal form, numbers included.
    pub(super) words: Vec<String>,
    /// Stems of the words that carry the subject, in order.
    pub(super) subject: Vec<String>,
    /// The sides it takes in contrasts such as on and off.
    pub(super) sides: BTreeMap<usize, u32>,
    /// Numbers, codes, addresses of any kind, sorted.
    pub(super) values: Vec<String>,
    /// Words that no list of common words has, and capitalised ones, sorted.
    pub(super) names: Vec<String>,
    /// The question is over the length that is compared.
    pub(super) too_long: bool,
    /// It was written with a question mark at its end.
    pub(super) asks: bool,
}

/// One word as it was written and as it is compared.
struct Written {
    normal: String,
    capital: bool,
    /// Stands where a capital letter is a matter of course.
    opens: bool,
}

impl Wording {
    /// Reads a question.
    pub fn of(text: &str) -> Self {
        let too_long = text.len() > LONGEST_BYTES;
        let text = if too_long { "" } else { text };
        let written = split(text);
        let shouted = written.iter().filter(|word| word.capital).count() * 2 > written.len();
        let mut names: Vec<String> = written
            .iter()
            .filter(|word| is_name(word, shouted))
            .map(|word| word.normal.clone())
            .collect();
        names.sort_unstable();
        names.dedup();
        let plain: Vec<String> = written.into_iter().map(|word| word.normal).collect();
        let (words, mut values) = numbers::read(plain);
        values.sort_unstable();
        let carries = |word: &&String| !LIGHT_WORDS.contains(word.as_str()) && !is_value(word);
        let subject: Vec<String> = words
            .iter()
            .filter(carries)
            .map(|word| stem(word))
            .collect();
        Self {
            sides: contrasts::sides(&words, &subject),
            subject,
            words,
            values,
            names,
            too_long,
            asks: text.trim_end().ends_with('?'),
        }
    }

    /// What keeping it takes, in bytes, near enough.
    pub(super) fn bytes(&self) -> usize {
        let all = [&self.words, &self.subject, &self.values, &self.names];
        all.into_iter()
            .flatten()
            .map(|word| size_of::<String>() + word.len())
            .sum()
    }

    /// True where there is nothing to compare.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && !self.too_long
    }

    /// True when a word of this stem is in it.
    pub(super) fn has(&self, stem: &str) -> bool {
        self.subject.iter().any(|one| one == stem)
    }
}

/// True for a word that carries no subject.
pub(super) fn is_light(word: &str) -> bool {
    LIGHT_WORDS.contains(word)
}

/// True for a number, a code or an address.
pub(super) fn is_value(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) || word.contains('@') || word.contains("://")
}

/// True for a word of everyday English, or an inflection of one.
pub(super) fn is_common(word: &str) -> bool {
    COMMON.contains(word)
        || is_light(word)
        || numbers::is_number_word(word)
        || COMMON_STEMS.contains(&stem(word))
}

/// A word that nobody knows, as what it was meant to be: two words run together of which one is a small one, or a
/// frequent word with one slip of the pen.
fn mended(word: String) -> Vec<String> {
    if word.len() < 4 || !word.is_ascii() || is_value(&word) || is_common(&word) {
        return vec![word];
    }
    let parts = (1..word.len()).filter_map(|at| word.split_at_checked(at));
    let known = |part: &str| part.len() > 1 && is_common(part);
    let mut run_together = parts.filter(|(head, tail)| {
        (matches!(*head, "u" | "i") || (head.len() > 1 && is_light(head)))
            && known(tail)
            && tail.len() > 2
            || (known(head) && head.len() > 2 && tail.len() > 1 && is_light(tail))
    });
    if let Some((head, tail)) = run_together.next() {
        return vec![spelled(head), spelled(tail)];
    }
    let slip = |frequent: &&&str| strsim::osa_distance(frequent, &word) == 1;
    let meant = (word.len() >= SHORTEST_MENDED)
        .then(|| FREQUENT_WORDS.iter().find(slip))
        .flatten();
    vec![meant.map_or_else(|| word.clone(), |meant| (*meant).to_owned())]
}

/// A small word of one spelling.
fn spelled(word: &str) -> String {
    let meant = SPELLINGS
        .iter()
        .find(|(form, meant)| *form == word && !meant.contains(' '));
    meant.map_or(word, |(_, meant)| meant).to_owned()
}

fn is_name(word: &Written, shouted: bool) -> bool {
    let letters = word
        .normal
        .chars()
        .filter(|letter| letter.is_alphabetic())
        .count();
    if letters < 2 || is_value(&word.normal) || numbers::is_measure(&word.normal) {
        return false;
    }
    let unheard = letters >= 3 && !is_common(&word.normal);
    unheard || (word.capital && !word.opens && !shouted && !is_light(&word.normal))
}

/// Words of a text in their normal form: NFKC, small letters, plain quotes, contractions spelled out.
fn split(text: &str) -> Vec<Written> {
    let text: String = text.nfkc().map(plain_mark).collect();
    let mut words = Vec::new();
    let mut opens = true;
    for piece in
        text.split(|letter: char| letter.is_whitespace() || "()[]{}\"“”<>|;*…".contains(letter))
    {
        let closes = piece.ends_with(['.', '?', '!', ':']);
        let trimmed = piece
            .trim_matches(|letter: char| !letter.is_alphanumeric() && !"$€£¥₹%".contains(letter));
        let capital = trimmed.chars().next().is_some_and(char::is_uppercase);
        for normal in normal_forms(&trimmed.to_lowercase()) {
            words.push(Written {
                normal,
                capital,
                opens,
            });
        }
        opens = closes || (opens && trimmed.is_empty());
    }
    words
}

fn plain_mark(letter: char) -> char {
    match letter {
        '’' | '‘' | 'ʼ' | '`' | '´' => '\'',
        '–' | '—' | '‑' | '−' => '-',
        _ => letter,
    }
}

/// The words that one written word stands for.
fn normal_forms(word: &str) -> Vec<String> {
    if word.is_empty() {
        return Vec::new();
    }
    if let Some((_, meant)) = SPELLINGS.iter().find(|(form, _)| *form == word) {
        return meant.split(' ').map(str::to_owned).collect();
    }
    if word.contains('@') || word.contains("://") || word.starts_with("www.") {
        return vec![if word.contains('@') {
            word.to_owned()
        } else {
            format!("://{word}")
        }];
    }
    for (ending, meant) in [
        ("n't", "not"),
        ("'re", "are"),
        ("'ll", "will"),
        ("'ve", "have"),
        ("'m", "am"),
        ("'d", "would"),
    ] {
        if let Some(head) = word.strip_suffix(ending) {
            let mut forms = normal_forms(head);
            forms.push(meant.to_owned());
            return forms;
        }
    }
    let is_or_of = word.strip_suffix("'s");
    if let Some(head) = is_or_of.filter(|head| BEFORE_IS.contains(head)) {
        return vec![head.to_owned(), "is".to_owned()];
    }
    let word = is_or_of.unwrap_or(word);
    if is_value(word) {
        return numbers::pieces(word);
    }
    if word.is_empty() {
        return Vec::new();
    }
    word.split(|letter: char| !letter.is_alphanumeric() && !"$€£¥₹%".contains(letter))
        .flat_map(numbers::pieces)
        .flat_map(mended)
        .collect()
}
