//! What must hold of any bytes that come in where strangers can send some. Each function takes one input of a fuzzer's
//! and panics if something does not hold; `tests/it/corpus.rs` gives them every file of `corpus/`. Inputs are texts as far
//! as possible, so that a file of the corpus can be read, and made, by hand.

pub mod mp4;
pub mod publish_path;
pub mod signature;
