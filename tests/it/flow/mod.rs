//! How a job moves, through the real router and engine: each test named after what must stay true.

mod attempts;
mod clips;
mod copies;
mod crash;
mod late;
mod life;
mod money;
