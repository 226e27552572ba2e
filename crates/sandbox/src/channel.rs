//! A control socket: small messages with descriptors.

use crate::wire::{CONTROL_BYTES_MAX, Control};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Most descriptors in a message that is sent.
const SENT_MAX: usize = 8;
/// Most descriptors in a message that is received: as many as the kernel lets through. It would close the rest at once,
/// and to close what somebody else has made may wait.
const RECEIVED_MAX: usize = 253;

/// One end of a control socket.
#[derive(Debug)]
pub struct Channel(pub OwnedFd);

/// A message and what came with it.
#[derive(Debug)]
pub struct Received {
    /// The fixed part.
    pub control: Control,
    /// The text.
    pub text: Vec<u8>,
    /// The descriptors.
    pub descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// Both ends, closed on exec.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), Self(theirs)))
    }

    /// Sends a message. Never waits: a full socket is an error.
    pub fn send(&self, control: Control, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SENT_MAX))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.0, &[IoSlice::new(&control.pack()), IoSlice::new(text)], &mut ancillary, flags)?;
        Ok(())
    }

    /// The next message, at once. [`io::ErrorKind::WouldBlock`] if there is none and `wait` is false,
    /// [`io::ErrorKind::UnexpectedEof`] if there will be none, [`io::ErrorKind::InvalidData`] if it is not one.
    pub fn receive(&self, wait: bool) -> io::Result<Received> {
        let mut bytes = vec![0; CONTROL_BYTES_MAX];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(RECEIVED_MAX))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT } | RecvFlags::CMSG_CLOEXEC;
        let message = rustix::io::retry_on_intr(|| {
            recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)
        })?;
        let mut descriptors = Vec::new();
        for part in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = part {
                descriptors.extend(received);
            }
        }
        let Some((control, text)) = Control::unpack(&bytes[..message.bytes]) else {
            if !descriptors.is_empty() {
                crate::errand::bury(descriptors);
            }
            let is_end = message.bytes == 0;
            return Err(if is_end { io::ErrorKind::UnexpectedEof } else { io::ErrorKind::InvalidData }.into());
        };
        Ok(Received { control, text: text.to_vec(), descriptors })
    }
}
