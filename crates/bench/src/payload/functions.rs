//! The functions of the payload benchmark, as they run in their workers.

use crate::guests::{PAYLOADS, TICKETS};
use crate::worker::now_ns;
use sluice_sandbox::worker::{Answer, Call, Fault};
use sluice_types::ContentType;
use std::hint::black_box;
use std::io;

/// Arguments that make a worker the producer or the consumer.
pub(crate) const PRODUCE: &str = "produce";
pub(crate) const CONSUME: &str = "consume";
/// Under which key the times of reading are put out.
pub(super) const READ_KEY: &str = "read";
/// Combined with its length, the end of memory that has been filled.
const MARK: u64 = 0x5ca1_ab1e_0b5e_55ed;

/// What the producer is to do. It stands in the payload too, behind the time of the put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// Length of the payload.
    pub bytes: u64,
    /// Hand-overs after this one.
    pub left: u64,
    /// How often the consumer reads every byte.
    pub reads: u64,
}

/// Size of a ticket, in bytes.
const TICKET_BYTES: usize = 24;

impl Ticket {
    pub fn pack(self) -> [u8; TICKET_BYTES] {
        let mut packed = [0; TICKET_BYTES];
        let fields = [self.bytes, self.left, self.reads];
        packed.as_chunks_mut().0.iter_mut().zip(fields).for_each(|(to, field)| *to = field.to_le_bytes());
        packed
    }

    fn unpack(bytes: &[u8]) -> io::Result<Self> {
        let packed: &[u8; TICKET_BYTES] = bytes.first_chunk().ok_or_else(no_ticket)?;
        let [bytes, left, reads] = *packed.as_chunks().0 else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let [bytes, left, reads] = [bytes, left, reads].map(u64::from_le_bytes);
        Ok(Self { bytes, left, reads })
    }
}

/// Puts an object of the length that its ticket says. Only memory that has not been filled before is filled.
pub(crate) fn produce(call: &Call<'_>) -> Result<Answer, Fault> {
    let ticket = Ticket::unpack(the_input(&call.objects()?)?.bytes())?;
    let key = ticket.left.to_string();
    let mut buffer = call.buffer(ticket.bytes as usize)?;
    let mark = (MARK ^ ticket.bytes).to_le_bytes();
    if !buffer.ends_with(&mark) {
        let words = buffer.as_chunks_mut().0.iter_mut().zip(1u64..);
        words.for_each(|(word, number)| *word = number.wrapping_mul(MARK).to_le_bytes());
        *buffer.last_chunk_mut().ok_or_else(no_ticket)? = mark;
    }
    buffer[8..8 + TICKET_BYTES].copy_from_slice(&ticket.pack());
    buffer[..8].copy_from_slice(&now_ns().to_le_bytes());
    call.put_buffer(PAYLOADS, &key, &ContentType::Bytes, buffer)?;
    Ok(Answer::default())
}

/// Looks at both ends of its object, puts out how long ago it was put, and asks for the next one.
pub(crate) fn consume(call: &Call<'_>) -> Result<Answer, Fault> {
    let inputs = call.objects()?;
    let bytes = the_input(&inputs)?.bytes();
    let ends = (bytes.first_chunk().copied(), bytes.last_chunk().copied());
    let (Some(put_ns), Some(end)) = black_box(ends) else { return Err(no_ticket().into()) };
    let took_ns = now_ns() - u64::from_le_bytes(put_ns);
    let ticket = Ticket::unpack(&bytes[8..])?;
    if u64::from_le_bytes(end) != MARK ^ ticket.bytes {
        return Err(no_ticket().into());
    }
    let put_out = |key: &str, bytes: &[u8]| call.put("output", key, &ContentType::Bytes, bytes);
    put_out(&ticket.left.to_string(), &took_ns.to_le_bytes())?;
    if ticket.reads > 0 {
        put_out(READ_KEY, &read(bytes, ticket.reads))?;
    }
    if let Some(left) = ticket.left.checked_sub(1) {
        let next = Ticket { left, ..ticket };
        call.put(TICKETS, &left.to_string(), &ContentType::Bytes, &next.pack())?;
    }
    Ok(Answer::default())
}

/// Nanoseconds that it takes to read every byte: once where most pages were never looked at, then where all were, in
/// turn with a copy in plain memory.
fn read(bytes: &[u8], times: u64) -> Vec<u8> {
    let mut taken_ns = vec![read_ns(bytes)];
    let plain = bytes.to_vec();
    for _ in 0..times {
        taken_ns.extend([read_ns(bytes), read_ns(&plain)]);
    }
    taken_ns.into_iter().flat_map(u64::to_le_bytes).collect()
}

fn read_ns(bytes: &[u8]) -> u64 {
    let begun_ns = now_ns();
    let (words, rest) = black_box(bytes).as_chunks();
    let sum = words.iter().fold(0u64, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    black_box(rest.iter().fold(sum, |sum, byte| sum.wrapping_add((*byte).into())));
    now_ns() - begun_ns
}

fn the_input<T>(inputs: &[T]) -> io::Result<&T> {
    inputs.first().ok_or_else(no_ticket)
}

fn no_ticket() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a ticket or payload is not as it was made")
}
