//! klap
