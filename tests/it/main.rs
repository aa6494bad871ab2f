//! The integration tests: one binary, real HTTP on loopback, a real Redis, real MP4s.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop, wherever it is")]

mod broker;
mod corpus;
mod cutter;
mod e2e;
mod flow;
mod http;
mod klap;
mod openapi;
mod outbound;
mod pages;
mod program;
mod properties;
mod sdk;
mod signature;
mod source;
mod store;
mod supabase;
mod support;
mod tls;
mod wire;
