//! Definitions, and what their expressions give: the published suites, and the rules one by one.

mod corpus;
mod definitions;
mod expressions;
mod suites;
