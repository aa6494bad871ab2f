//! The description of the interface: that it is whole, that it is the code's, and that a client made from it works.

mod answers;
mod client;
mod document;
mod page;
mod tried;
