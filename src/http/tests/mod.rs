//! The shapes of answers, without anything behind them: what the routes do is tested over real HTTP.

mod problems;
mod views;
