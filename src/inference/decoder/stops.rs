//! Ends an answer at a stop text, even where tokens cut it.

/// Looks for stop texts in text that comes in pieces. Text that may yet become a stop text is held.
#[derive(Debug, Clone, Default)]
pub(super) struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What one more piece of text leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Passed {
    /// Text that may go out: what stands before a stop text, or can no longer be part of one.
    pub(super) text: String,
    /// A stop text was met; nothing follows.
    pub(super) stopped: bool,
}

impl StopMatcher {
    /// Empty stop texts would end every answer before its first letter; they are left out.
    pub(super) fn new(stops: Vec<String>) -> Self {
        let stops = stops.into_iter().filter(|stop| !stop.is_empty()).collect();
        Self {
            stops,
            held: String::new(),
        }
    }

    pub(super) fn push(&mut self, text: &str) -> Passed {
        self.held.push_str(text);
        if let Some(at) = self.first_stop() {
            self.held.truncate(at);
            return Passed {
                text: std::mem::take(&mut self.held),
                stopped: true,
            };
        }
        let rest = self.held.split_off(self.safe_length());
        Passed {
            text: std::mem::replace(&mut self.held, rest),
            stopped: false,
        }
    }

    /// What is still held when no text follows.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    fn first_stop(&self) -> Option<usize> {
        self.stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min()
    }

    /// Bytes before the longest ending that a stop text begins with.
    fn safe_length(&self) -> usize {
        let longest = self.stops.iter().map(String::len).max().unwrap_or(0);
        let from = self.held.len().saturating_sub(longest);
        let endings = (from..self.held.len()).filter(|at| self.held.is_char_boundary(*at));
        let mut begun = endings.filter(|at| self.begins_a_stop(&self.held[*at..]));
        begun.next().unwrap_or(self.held.len())
    }

    fn begins_a_stop(&self, ending: &str) -> bool {
        self.stops.iter().any(|stop| stop.starts_with(ending))
    }
}

#[cfg(test)]
#[path = "stops_tests.rs"]
mod tests;
