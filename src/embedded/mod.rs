//! Who answers locally.
pub mod broker;
pub mod cutter;
pub mod klap;
pub mod supabase;
