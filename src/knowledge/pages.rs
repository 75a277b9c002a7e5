//! Sources as pages: Markdown whose headings are questions.
//!
//! Where any heading of a page ends with a question mark, such headings are the questions; else every heading with text
//! right beneath it is one, but for the page's title. The answer is the text as it is written, up to the next question
//! or the next heading that does not stand below. A comment that begins with `firstline` says more of an entry
//! (`questions`, `tags`, `language`, `valid_until`, `slots`) as YAML; no comment is ever part of an answer.

use super::section::{Problems, Section};
use super::source::{SourceProblem, Written};
use super::tree::{self, Kind, Node, Pair};
use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;

/// Every key of the front matter that is ours; a page may have others for whatever else reads it.
const KEYS: &[&str] = &[
    "name",
    "language",
    "tags",
    "valid_until",
    "slots",
    "headings",
];
/// What an entry's comment may say.
const COMMENT_KEYS: &[&str] = &["questions", "tags", "language", "valid_until", "slots"];
/// The longest id that is made of a heading.
const LONGEST_ID: usize = 64;

struct Heading {
    level: HeadingLevel,
    text: String,
    id: Option<String>,
    at: Range<usize>,
}

/// A page taken apart.
struct Page<'a> {
    text: &'a str,
    headings: Vec<Heading>,
    comments: Vec<Range<usize>>,
}

/// Which headings are questions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    Questions,
    All,
}

/// Reads a page.
pub(super) fn read(text: &str, problems: &mut Problems) -> Option<Written> {
    let (front, body) = front_matter(text);
    let source = front.map(|front| matter(front, problems));
    let source = source.flatten().unwrap_or(Node {
        line: 1,
        kind: Kind::Map(Vec::new()),
    });
    let which = which(&source, problems);
    // The front matter is blanked out, so that every place in the page keeps its line.
    let page = Page::of(text, body);
    let entries = page.entries(which, problems);
    Some(Written { source, entries })
}

/// The text between two lines of `---` at the top, and where the page begins behind it.
fn front_matter(text: &str) -> (Option<&str>, usize) {
    let first = text.lines().next().unwrap_or_default();
    if first.trim_end() != "---" {
        return (None, 0);
    }
    let start = text.find('\n').map_or(text.len(), |at| at + 1);
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return (Some(&text[start..at]), at + line.len());
        }
        at += line.len();
    }
    (None, 0)
}

fn matter(front: &str, problems: &mut Problems) -> Option<Node> {
    if front.trim().is_empty() {
        return None;
    }
    let mut node = match tree::yaml(front) {
        Ok(node) => node,
        Err((line, message)) => {
            problems.push(SourceProblem::new(line.map(|line| line + 1), "", message));
            return None;
        }
    };
    node.move_down(1);
    let section = Section::of(&node, "", problems)?;
    // A key that is nearly one of ours is a slip; others belong to whatever else reads the page.
    for pair in section.pairs() {
        let near = |known: &&&str| (1..=2).contains(&strsim::damerau_levenshtein(known, &pair.key));
        let own = KEYS.contains(&pair.key.as_str());
        if let Some(meant) = KEYS
            .iter()
            .find(near)
            .filter(|_| !own && pair.key.len() > 3)
        {
            let message = format!("the key is not known; did you mean `{meant}`?");
            problems.push(SourceProblem::new(pair.line, pair.key.clone(), message));
        }
    }
    Some(node)
}

fn which(source: &Node, problems: &mut Problems) -> Option<Which> {
    let section = Section::of(source, "", problems)?;
    match section.text("headings", problems)? {
        "questions" => Some(Which::Questions),
        "all" => Some(Which::All),
        _ => {
            section.wrong("headings", "write `questions` or `all`", problems);
            None
        }
    }
}

impl<'a> Page<'a> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "of the many things on a page four matter here"
    )]
    fn of(text: &'a str, body: usize) -> Self {
        let mut page = Self {
            text,
            headings: Vec::new(),
            comments: Vec::new(),
        };
        let options = Options::ENABLE_HEADING_ATTRIBUTES | Options::ENABLE_TABLES;
        let events = Parser::new_ext(&text[body..], options).into_offset_iter();
        let (mut depth, mut open) = (0_usize, None);
        for (event, at) in events {
            let at = at.start + body..at.end + body;
            match event {
                Event::Start(Tag::Heading { level, id, .. }) if depth == 0 => {
                    open = Some(Heading {
                        level,
                        text: String::new(),
                        id: id.map(|id| id.to_string()),
                        at,
                    });
                }
                Event::End(TagEnd::Heading(_)) if depth == 0 => page.headings.extend(open.take()),
                Event::Start(Tag::HtmlBlock) => {
                    depth += 1;
                    page.comment(at);
                }
                Event::InlineHtml(_) => page.comment(at),
                Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item) => depth += 1,
                Event::End(
                    TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::Item | TagEnd::HtmlBlock,
                ) => depth = depth.saturating_sub(1),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut open {
                        heading.text.push_str(&part);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some(heading) = &mut open {
                        heading.text.push(' ');
                    }
                }
                _ => {}
            }
        }
        page
    }

    /// Notes a place that holds a comment and nothing else.
    fn comment(&mut self, at: Range<usize>) {
        let html = self.text[at.clone()].trim();
        if html.starts_with("<!--") && html.ends_with("-->") {
            self.comments.push(at);
        }
    }

    fn entries(&self, which: Option<Which>, problems: &mut Problems) -> Vec<(String, Node)> {
        let asks = |heading: &Heading| is_question(&heading.text);
        let usual = if self.headings.iter().any(asks) {
            Which::Questions
        } else {
            Which::All
        };
        let which = which.unwrap_or(usual);
        let mut entries = Vec::new();
        let mut next = 0;
        while let Some(heading) = self.headings.get(next) {
            let at = next;
            next += 1;
            if !self.is_entry(at, which, problems) {
                continue;
            }
            let end = self.end_of(at, which);
            entries.push(self.entry(heading, end, problems));
            let within = |heading: &&Heading| heading.at.start < end;
            next += self.headings[next..].iter().take_while(within).count();
        }
        entries
    }

    fn is_entry(&self, at: usize, which: Which, problems: &mut Problems) -> bool {
        let heading = &self.headings[at];
        if which == Which::Questions {
            return is_question(&heading.text);
        }
        let first_level = |heading: &&Heading| heading.level == HeadingLevel::H1;
        let only = self.headings.iter().filter(first_level).count() == 1;
        let title = at == 0 && heading.level == HeadingLevel::H1 && only && self.headings.len() > 1;
        let next = self.headings.get(at + 1);
        let end = next.map_or(self.text.len(), |next| next.at.start);
        let empty = self.without_comments(heading.at.end..end).is_empty();
        let leads = next.is_some_and(|next| next.level > heading.level);
        if empty && !leads && !title {
            let message =
                "there is no text beneath this heading; write the answer, or leave the heading out";
            problems.push(SourceProblem::new(self.line(heading.at.start), "", message));
        }
        !title && !empty
    }

    /// Where the answer of a heading ends.
    fn end_of(&self, at: usize, which: Which) -> usize {
        let level = self.headings[at].level;
        let ends = |next: &&Heading| {
            next.level <= level || which == Which::Questions && is_question(&next.text)
        };
        let next = self.headings[at + 1..].iter().find(ends);
        next.map_or(self.text.len(), |next| next.at.start)
    }

    fn entry(&self, heading: &Heading, end: usize, problems: &mut Problems) -> (String, Node) {
        let line = self.line(heading.at.start);
        let question = heading.text.trim();
        let id = heading.id.clone().unwrap_or_else(|| slug(question));
        let id = if id.is_empty() {
            let message =
                "no id can be made of this heading; write one behind it: `## … {#returns}`";
            problems.push(SourceProblem::new(line, "", message));
            format!("line-{line}")
        } else {
            id
        };
        let mut questions = vec![Node::text(line, question)];
        let body = heading.at.end..end;
        let mut pairs = Vec::new();
        for comment in self.comments.iter().filter(|at| within(at, &body)) {
            for pair in self.said_in(comment, problems) {
                if pair.key != "questions" {
                    pairs.push(pair);
                } else if let Kind::List(more) = pair.value.kind {
                    questions.extend(more);
                } else {
                    questions.push(pair.value);
                }
            }
        }
        let answer = self.without_comments(body);
        let kind = Kind::List(questions);
        for (key, value) in [
            ("id", Node::text(line, id)),
            ("questions", Node { line, kind }),
            ("answer", Node::text(line, answer)),
        ] {
            let key = key.to_owned();
            pairs.push(Pair { key, line, value });
        }
        let kind = Kind::Map(pairs);
        (format!("\"{question}\""), Node { line, kind })
    }

    /// The keys of a comment that begins with `firstline`.
    fn said_in(&self, at: &Range<usize>, problems: &mut Problems) -> Vec<Pair> {
        let comment = self.text[at.clone()].trim();
        let inner = comment.strip_prefix("<!--").unwrap_or_default();
        let inner = inner.strip_suffix("-->").unwrap_or_default();
        let Some(said) = inner.trim_start().strip_prefix("firstline") else {
            return Vec::new();
        };
        let said = said.strip_prefix(':').unwrap_or(said);
        let began = said.as_ptr() as usize - self.text.as_ptr() as usize;
        let line = self.line(began);
        let mut node = match tree::yaml(said) {
            Ok(node) => node,
            Err((inner, message)) => {
                let line = inner.map_or(line, |inner| line + inner - 1);
                problems.push(SourceProblem::new(line, "", message));
                return Vec::new();
            }
        };
        node.move_down(line - 1);
        if let Some(section) = Section::of(&node, "", problems) {
            section.refuse_unknown(COMMENT_KEYS, problems);
        }
        let Kind::Map(mut pairs) = node.kind else {
            return Vec::new();
        };
        pairs.retain(|pair| COMMENT_KEYS.contains(&pair.key.as_str()));
        pairs
    }

    /// A part of the page as it is written, comments taken out, trimmed.
    fn without_comments(&self, at: Range<usize>) -> String {
        let mut text = String::with_capacity(at.len());
        let mut from = at.start;
        for comment in self.comments.iter().filter(|comment| within(comment, &at)) {
            text.push_str(&self.text[from..comment.start]);
            from = comment.end;
        }
        text.push_str(&self.text[from..at.end]);
        text.trim().to_owned()
    }

    /// The line of a place, from 1.
    fn line(&self, at: usize) -> u64 {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        breaks as u64 + 1
    }
}

fn within(inner: &Range<usize>, outer: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

fn is_question(heading: &str) -> bool {
    let marks = ['?', '\u{ff1f}', '\u{61f}'];
    heading.trim_end().ends_with(marks)
}

/// An id made of a heading: `how-long-do-i-have`; cut between words where it gets too long.
fn slug(heading: &str) -> String {
    let plain: String = heading.nfkd().flat_map(char::to_lowercase).collect();
    let spelled = [('ø', "o"), ('æ', "ae"), ('ß', "ss"), ('ł', "l"), ('đ', "d")];
    let mut slug = String::new();
    for letter in plain.chars() {
        let spelled = spelled.iter().find(|(from, _)| *from == letter);
        match spelled {
            Some((_, to)) => slug.push_str(to),
            None if letter.is_ascii_alphanumeric() => slug.push(letter),
            // Accents stand by themselves after decomposition, and apostrophes part no words.
            None if unicode_normalization::char::is_combining_mark(letter) => {}
            None if matches!(letter, '\'' | '\u{2019}') => {}
            None if slug.is_empty() || slug.ends_with('-') => {}
            None => slug.push('-'),
        }
    }
    if slug.len() > LONGEST_ID {
        let cut = slug[..=LONGEST_ID].rfind('-').unwrap_or(LONGEST_ID);
        slug.truncate(cut);
    }
    slug.trim_end_matches('-').to_owned()
}
