//! Whom we call: one folder per vendor, each a client with its wire shapes and its errors sorted at the edge. Which server
//! answers (the vendor's, or a stand-in) shows only in the address and the key.

pub mod identity;
pub mod klap;
pub mod outbound;
pub mod qstash;
pub mod source;
pub mod supabase;

/// Everyone a job may need.
pub struct Services {
    pub qstash: qstash::QStash,
    pub klap: klap::Klap,
    pub supabase: supabase::Supabase,
    /// Fetches what a vendor's reply points at.
    pub source: source::Source,
    /// Which addresses in requests and replies may be fetched at all.
    pub guard: outbound::Guard,
}
