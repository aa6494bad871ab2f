//! qstash
