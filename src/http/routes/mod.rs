//! The handlers, by whom they serve.

pub(in crate::http) mod admin;
pub(in crate::http) mod clips;
pub(in crate::http) mod cron;
pub(in crate::http) mod deliveries;
pub(in crate::http) mod documents;
pub(in crate::http) mod events;
pub(in crate::http) mod health;
pub(in crate::http) mod jobs;
pub(in crate::http) mod list;
pub(in crate::http) mod metrics;
pub(in crate::http) mod page;
