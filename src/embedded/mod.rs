//! Who answers locally: real HTTP servers that speak the vendors' protocols, for development, demonstrations and tests.
//! They know the vendors' wire shapes and nothing of jobs.

pub mod broker;
pub mod cutter;
pub mod klap;
mod own_name;
pub mod sandbox;
pub mod supabase;
