//! The control socket between the server, the launcher and init: small messages with descriptors.
//!
//! The order travels in a memfd, so that neither a large environment nor many binds meet a limit of the socket.

use crate::boxed::Exit;
use crate::error::Failure;
use crate::spec::{BoxSpec, DESCRIPTORS_MAX};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

/// Longest report, in bytes. Orders are not bound by it.
const REPORT_BYTES_MAX: usize = 4096;

/// What the server asks of the launcher.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub spec: BoxSpec,
    /// Number of each passed descriptor inside.
    pub targets: Vec<i32>,
    pub plan: Plan,
}

/// How the box is made, from what the host has.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `CLONE_NEW*` flags.
    pub namespaces: u64,
    /// User and group of the box: switched to by a server that runs as root, mapped to its own user otherwise.
    pub user: u32,
    pub switch_user: bool,
    /// User and group of the server, which a user namespace maps.
    pub server: (u32, u32),
    /// `tasks` files of cgroup v1 to enter.
    pub tasks: Vec<PathBuf>,
    /// Directory of cgroup v2 to start in.
    pub unified: Option<PathBuf>,
    pub seccomp: bool,
    pub landlock: bool,
    /// Stand-ins for cgroups that the host lacks; 0 means none.
    pub address_space_bytes: u64,
    pub user_processes: u64,
}

impl Plan {
    /// Whether the box has a namespace of its own; `flag` is one of `CLONE_NEW*`.
    pub fn owns(&self, flag: libc::c_int) -> bool {
        self.namespaces & flag as u64 != 0
    }
}

/// What the launcher and init tell the server.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Init exists; its pidfd comes along.
    Init,
    /// The program runs; its pidfd comes along.
    Started,
    /// The box could not be started.
    Failed(Failure),
    /// The program ended.
    Ended(Exit),
}

/// One end of the control socket.
#[derive(Debug)]
pub(crate) struct Channel(pub OwnedFd);

impl Channel {
    /// Both ends, closed on exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), Self(theirs)))
    }

    pub fn send_order(&self, order: &Order, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut file = File::from(memfd_create("order", MemfdFlags::CLOEXEC)?);
        file.write_all(&encode(order)?)?;
        file.rewind()?;
        let all: Vec<_> = std::iter::once(file.as_fd()).chain(fds.iter().copied()).collect();
        self.send(&[0], &all)
    }

    pub fn receive_order(&self) -> io::Result<(Order, Vec<OwnedFd>)> {
        let mut byte = [0];
        let (_, fds) = self.receive(&mut byte, RecvFlags::empty())?;
        let mut fds = fds.into_iter();
        let file = fds.next().ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut bytes = Vec::new();
        File::from(file).read_to_end(&mut bytes)?;
        Ok((decode(&bytes)?, fds.collect()))
    }

    pub fn report(&self, report: &Report, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send(&encode(report)?, fds)
    }

    /// The next report and its descriptor; `None` when the other end is closed, or nothing waits and `wait` is false.
    pub fn receive_report(&self, wait: bool) -> io::Result<Option<(Report, Option<OwnedFd>)>> {
        let mut bytes = [0; REPORT_BYTES_MAX];
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        match self.receive(&mut bytes, flags) {
            Ok((0, _)) => Ok(None),
            Ok((length, fds)) => Ok(Some((decode(&bytes[..length])?, fds.into_iter().next()))),
            Err(Errno::AGAIN | Errno::CONNRESET) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX + 1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        sendmsg(&self.0, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    fn receive(&self, bytes: &mut [u8], flags: RecvFlags) -> Result<(usize, Vec<OwnedFd>), Errno> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX + 1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = rustix::io::retry_on_intr(|| {
            recvmsg(&self.0, &mut [IoSliceMut::new(bytes)], &mut control, flags | RecvFlags::CMSG_CLOEXEC)
        })?;
        let mut fds = Vec::new();
        for ancillary in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = ancillary {
                fds.extend(received);
            }
        }
        Ok((message.bytes, fds))
    }
}

fn encode(value: &impl Serialize) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(value).map_err(io::Error::other)
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    postcard::from_bytes(bytes).map_err(io::Error::other)
}
