//! What ends the program: a sentence that says what to do, and the exit code.

use std::fmt;

/// Why `harbor` cannot go on. The text is for a person and ends with what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    text: String,
}

/// Exit codes; part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Anything without a number of its own.
    Other = 1,
    /// Bad usage or configuration.
    Config = 2,
    /// The database cannot be opened, migrated or used.
    Database = 3,
    /// The address to listen on is taken or may not be used.
    Port = 4,
}

impl Failure {
    pub(crate) fn other(text: impl Into<String>) -> Self {
        Self { kind: Kind::Other, text: text.into() }
    }
    pub(crate) fn config(text: impl Into<String>) -> Self {
        Self { kind: Kind::Config, text: text.into() }
    }
    pub(crate) fn database(text: impl Into<String>) -> Self {
        Self { kind: Kind::Database, text: text.into() }
    }
    pub(crate) fn port(text: impl Into<String>) -> Self {
        Self { kind: Kind::Port, text: text.into() }
    }
    pub(crate) fn exit_code(&self) -> u8 {
        self.kind as u8
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
