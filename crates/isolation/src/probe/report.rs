//! What `sluice doctor` prints.

use serde::Serialize;
use std::fmt;

/// How well a host does in one respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As wanted.
    Ok,
    /// Works, with less.
    Degraded,
    /// Not there.
    Missing,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Missing => "missing",
        })
    }
}

/// One respect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What was tried.
    pub name: &'static str,
    /// How it went.
    pub status: Status,
    /// What was found.
    pub detail: String,
    /// What that means; empty when all is well.
    pub consequence: String,
    /// What the operator can do; empty when all is well.
    pub fix: String,
}

impl Probe {
    /// A probe that went well.
    pub(super) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        let (consequence, fix) = (String::new(), String::new());
        Self { name, status: Status::Ok, detail: detail.into(), consequence, fix }
    }

    /// The same probe, gone less well.
    #[must_use]
    pub(super) fn but(self, status: Status, consequence: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status, consequence: consequence.into(), fix: fix.into(), ..self }
    }

    /// `but` if `problem`.
    #[must_use]
    pub(super) fn unless(self, problem: bool, status: Status, consequence: &str, fix: &str) -> Self {
        if problem { self.but(status, consequence, fix) } else { self }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<18} {:<9} {}", self.name, self.status, self.detail)?;
        if !self.consequence.is_empty() {
            write!(f, "\n{:29}so: {}", "", self.consequence)?;
        }
        if !self.fix.is_empty() {
            write!(f, "\n{:28}fix: {}", "", self.fix)?;
        }
        Ok(())
    }
}

/// What a host gives, in the order in which a reader wants it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostReport {
    /// The probes.
    pub items: Vec<Probe>,
}

impl HostReport {
    /// The worst status.
    pub fn status(&self) -> Status {
        self.items.iter().map(|item| item.status).max().unwrap_or(Status::Ok)
    }

    /// The probe of that name.
    pub fn item(&self, name: &str) -> Option<&Probe> {
        self.items.iter().find(|item| item.name == name)
    }
}

impl fmt::Display for HostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.items.iter().try_for_each(|item| writeln!(f, "{item}"))
    }
}
