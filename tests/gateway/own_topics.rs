//! An operator's own topics while requests are served.

use crate::support::{Gateway, chat, new_folder, until};
use std::fs;

/// Two desks with an answer each to the same question; the topic says which is asked. The deadline is long, because a
/// topic that was not measured in time is none.
const DESKS: &str = "encoder: {deadline: 30s}
topics: {file: topics.yaml, built_in: false}
models:
  - {name: early, tier: local, knowledge: [early.yaml]}
  - {name: late, tier: local, knowledge: [late.yaml]}
routes:
  - {when: {topic: [hours]}, use: [early]}
  - {use: [late]}
";

const ABOUT_HOURS: &str = "hours:
  - when do you open
  - what are your opening hours
  - are you open on Sunday
  - until when is the shop open
  - opening times please
";

const ABOUT_SAILS: &str = "hours:
  - my sail is torn
  - can you mend the sail of a boat
  - which sail fits a small boat
  - the mast and the sail are gone
  - a new sail for my old boat
";

#[tokio::test]
async fn topics_by_example_are_routed_by_and_a_change_of_their_file_is_taken() {
    let folder = new_folder();
    for (name, answer) in [("early", "Nine to five."), ("late", "Ask Bo.")] {
        let text = format!(
            "version: 1\nname: {name}\nlanguage: en\nentries:\n  - {{id: a, questions: [\"What are your opening hours?\"], answer: {answer}}}\n"
        );
        fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
    }
    fs::write(folder.join("topics.yaml"), ABOUT_HOURS).unwrap();
    let gateway = Gateway::start_in(folder, DESKS, |_| {});
    let answer = async || {
        let reply = chat(&gateway, "What are your opening hours?").await.json();
        reply["choices"][0]["message"]["content"].clone()
    };
    assert_eq!(answer().await, "Nine to five.");
    fs::write(gateway.folder.join("topics.yaml"), ABOUT_SAILS).unwrap();
    gateway.signal("HUP");
    until("the other topic", async || {
        (answer().await == "Ask Bo.").then_some(())
    })
    .await;
    // What cannot be used is refused, and the topics stay as they are.
    fs::write(gateway.folder.join("topics.yaml"), "hours: [one]\n").unwrap();
    gateway.signal("HUP");
    until("the refusal", async || {
        gateway.log().contains("topics.yaml:1: hours").then_some(())
    })
    .await;
    assert_eq!(answer().await, "Ask Bo.");
}
