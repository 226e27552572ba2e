//! What a shard does in which turn, and what it lets alone, seen turn by turn.

mod checks;
mod children;
mod forks;
mod past;
mod stage;
