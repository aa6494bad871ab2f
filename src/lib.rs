//! Dependable video-to-clips jobs. A request becomes a job and a first message in one atomic write; the message comes back
//! as a verified push; one step runs; its answer moves a pure state machine; the new state and the next message are
//! written together, then published, then acknowledged.
//!
//! In reading order: what a job is ([`job`]), what each kind does ([`kinds`]), how a job moves ([`flow`]), where it rests
//! ([`store`]), whom we call ([`services`]), how the world reaches us ([`http`]), who answers locally ([`embedded`]), and
//! how it is put together ([`config`], [`app`], [`cli`]). What all of them tell of themselves is named in one place ([`measure`]).

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod doctor;
#[cfg(feature = "local")]
pub mod embedded;
pub mod flow;
pub mod http;
pub mod job;
pub mod kinds;
pub mod measure;
pub mod sabotage;
pub mod services;
pub mod setup;
pub mod store;
pub mod telemetry;
