//! Klap, locally.
