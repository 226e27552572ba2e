//! The Amazon States Language: definitions, what is wrong with them, and the machine that executes them.
//!
//! Pure and deterministic: time and randomness come in, what is asked of the world goes out as data.
//! Source of the semantics: <https://states-language.net/spec.html> and the AWS Step Functions developer guide.
