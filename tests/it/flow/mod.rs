//! How a job moves, through the real router and engine: each test named after what must stay true.

mod life;

