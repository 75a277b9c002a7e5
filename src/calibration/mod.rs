//! The promise about local answers: from judged answers to a threshold, and from later ones to whether it was kept.
//!
//! A promise is `P(answer not good enough | answered locally) <= max_local_error`, and it is kept with the stated
//! confidence over the draw of the outcomes that the threshold was chosen from. Promises: the guarantee holds for every
//! number of outcomes and every shape of the error curve, as long as the outcomes are independent draws of the traffic
//! that the threshold will meet; where no threshold can be vouched for, it says so. Pure: no I/O, no clock, no lot that
//! is not fixed beforehand.
//!
//! The method is Learn then Test (Angelopoulos, Bates, Candès, Jordan, Lei 2021, arXiv:2110.01052) with split fixed
//! sequence testing: see `choose`.

mod binomial;
mod check;
mod choose;
mod document;
mod outcome;

pub use check::{Held, Later, check};
pub use choose::{Evidence, Found, Rows, calibrate};
pub use document::{Document, DocumentError, Fit, MeasuredBy};
pub use outcome::{Judged, Promise, PromiseError};

#[cfg(test)]
mod tests;
