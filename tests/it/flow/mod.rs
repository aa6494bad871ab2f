//! How a job moves, through the real router and engine: each test named after what must stay true.

mod attempts;
mod budget;
mod clips;
mod control;
mod copies;
mod crash;
mod forgot;
mod frozen;
mod late;
mod life;
mod money;
mod receipts;
mod spent;
mod sweep;
mod unclear;
mod versions;
mod wakes;
