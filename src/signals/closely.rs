//! The desk model's reading of what is asked, for a search among approved answers.

use super::Reader;
use super::reader::in_time;
use crate::domain::{ChatRequest, Closely, Passage, Signals};
use crate::inference::Encoding;
use std::sync::Arc;
use std::time::Duration;

impl Reader {
    /// Has the question, and what it may lean on, read by the desk model, and takes at most `deadline` for it. What is
    /// not read in time stays as it was: a search then goes by the other signals.
    pub async fn read_closely(
        &self,
        request: &ChatRequest,
        mut signals: Signals,
        deadline: Duration,
    ) -> Signals {
        let Some(model) = &self.desk_model else {
            return signals;
        };
        let earlier = &mut signals.earlier;
        let question = earlier.alone.is_none().then(|| request.question().into());
        let read = async |text: Option<Arc<str>>| {
            let encoding = model.encode(text?);
            closely(&in_time(deadline, encoding).await?).map(Arc::new)
        };
        let passage = async |passage: &mut Option<Passage>| {
            if let Some(passage) = passage {
                passage.closely = read(Some(passage.text.clone())).await;
            }
        };
        let (closely, ..) = tokio::join!(
            read(question),
            passage(&mut earlier.alone),
            passage(&mut earlier.together),
            passage(&mut earlier.before),
            passage(&mut earlier.asked_back),
        );
        earlier.closely = closely;
        signals
    }
}

/// `None` where the text is too long to be read word by word.
pub fn closely(encoding: &Encoding) -> Option<Closely> {
    let scores = encoding.scores.as_ref()?;
    let rows: Vec<&[f32]> = scores.rows().map(|(_, row)| row).collect();
    Closely::new(encoding.embedding.clone(), rows.into_iter())
}
