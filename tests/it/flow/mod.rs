//! How a job moves, through the real router and engine: each test named after what must stay true.

mod absorbed;
mod attempts;
mod budget;
mod clips;
mod control;
mod copies;
mod crash;
mod forgot;
mod frozen;
mod lapsed;
mod late;
mod life;
mod money;
mod onward;
mod rebuilt;
mod receipts;
mod rolled_back;
mod spent;
mod sweep;
mod unclear;
mod upgrade;
mod versions;
mod wakes;
