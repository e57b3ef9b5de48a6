//! A client's I/O half: socket, request bytes, decoder state, replies that wait.
//!
//! It is one movable box and knows nothing of keys or commands; who holds the box may touch the client's
//! input and output, nobody else can. The other half is the engine's session, found by the same slot.

use std::sync::Arc;

use vireo_core::engine::ClientSlot;
use vireo_core::engine::host::IoUse;
use vireo_core::offload::{Marks, Places};
use vireo_core::platform::Event;
use vireo_core::resp::Limits;

use crate::out_buf::OutBuf;
use crate::parsed::Parsed;
use crate::read_buf::{KEEP_LEN_MAX, ReadBuf};

/// Size of the buffer that replies are first written to, as CLIENT LIST shows it.
pub(crate) const REPLY_BUFFER_LEN: usize = 16 * 1024;

/// Why a connection goes away once its replies are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// It stays.
    No,
    /// After the replies that wait; nothing more is read.
    AfterReplies,
}

/// Traffic that is not counted yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) reads: u32,
    pub(crate) writes: u32,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// A client's I/O half.
///
/// What every job touches comes first, and it begins with a cache line, so that few of them move between processors.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Connection<S> {
    /// The socket; closed when the connection is dropped.
    pub(crate) socket: S,
    /// Where the engine and the poller know it.
    pub(crate) slot: ClientSlot,
    /// The last read filled its room, or more is known to come.
    pub(crate) may_read_more: bool,
    /// The poller has told that the peer sends no more.
    pub(crate) peer_ended: bool,
    /// An I/O thread found that the connection is gone.
    pub(crate) gone: bool,
    /// Its requests wait: for the end of a pause, or behind one that waits for keys.
    pub(crate) paused: bool,
    /// It goes once its replies are sent.
    pub(crate) closing: Closing,
    /// It is on the list of connections to write to at the end of this turn.
    pub(crate) flush_listed: bool,
    /// When its replies are sent it waits with the I/O threads, which read from it without asking.
    pub(crate) rests: bool,
    /// Something was read or written since the main thread last looked.
    pub(crate) was_active: bool,
    /// It was read from in this turn, and its requests have not run.
    pub(crate) is_gathered: bool,
    /// What was read and written and not counted yet.
    pub(crate) traffic: Traffic,
    /// Replies that the socket did not take yet.
    pub(crate) out: OutBuf,
    /// Request bytes that are not executed yet.
    pub(crate) read: ReadBuf,
    /// What is parsed of them.
    pub(crate) parsed: Parsed,
    /// What the protocol allows the client, as of its last request.
    pub(crate) limits: Limits,
    /// Most bytes that may wait in `read`.
    pub(crate) held_max: usize,
    /// It has sent a large request of this length, and may do so again; 0 for none.
    pub(crate) expects: u32,
    /// When its replies passed the soft limit, monotonic µs.
    pub(crate) over_soft_limit_since_us: Option<u64>,
    /// Last read or write, monotonic µs.
    pub(crate) active_us: u64,
    /// Most bytes of replies that waited at once.
    pub(crate) reply_peak: usize,
    /// Bytes received.
    pub(crate) net_in: u64,
    /// Bytes sent.
    pub(crate) net_out: u64,
}

impl<S> Connection<S> {
    /// The I/O half of a connection that was just accepted.
    pub(crate) fn new(socket: S, slot: ClientSlot, now_us: u64) -> Self {
        Self {
            socket,
            slot,
            read: ReadBuf::default(),
            parsed: Parsed::default(),
            out: OutBuf::default(),
            limits: Limits::new(false, 0),
            held_max: usize::MAX,
            expects: 0,
            may_read_more: false,
            peer_ended: false,
            gone: false,
            paused: false,
            closing: Closing::No,
            flush_listed: false,
            rests: false,
            was_active: false,
            is_gathered: false,
            over_soft_limit_since_us: None,
            active_us: now_us,
            reply_peak: 0,
            traffic: Traffic::default(),
            net_in: 0,
            net_out: 0,
        }
    }

    /// It is read from as most are: no part of a request waits, and no whole one, and no large one is expected.
    pub(crate) fn is_plain(&self) -> bool {
        self.read.is_absent() && self.expects == 0 && !self.parsed.is_in_use()
    }

    /// Has sent a request of this length, with a large argument or with many.
    #[cold]
    pub(crate) fn expect_large(&mut self, len: usize) {
        self.expects = u32::try_from(len).ok().filter(|_| len <= KEEP_LEN_MAX).unwrap_or(0);
    }

    /// Takes note of what the poller has told.
    pub(crate) fn note(&mut self, marks: Marks) {
        self.peer_ended |= marks.has(Marks::CLOSED);
        self.may_read_more |= marks.has(HAS_INPUT);
    }

    /// Moves what was read and written into its own sums.
    #[inline]
    pub(crate) fn take_traffic(&mut self) -> Traffic {
        let traffic = core::mem::take(&mut self.traffic);
        self.net_in += traffic.bytes_in;
        self.net_out += traffic.bytes_out;
        self.was_active |= traffic.bytes_in > 0 || traffic.bytes_out > 0;
        traffic
    }

    /// What it holds, for CLIENT LIST and the memory reports.
    #[inline]
    pub(crate) fn io_use(&self) -> IoUse {
        let (out, decoded) = (self.out.held(), self.parsed.decoded_len().min(self.read.len()));
        IoUse {
            query_len: self.read.len() - decoded,
            query_free: self.read.free(),
            argv_mem: decoded,
            input_bytes: size_of::<Self>() + self.read.memory() + self.parsed.memory(),
            claimed_bytes: self.parsed.argument_end().map_or(0, |end| end.saturating_sub(self.read.memory())),
            reply_capacity: out.buffer,
            reply_peak: self.reply_peak.min(REPLY_BUFFER_LEN),
            reply_len: out.len,
            reply_chunks: out.chunks,
            reply_chunk_bytes: out.chunk_bytes,
            reading: !self.paused,
            writing: !self.out.is_empty(),
            // The request that is running may have been read and not counted yet.
            net_in: self.net_in + self.traffic.bytes_in,
            net_out: self.net_out + self.traffic.bytes_out,
        }
    }

    /// Same, while replies are on their way: their first buffer is one that clients use in turn.
    #[inline]
    pub(crate) fn io_use_sending(&self) -> IoUse {
        IoUse { reply_capacity: 0, ..self.io_use() }
    }
}

/// What the poller tells of a connection.
pub(crate) fn marks_of(event: &Event) -> Marks {
    let readable = Marks::READABLE.when(event.readable);
    readable.and(Marks::WRITABLE.when(event.writable)).and(Marks::CLOSED.when(event.closed))
}

/// There is something to read, or the end.
pub(crate) const HAS_INPUT: Marks = Marks::READABLE.and(Marks::CLOSED);

/// Where connections wait that I/O threads read from without asking, by slot.
pub(crate) type Resting<S> = Places<Connection<S>>;

/// All connections, by slot.
///
/// Invariant: a connection is absent from its slot only while the loop or an I/O thread works on it, or while it rests
/// with the I/O threads; what comes up for one that is lent or rests is noted first, then it is called.
#[derive(Debug)]
pub(crate) struct Connections<S> {
    slots: Vec<Slot<S>>,
    /// What has come up for those that the I/O threads have; apart, as it is rarely looked at.
    lent: Vec<Lent>,
    /// Those that rest, and marks for those that are lent.
    pub(crate) resting: Arc<Resting<S>>,
    free: Vec<u32>,
    len: usize,
}

#[derive(Debug)]
struct Slot<S> {
    connection: Option<Box<Connection<S>>>,
    /// Tells a token of an earlier connection in this slot from the present one's.
    generation: u32,
    used: bool,
    /// There may be marks for it.
    was_lent: bool,
    /// The I/O threads have the connection.
    is_lent: bool,
    /// Something has come up for it meanwhile.
    has_notes: bool,
}

/// What has come up while the I/O threads have a connection, to be done when it comes back.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Close it.
    pub(crate) doomed: bool,
    /// Its requests wait no longer.
    pub(crate) resumed: bool,
    /// Bytes for it from others' commands.
    pub(crate) deliveries: Vec<u8>,
}

#[derive(Debug, Default)]
struct Lent {
    notes: Notes,
    /// What the connection held when it was lent.
    held: IoUse,
}

impl<S> Default for Connections<S> {
    fn default() -> Self {
        Self { slots: Vec::new(), lent: Vec::new(), resting: Arc::default(), free: Vec::new(), len: 0 }
    }
}

impl<S> Connections<S> {
    /// How many there are, the one being worked on included.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All slots handed out so far, free ones included.
    pub(crate) fn slots(&self) -> impl Iterator<Item = ClientSlot> + use<S> {
        (0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX)).map(ClientSlot)
    }

    /// How many those are.
    pub(crate) fn slots_len(&self) -> usize {
        self.slots.len()
    }

    /// Reserves a slot.
    pub(crate) fn reserve(&mut self) -> ClientSlot {
        self.len += 1;
        if let Some(index) = self.free.pop() {
            self.slots[index as usize].used = true;
            return ClientSlot(index);
        }
        let index = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            connection: None,
            generation: 0,
            used: true,
            was_lent: false,
            is_lent: false,
            has_notes: false,
        });
        ClientSlot(index)
    }

    /// Gives a slot back; its tokens are dead from now on.
    pub(crate) fn release(&mut self, slot: ClientSlot) {
        let place = &mut self.slots[slot.0 as usize];
        assert!(place.used, "a slot is released once");
        place.used = false;
        place.connection = None;
        (place.is_lent, place.has_notes) = (false, false);
        if core::mem::take(&mut place.was_lent) {
            self.lent[slot.0 as usize] = Lent::default();
            self.resting.at(slot.0).take_marks();
        }
        place.generation = place.generation.wrapping_add(1) & GENERATION_MASK;
        self.free.push(slot.0);
        self.len -= 1;
    }

    /// The poller's name of the connection in a slot.
    pub(crate) fn token(&self, slot: ClientSlot) -> u64 {
        u64::from(self.slots[slot.0 as usize].generation) << 32 | u64::from(slot.0)
    }

    /// The slot that a token names, unless it is one of the loop's own sources. For a thread that cannot tell whether the
    /// connection still lives: what it takes for its event, another of that slot survives.
    pub(crate) fn slot_of(token: u64) -> Option<u32> {
        let index = u32::try_from(token & u64::from(u32::MAX)).ok()?;
        (token >> 32 <= u64::from(GENERATION_MASK)).then_some(index)
    }

    /// The slot a token names, if its connection still lives.
    pub(crate) fn resolve(&self, token: u64) -> Option<ClientSlot> {
        let index = Self::slot_of(token)?;
        let place = self.slots.get(index as usize)?;
        (place.used && u64::from(place.generation) == token >> 32).then_some(ClientSlot(index))
    }

    /// Lends a connection out of its slot.
    pub(crate) fn take(&mut self, slot: ClientSlot) -> Option<Box<Connection<S>>> {
        self.slots.get_mut(slot.0 as usize)?.connection.take()
    }

    /// Same, of the one that a token names, if it still lives.
    pub(crate) fn take_by_token(&mut self, token: u64) -> Option<Box<Connection<S>>> {
        self.take(self.resolve(token)?)
    }

    /// Puts a connection (back) into its slot.
    pub(crate) fn put(&mut self, connection: Box<Connection<S>>) {
        let slot = connection.slot.0 as usize;
        self.slots[slot].connection = Some(connection);
    }

    /// Notes that an I/O thread gets the connection of this slot, which is out of its place already, and what it holds.
    pub(crate) fn lend(&mut self, slot: ClientSlot, held: IoUse) {
        let index = slot.0 as usize;
        if self.lent.len() <= index {
            self.lent.resize_with(self.slots.len(), Lent::default);
        }
        let place = &mut self.slots[index];
        (place.was_lent, place.is_lent) = (true, true);
        self.lent[index].held = held;
    }

    /// The connection is back: what has come up meanwhile.
    pub(crate) fn take_back(&mut self, slot: ClientSlot) -> Notes {
        let index = slot.0 as usize;
        let place = &mut self.slots[index];
        place.is_lent = false;
        if core::mem::take(&mut place.has_notes) {
            core::mem::take(&mut self.lent[index].notes)
        } else {
            Notes::default()
        }
    }

    /// Calls a connection that the I/O threads have. One that rests is in its slot again; one that a thread works on is
    /// given the marks. Returns whether it is lent still.
    #[inline]
    pub(crate) fn call(&mut self, slot: ClientSlot, marks: Marks) -> bool {
        self.slots.get(slot.0 as usize).is_some_and(|place| place.is_lent) && self.call_lent(slot, marks)
    }

    fn call_lent(&mut self, slot: ClientSlot, marks: Marks) -> bool {
        let place = &mut self.slots[slot.0 as usize];
        let Some(connection) = self.resting.at(slot.0).call(marks) else { return true };
        debug_assert!(!place.has_notes, "what is noted is marked, and so comes back another way");
        place.connection = Some(connection);
        place.is_lent = false;
        false
    }

    /// What comes up for a connection that an I/O thread works on, which it will come back for; `None` when none does.
    pub(crate) fn lent_mut(&mut self, slot: ClientSlot) -> Option<&mut Notes> {
        if !self.call(slot, Marks::WANTED) {
            return None;
        }
        self.slots[slot.0 as usize].has_notes = true;
        Some(&mut self.lent[slot.0 as usize].notes)
    }

    /// Has a connection that is back take note of what was marked for it, and returns that. Not done for one that is lent again
    /// at once: whoever has it will find the marks.
    pub(crate) fn note_marks(&self, connection: &mut Connection<S>) -> Marks {
        let slot = connection.slot;
        let was_lent = self.slots.get(slot.0 as usize).is_some_and(|place| place.was_lent);
        let marks = if was_lent { self.resting.at(slot.0).take_marks() } else { Marks::default() };
        connection.note(marks);
        marks
    }

    /// What a connection holds. Only the I/O thread that has it could tell while it is lent: then what it held before, and
    /// what has come for it since.
    pub(crate) fn io_use(&mut self, slot: ClientSlot) -> IoUse {
        if self.call(slot, Marks::default()) {
            let Lent { notes, held } = &self.lent[slot.0 as usize];
            return IoUse {
                reply_chunks: held.reply_chunks + usize::from(!notes.deliveries.is_empty()),
                reply_chunk_bytes: held.reply_chunk_bytes + notes.deliveries.capacity(),
                ..*held
            };
        }
        self.get(slot).map_or_else(IoUse::default, Connection::io_use)
    }

    /// The connection in a slot, unless it is being worked on.
    pub(crate) fn get(&self, slot: ClientSlot) -> Option<&Connection<S>> {
        self.slots.get(slot.0 as usize)?.connection.as_deref()
    }

    /// Same, to change it.
    pub(crate) fn get_mut(&mut self, slot: ClientSlot) -> Option<&mut Connection<S>> {
        self.slots.get_mut(slot.0 as usize)?.connection.as_deref_mut()
    }
}

/// Generations leave the top bit of a token free: the loop's own sources (listeners, signals) have it set.
const GENERATION_MASK: u32 = u32::MAX >> 1;

#[cfg(test)]
mod tests {
    use super::{Connection, Connections};

    #[test]
    fn a_token_dies_with_its_connection() {
        let mut all: Connections<()> = Connections::default();
        let first = all.reserve();
        all.put(Box::new(Connection::new((), first, 0)));
        let token = all.token(first);
        assert_eq!(all.resolve(token), Some(first));
        let lent = all.take(first);
        assert!(all.get(first).is_none());
        assert_eq!(all.resolve(token), Some(first));
        drop(lent);
        all.release(first);
        assert_eq!(all.resolve(token), None);
        let second = all.reserve();
        assert_eq!(second, first);
        assert_eq!(all.resolve(token), None);
        assert_eq!(all.resolve(all.token(second)), Some(second));
        all.put(Box::new(Connection::new((), second, 0)));
        assert!(all.take_by_token(token).is_none());
        assert!(all.take_by_token(all.token(second)).is_some());
        assert_eq!(all.len(), 1);
    }
}
