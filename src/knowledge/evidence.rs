//! How likely the closest entry is the right one: one function of a few numbers, so that a better one can take its place.

/// What is known of the closest entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features {
    /// Closeness in meaning; `None` where there was no embedding.
    pub(super) meaning: Option<Feature>,
    /// The share of the question's words, by their weight, that the entry holds.
    pub(super) words: Feature,
}

/// A value of the closest entry, and by how much it is ahead of its best rival's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Feature {
    pub(super) value: f32,
    pub(super) lead: f32,
}

/// How a value and its lead count.
struct Weights {
    value: f32,
    lead: f32,
}

// The constants below were found by `models/train/fit_search.py` with the shipped encoder, on approved-answer files
// drawn from those rows of the public data sets Bitext, CLINC150 and DSTC9 that the encoder never saw (logistic regression
// on whether the closest entry is the right one); its head says how to run it. Another encoder needs another fit. No
// question of the demo shop had a part.

const BOTH_BIAS: f32 = -5.583;
const BOTH_MEANING: Weights = Weights {
    value: 6.490,
    lead: 10.542,
};
const BOTH_WORDS: Weights = Weights {
    value: 4.581,
    lead: 8.890,
};
const ALONE_BIAS: f32 = -3.082;
const ALONE_WORDS: Weights = Weights {
    value: 7.609,
    lead: 21.812,
};

/// Fitted P(the closest entry answers the question), 0 to 1.
pub(super) fn score(features: &Features) -> f32 {
    let evidence = match features.meaning {
        Some(meaning) => BOTH_BIAS + BOTH_MEANING.weigh(meaning) + BOTH_WORDS.weigh(features.words),
        None => ALONE_BIAS + ALONE_WORDS.weigh(features.words),
    };
    1.0 / (1.0 + (-evidence).exp())
}

impl Weights {
    fn weigh(&self, feature: Feature) -> f32 {
        self.value * feature.value + self.lead * feature.lead
    }
}

impl Feature {
    /// The top's value among all, and its lead over the best rival; over nothing where there is none.
    pub(super) fn of(values: &[f32], rivals: &[bool], top: usize) -> Self {
        let value = values.get(top).copied().unwrap_or_default();
        let best_rival = values
            .iter()
            .zip(rivals)
            .filter(|(_, rival)| **rival)
            .map(|(value, _)| *value)
            .reduce(f32::max);
        let lead = value - best_rival.unwrap_or_default();
        Self { value, lead }
    }
}
