//! Boxes as a program in them, and its host, see them.

mod files;
mod host;
mod limits;
mod network;
mod processes;
mod support;
mod system_calls;
