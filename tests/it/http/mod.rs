//! The edge: what callers and QStash are told.

