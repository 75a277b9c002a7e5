//! Tokens that one answer used.

/// Tokens read and written for one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Of the input, those that the provider had cached.
    pub cached_input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Of the output, those spent on reasoning.
    pub reasoning: u64,
    /// True when nobody told us and these were estimated from the text's length.
    pub estimated: bool,
}

impl Usage {
    /// Tokens estimated from a text's length in bytes: one for every four bytes, rounded up.
    ///
    /// The common rule of thumb for English; an upper bound is not promised.
    pub fn estimate_tokens(bytes: usize) -> u64 {
        bytes.div_ceil(4) as u64
    }

    /// Input and output together.
    pub fn total(&self) -> u64 {
        self.input + self.output
    }
}
