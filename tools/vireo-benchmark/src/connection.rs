//! One connection: the batch that is under way on it, what of it is not sent yet, and which replies are awaited.

use std::os::fd::OwnedFd;

use vireo_core::platform::{IoErrorKind, Net as _};

use crate::failure::Failure;
use crate::platform::Net;
use crate::replies::Replies;
use crate::workload::Batch;

/// A connection, or the place of one.
#[derive(Debug)]
pub(crate) struct Connection {
    /// None between two batches, where connections are not kept.
    pub socket: Option<OwnedFd>,
    /// It is being opened.
    pub is_opening: bool,
    /// When the batch began; from there its latency counts.
    pub begun_ns: u64,
    /// Replies to the batch that are awaited.
    pub awaited: usize,
    /// Replies to what was said first that are awaited before them.
    pub greetings: usize,
    /// Kinds of the requests of the batch, and how many were answered.
    kinds: Vec<u8>,
    answered: usize,
    unsent: Vec<u8>,
    replies: Replies,
}

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// Replies to requests of the batch.
    pub replies: usize,
    /// The kinds of those requests, where there are several.
    pub kinds: core::ops::Range<usize>,
}

impl Connection {
    /// An open connection.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self {
            socket: Some(socket),
            is_opening: false,
            begun_ns: 0,
            awaited: 0,
            greetings: 0,
            kinds: Vec::new(),
            answered: 0,
            unsent: Vec::new(),
            replies: Replies::default(),
        }
    }

    /// Another batch; it is to be sent.
    pub(crate) fn begin(&mut self, begun_ns: u64, awaited: usize, kinds: &[u8]) {
        self.begun_ns = begun_ns;
        self.awaited = awaited;
        self.answered = 0;
        self.kinds.clear();
        self.kinds.extend_from_slice(kinds);
    }

    /// A socket that is being opened: what is to be sent when it is open.
    pub(crate) fn open(&mut self, socket: OwnedFd, greeting: (&[u8], usize), batch: &Batch<'_>) {
        self.socket = Some(socket);
        self.is_opening = true;
        self.replies = Replies::default();
        self.greetings = greeting.1;
        self.unsent.clear();
        self.unsent.extend_from_slice(greeting.0);
        self.unsent.extend_from_slice(batch.bytes);
    }

    /// Sends a batch; what there is no room for is kept.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let sent = self.write(bytes)?;
        self.unsent.extend_from_slice(bytes.get(sent..).unwrap_or(&[]));
        Ok(())
    }

    /// Sends what was kept, as there is room again.
    pub(crate) fn send_rest(&mut self) -> Result<(), Failure> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = core::mem::take(&mut self.unsent);
        let sent = self.write(&unsent)?;
        self.unsent = unsent;
        self.unsent.drain(..sent);
        Ok(())
    }

    /// Writes as much as there is room for.
    fn write(&self, bytes: &[u8]) -> Result<usize, Failure> {
        let Some(socket) = &self.socket else { return Ok(0) };
        let mut sent = 0;
        while sent < bytes.len() {
            match Net::write(socket, bytes.get(sent..).unwrap_or(&[])) {
                Ok(count) => sent += count,
                Err(error) => match error.kind {
                    IoErrorKind::WouldBlock => break,
                    IoErrorKind::Interrupted => {}
                    IoErrorKind::Closed => return Err(Failure::Closed),
                    _ => return Err(Failure::Io(format!("writing to the server: {error}"))),
                },
            }
        }
        Ok(sent)
    }

    /// Reads once; `None` when there is nothing.
    pub(crate) fn read(&self, into: &mut [u8]) -> Result<Option<usize>, Failure> {
        let Some(socket) = &self.socket else { return Ok(None) };
        loop {
            return match Net::read(socket, into) {
                Ok(0) => Err(Failure::Closed),
                Ok(count) => Ok(Some(count)),
                Err(error) => match error.kind {
                    IoErrorKind::WouldBlock => Ok(None),
                    IoErrorKind::Interrupted => continue,
                    IoErrorKind::Closed => Err(Failure::Closed),
                    _ => Err(Failure::Io(error.to_string())),
                },
            };
        }
    }

    /// Takes what was read.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<Arrived, Failure> {
        let seen = self.replies.feed(bytes).map_err(|_| Failure::Protocol("this is no reply"))?;
        if let Some(words) = seen.error {
            return Err(Failure::Reply(String::from_utf8_lossy(&words).into_owned()));
        }
        let greetings = seen.replies.min(self.greetings);
        self.greetings -= greetings;
        let replies = seen.replies - greetings;
        if replies > self.awaited {
            return Err(Failure::Protocol("a reply to nothing"));
        }
        self.awaited -= replies;
        let from = self.answered;
        self.answered += replies;
        Ok(Arrived { replies, kinds: from..self.answered })
    }

    /// The kinds of some requests of the batch.
    pub(crate) fn kinds(&self, range: core::ops::Range<usize>) -> &[u8] {
        self.kinds.get(range).unwrap_or(&[])
    }
}
