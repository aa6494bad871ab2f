//! The integration tests: one binary, real HTTP on loopback, a real Redis, real MP4s.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop, wherever it is")]

mod broken_off;
mod broker;
mod commit;
#[cfg(target_os = "linux")]
mod container;
mod corpus;
mod cutter;
mod doctor;
mod e2e;
mod flow;
mod guide;
mod http;
mod klap;
mod metrics;
mod moving;
mod openapi;
mod operator;
mod outbound;
mod pages;
mod postgres;
mod program;
mod properties;
mod regions;
mod released;
mod sdk;
mod signature;
mod source;
mod store;
mod supabase;
mod support;
mod tls;
mod vercel;
mod wire;
