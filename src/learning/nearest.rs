//! Topics by example utterances, with no training step: the nearest centre.

use super::LearnError;
use super::scores::lower_bound;
use super::topics::FALSE_ALARMS;
use crate::signals::{TopicNumbers, cosine, surest, typicality};
use std::collections::BTreeMap;
use std::sync::Arc;

/// With fewer utterances of a topic nothing says how much they differ.
pub const FEWEST_UTTERANCES: usize = 2;

/// What cosines are divided by before the softmax. Cosines of one topic's texts differ by about 0.1.
const TEMPERATURE: f64 = 0.1;

/// Topics from the embeddings of their utterances (unit length, all of one length).
///
/// Each utterance is compared with the centre of the others of its topic; the threshold is passed by all but one in
/// twenty of them.
pub fn topics_by_example(
    utterances: &BTreeMap<Arc<str>, Vec<Arc<[f32]>>>,
) -> Result<TopicNumbers, LearnError> {
    let few = utterances
        .iter()
        .find(|(_, texts)| texts.len() < FEWEST_UTTERANCES);
    if let Some((topic, _)) = few {
        return Err(LearnError::TooFew(format!(
            "topic `{topic}` has fewer than {FEWEST_UTTERANCES} utterances; five to twenty are better"
        )));
    }
    let centres: Vec<Vec<f32>> = utterances
        .values()
        .map(|texts| centre(texts.iter().map(|text| &**text)))
        .collect();
    let mut typical = Vec::new();
    for (topic, texts) in utterances.values().enumerate() {
        for (place, text) in texts.iter().enumerate() {
            let others = texts
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != place);
            let own = centre(others.map(|(_, text)| &**text));
            typical.push(typicality_without(topic, &own, text, &centres));
        }
    }
    Ok(TopicNumbers {
        labels: utterances.keys().map(ToString::to_string).collect(),
        weights: centres.clone(),
        bias: vec![0.0; centres.len()],
        temperature: TEMPERATURE as f32,
        centres,
        none_threshold: lower_bound(&typical, FALSE_ALARMS) as f32,
    })
}

/// How typical an utterance would be of whatever topic it got, had it not been an example itself.
fn typicality_without(topic: usize, own: &[f32], text: &[f32], centres: &[Vec<f32>]) -> f64 {
    let near: Vec<f64> = centres
        .iter()
        .enumerate()
        .map(|(place, centre)| cosine(if place == topic { own } else { centre }, text))
        .collect();
    surest(&near, TEMPERATURE).map_or(f64::NEG_INFINITY, |(best, confidence)| {
        typicality(near[best], confidence)
    })
}

/// The mean direction of some vectors, unit length; no direction at all where they cancel out.
pub(super) fn centre<'a>(vectors: impl Iterator<Item = &'a [f32]>) -> Vec<f32> {
    let mut sum: Vec<f64> = Vec::new();
    for vector in vectors {
        sum.resize(vector.len(), 0.0);
        sum.iter_mut()
            .zip(vector)
            .for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let length = sum.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
    sum.iter().map(|x| (x / length) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inference::{DeterministicEngine, Engine};
    use crate::signals::OwnTopics;

    const DIMENSION: usize = 256;

    fn embed(text: &str) -> Arc<[f32]> {
        DeterministicEngine::new(DIMENSION)
            .encode(text)
            .unwrap()
            .embedding
    }

    fn topics() -> BTreeMap<Arc<str>, Vec<Arc<[f32]>>> {
        let billing = [
            "why is my bill so high",
            "my bill has a wrong amount",
            "explain my bill to me",
        ];
        let legal = [
            "is this contract valid",
            "send me the contract terms",
            "which law is the contract under",
        ];
        let all = [("billing", billing), ("legal", legal)];
        all.into_iter()
            .map(|(name, texts)| (name.into(), texts.map(embed).to_vec()))
            .collect()
    }

    #[test]
    fn a_text_like_the_examples_gets_their_topic_and_another_gets_none() {
        let numbers = topics_by_example(&topics()).unwrap();
        let topics = OwnTopics::new(numbers, DIMENSION).unwrap();
        let label = |text| topics.best(&embed(text)).label;
        assert_eq!(label("is my bill wrong").as_deref(), Some("billing"));
        assert_eq!(
            label("explain the contract terms").as_deref(),
            Some("legal")
        );
        assert_eq!(label("weather tomorrow in Lisbon"), None);
    }

    #[test]
    fn one_utterance_is_no_topic() {
        let mut all = topics();
        all.insert("lonely".into(), vec![embed("hello")]);
        let error = topics_by_example(&all).unwrap_err().to_string();
        assert!(error.contains("`lonely`"), "{error}");
    }
}
