//! `firstline learn`: your own topics, and what is too hard for the local tier.

use super::serve::{places, runtime, settings};
use super::{Learn, show};
use crate::app::{self, Learning};
use std::collections::BTreeSet;
use std::io::IsTerminal;

/// How often a person who waits is told.
const EVERY: usize = 100;

pub(super) fn learn(asked: &Learn) -> anyhow::Result<bool> {
    let settings = settings(asked.config.as_deref())?;
    let measuring = app::measuring(&settings.encoder, &BTreeSet::new(), true, &places())?;
    let learning = Learning {
        examples: &asked.examples,
        output: &asked.output,
    };
    let learned = runtime()?.block_on(app::learn(learning, &measuring, &progress));
    measuring.join();
    let learned = learned?;
    if asked.json {
        show::json(&learned.scores());
    } else {
        let folder = asked.output.display();
        show::line(&learned.report());
        show::line(&format!(
            "\nwritten to {folder}; name it in the configuration: topics: {{learned: {folder}}}"
        ));
    }
    Ok(true)
}

fn progress(done: usize, of: usize) {
    if std::io::stderr().is_terminal() && (done == of || done.is_multiple_of(EVERY)) {
        show::progress(&format!("{done} of {of} texts embedded"));
    }
}
