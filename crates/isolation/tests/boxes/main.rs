//! Boxes as a program in them, and its host, see them.

mod bench;
mod support;
