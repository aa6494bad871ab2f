//! How a job moves, through the real router and engine: each test named after what must stay true.

mod attempts;
mod budget;
mod clips;
mod control;
mod copies;
mod crash;
mod forgot;
mod late;
mod life;
mod money;
mod spent;
mod sweep;
mod versions;
