//! What black-box tests share: a gateway process, a stand-in provider, and a client that sees every byte.

mod client;
mod flows;
pub(crate) mod frames;
mod gateway;
mod program;
mod safety;
mod stand_in;

pub(crate) use client::{Reply, ask, ask_at, chat, chat_body, raw};
pub(crate) use flows::{
    Flow, Hand, Speaker, client, datas, fault_or_none, get, journal_ok, post, post_at, remote_at,
    stream_body, until,
};
pub(crate) use gateway::{Gateway, new_folder, records};
pub(crate) use program::{Ran, repository, run, run_with};
pub(crate) use safety::{
    Seeded, Sender, Tap, answering, by_hand, hello, holds, one, reloaded, status_of, two,
};
pub(crate) use stand_in::{Act, StandIn, completion, events};
