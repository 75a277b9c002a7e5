//! Words that exclude each other: asked with one, a question is not the question asked with another.

use super::wording::Wording;
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// One group a line, its classes between bars. Two questions that both touch a group must touch the same classes.
const GROUPS: &str = "\
on | off
up | down
in | out
enable activate | disable deactivate
open reopen | close shut
lock | unlock
start begin resume | stop end pause
increase raise higher more longer faster larger | decrease reduce lower less fewer shorter slower smaller
above over | below under
before prior | after following
early earlier earliest | late later latest
first | last final
next upcoming | last previous prior past
left | right
add include insert | remove delete exclude
create make register | delete erase
cancel cancellation abort | keep retain reinstate
accept approve allow | reject decline deny forbid refuse
subscribe | unsubscribe
install | uninstall
connect | disconnect
login signin | logout signout
send sent sending | receive received receiving
lend | borrow
buy | sell
deposit | withdraw withdrawal
credit | debit
checking | savings saving
win won | lose lost
pass passed | fail failed
love | hate dislike
best better | worst worse
cheap cheaper cheapest | expensive dearest
minimum min least fewest lowest smallest | maximum max most highest largest
old older oldest | new newer newest
hot hotter hottest warm | cold colder coldest cool
always | never | sometimes
everyone everybody all | nobody none
public | private
domestic | international abroad overseas
incoming inbound | outgoing outbound
arrive arrival arriving | depart departure leave
male man men boy husband father brother | female woman women girl wife mother sister
visa | mastercard | amex | discover | paypal
iphone ipad ios | android | windows | mac macos | linux
breakfast | lunch | dinner | brunch
morning | noon | afternoon | evening | night tonight | midnight
today | tomorrow | yesterday
monday | tuesday | wednesday | thursday | friday | saturday | sunday | weekend
january | february | march | april | june | july | august | september | october | november | december
spring | summer | autumn fall | winter
hourly | daily | weekly | monthly | quarterly | yearly annual annually
second seconds | minute minutes | hour hours | day days | week weeks | month months | year years
celsius | fahrenheit
kilometer kilometers km | mile miles
pound pounds lbs | kilogram kilograms kg
usd dollar dollars | eur euro euros | gbp | yen | inr rupees
english | spanish | french | german | italian | japanese | chinese | portuguese | russian | korean | arabic | hindi
red | blue | green | yellow | black | white | purple | orange | pink | brown | grey gray
north | south | east | west
small | medium | large
standard basic regular | premium platinum gold silver pro freemium free
platinum | gold | silver | pro | freemium | premium | standard
personal consumer | business corporate
full | empty partial
mute | unmute
male | female
with | without
import | export
upload | download
encrypt | decrypt
sync | unsync
pick | drop
near nearby closest nearest | far farthest
inside indoor | outside outdoor
true | false
safe | dangerous unsafe
legal | illegal
possible | impossible
son | daughter | mother | father | brother | sister | boss
cat cats | dog dogs
coffee | tea
car | bike bicycle | motorcycle | truck | bus | train | plane flight | boat
";

/// Beginnings that turn a word into its opposite.
const OPPOSING: [&str; 9] = ["un", "dis", "in", "im", "ir", "il", "non", "de", "mis"];

/// Where each word stands: its groups, and its classes in them as bits.
static TABLE: LazyLock<HashMap<&'static str, Vec<(usize, u32)>>> = LazyLock::new(|| {
    let mut table: HashMap<&'static str, Vec<(usize, u32)>> = HashMap::new();
    for (group, line) in GROUPS.lines().enumerate() {
        for (class, words) in line.split('|').enumerate() {
            for word in words.split_whitespace() {
                table.entry(word).or_default().push((group, 1 << class));
            }
        }
    }
    table
});

/// The sides that words take: for each group that they touch, its classes as bits.
pub(super) fn sides(words: &[String], subject: &[String]) -> BTreeMap<usize, u32> {
    let mut taken = BTreeMap::new();
    for (group, class) in words
        .iter()
        .chain(subject)
        .filter_map(|word| TABLE.get(word.as_str()))
        .flatten()
    {
        *taken.entry(*group).or_default() |= class;
    }
    taken
}

/// True when the two use different sides of one contrast.
pub(super) fn contrast(a: &Wording, b: &Wording) -> bool {
    let differs =
        |(group, classes): (&usize, &u32)| b.sides.get(group).is_some_and(|other| other != classes);
    a.sides.iter().any(differs) || opposed(a, b) || opposed(b, a)
}

/// True when `b` has `un` and a word that `a` has, and `a` has it without `un` alone.
fn opposed(a: &Wording, b: &Wording) -> bool {
    let turned = |word: &String| {
        let rest = OPPOSING.iter().find_map(|start| word.strip_prefix(start));
        rest.is_some_and(|rest| rest.len() >= 3 && a.has(rest)) && !a.has(word)
    };
    b.subject.iter().any(turned)
}
