//! May one answer serve two questions? A learned score, and guards that can only refuse.
//!
//! Promises: pure, no clock and no I/O; the verdict is the same whichever question came first; whatever a guard
//! refuses is refused whatever the score, and the verdict names the guard. A guard looks at what a cosine cannot see:
//! one number, one name, one `not`. Never keeps or repeats a text outside [`Question`].

mod alike;
mod contrasts;
mod features;
mod guards;
mod head;
mod numbers;
mod wording;

pub use features::{Features, NAMES, of as features};
pub use guards::{Guard, refused_by};
pub use head::{Head, HeadError, Judged, Question, THRESHOLD, Verdict};
pub use wording::Wording;

#[cfg(test)]
pub(crate) mod test_head;
#[cfg(test)]
mod tests;
