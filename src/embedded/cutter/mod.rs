//! Cutter.
