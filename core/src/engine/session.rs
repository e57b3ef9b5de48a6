//! A session: what the engine knows of one connected client.
//!
//! The socket, the buffers and the parsed requests of a client live in the server (its I/O half); this is
//! the other half, which never leaves the thread that executes commands. Sessions sit in [`Clients`], in the
//! order in which they connected, and are addressed by [`ClientSlot`], the server's own connection index.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bitflags::bitflags;

use super::blocking::Blocked;
use super::multi::Multi;
use super::pubsub::Subscriptions;
use super::tracking::TrackingState;
use super::watch::WatchedKeys;
use crate::commands::table::Command;
use crate::resp::Proto;

/// Index of a connection in the server's table; reused after a close, unlike the client's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientSlot(pub u32);

/// Unique number of a client, never reused: what `CLIENT ID` answers.
pub type ClientId = u64;

bitflags! {
    /// State bits of a session.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct SessionFlags: u32 {
        /// Sees every command that is executed.
        const MONITOR = 1 << 0;
        /// Is closed once its pending replies are sent.
        const CLOSE_AFTER_REPLY = 1 << 1;
        /// Is closed as soon as possible, its replies dropped.
        const CLOSE_ASAP = 1 << 2;
        /// Arrived through the unix socket.
        const UNIX_SOCKET = 1 << 3;
        /// Exempt from client eviction.
        const NO_EVICT = 1 << 4;
        /// Its reads leave the access clock of keys alone.
        const NO_TOUCH = 1 << 5;
        /// `CLIENT REPLY OFF`: no replies at all.
        const REPLY_OFF = 1 << 6;
        /// `CLIENT REPLY SKIP`: the reply of the next command is dropped.
        const REPLY_SKIP_NEXT = 1 << 7;
        /// The reply of the command being executed is dropped.
        const REPLY_SKIP = 1 << 8;
        /// Its next command waits for the end of a pause.
        const PAUSED = 1 << 9;
        /// Declared itself an import source (`CLIENT IMPORT-SOURCE ON`).
        const IMPORT_SOURCE = 1 << 10;
        /// Was authenticated at least once in its life.
        const EVER_AUTHENTICATED = 1 << 11;
        /// Declared the `redirect` capability (`CLIENT CAPA`).
        const CAPA_REDIRECT = 1 << 12;
        /// A key that it watches has changed.
        const DIRTY_CAS = 1 << 13;
        /// Its commands may not wait for keys: they are part of a transaction.
        const DENY_BLOCKING = 1 << 14;
        /// `CLIENT TRACKING ON`: is told when keys it has read change.
        const TRACKING = 1 << 15;
        /// Is told of all keys with its prefixes instead.
        const TRACKING_BCAST = 1 << 16;
        /// Only what it reads after `CLIENT CACHING YES` counts.
        const TRACKING_OPTIN = 1 << 17;
        /// What it reads after `CLIENT CACHING NO` does not count.
        const TRACKING_OPTOUT = 1 << 18;
        /// Is not told of what it changes itself.
        const TRACKING_NOLOOP = 1 << 19;
        /// `CLIENT CACHING` was given for the next command or transaction.
        const TRACKING_CACHING = 1 << 20;
        /// The client that it redirects messages to is gone.
        const TRACKING_BROKEN = 1 << 21;
        /// How it tracks.
        const TRACKING_DETAILS = Self::TRACKING_BCAST.bits()
            | Self::TRACKING_OPTIN.bits()
            | Self::TRACKING_OPTOUT.bits()
            | Self::TRACKING_NOLOOP.bits()
            | Self::TRACKING_CACHING.bits()
            | Self::TRACKING_BROKEN.bits();
        /// Would read from a replica: `READONLY`.
        const READONLY = 1 << 22;
        /// A command of its own may run otherwise than the same command of others, or its reply goes another way.
        const SPECIAL = Self::CLOSE_AFTER_REPLY.bits()
            | Self::CLOSE_ASAP.bits()
            | Self::NO_TOUCH.bits()
            | Self::REPLY_OFF.bits()
            | Self::REPLY_SKIP_NEXT.bits()
            | Self::REPLY_SKIP.bits()
            | Self::PAUSED.bits()
            | Self::IMPORT_SOURCE.bits()
            | Self::TRACKING.bits()
            | Self::TRACKING_CACHING.bits();
    }
}

/// What the engine knows of one connected client.
///
/// What most commands touch comes first and is one line of the cache: with many clients it is cold each time.
#[derive(Debug)]
#[repr(C)]
pub struct Session {
    /// The server's index of this connection.
    pub slot: ClientSlot,
    /// Selected database.
    pub db: u32,
    /// State bits.
    pub flags: SessionFlags,
    /// Reply protocol.
    pub proto: Proto,
    /// May run commands: no password is needed, or it was given.
    pub authenticated: bool,
    /// The address alone, for protected mode and `CLIENT KILL`'s filters.
    pub is_loopback: bool,
    /// Wall clock of the last request, ms.
    pub last_interaction_ms: i64,
    /// The command executed last (or being executed).
    pub last_command: Option<&'static Command>,
    /// Commands executed for this client.
    pub commands_processed: u64,
    /// The transaction that it is queuing.
    pub multi: Option<Box<Multi>>,
    /// The command that waits for keys.
    pub blocked: Option<Box<Blocked>>,
    /// Memory of what it listens to.
    pub(super) subscribed_bytes: usize,
    /// What it listens to.
    pub subscriptions: Subscriptions,
    /// Whom it redirects to and its prefixes, while it tracks.
    pub tracking: Option<Box<TrackingState>>,
    /// Keys that it watches.
    pub watched: WatchedKeys,
    /// Memory of that.
    pub(super) watched_bytes: usize,
    /// Unique number, never reused.
    pub id: ClientId,
    /// `CLIENT SETNAME`; empty when unset.
    pub name: Vec<u8>,
    /// `CLIENT SETINFO LIB-NAME`.
    pub lib_name: Vec<u8>,
    /// `CLIENT SETINFO LIB-VER`.
    pub lib_ver: Vec<u8>,
    /// Peer address as `CLIENT LIST` prints it.
    pub addr: Box<str>,
    /// Local address as `CLIENT LIST` prints it.
    pub laddr: Box<str>,
    /// Descriptor number, shown by `CLIENT LIST`.
    pub fd: i32,
    /// Wall clock at connection, ms.
    pub created_ms: i64,
}

const _: () = assert!(core::mem::offset_of!(Session, subscriptions) <= crate::queue::LINE_LEN);

impl Session {
    /// It listens to something.
    #[inline]
    pub fn is_subscriber(&self) -> bool {
        self.subscribed_bytes > 0
    }

    /// Its commands run as those of any other client do.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.authenticated
            && !self.flags.intersects(SessionFlags::SPECIAL)
            && self.multi.is_none()
            && !self.is_subscriber()
    }

    /// Memory it holds, bytes, about; its buffers are not part of it.
    pub fn memory(&self) -> usize {
        let texts = self.name.capacity() + self.lib_name.capacity() + self.lib_ver.capacity();
        let multi = self.multi.as_ref().map_or(0, |multi| size_of::<Multi>() + multi.memory());
        let blocked = self.blocked.as_ref().map_or(0, |blocked| blocked.memory());
        let tracking = self.tracking.as_ref().map_or(0, |state| state.memory());
        let addresses = self.addr.len() + self.laddr.len();
        size_of::<Self>()
            + texts
            + addresses
            + self.watched_bytes
            + self.subscribed_bytes
            + tracking
            + multi
            + blocked
    }

    /// Back to the state of a fresh connection: `RESET`.
    pub fn reset(&mut self, authenticated: bool) {
        self.flags.remove(
            SessionFlags::MONITOR
                | SessionFlags::REPLY_OFF
                | SessionFlags::REPLY_SKIP
                | SessionFlags::REPLY_SKIP_NEXT
                | SessionFlags::NO_TOUCH
                | SessionFlags::READONLY
                | SessionFlags::NO_EVICT
                | SessionFlags::IMPORT_SOURCE,
        );
        self.db = 0;
        self.proto = Proto::Resp2;
        self.name.clear();
        self.authenticated = authenticated;
    }
}

/// What a new connection brings with it.
#[derive(Debug)]
pub struct NewClient {
    /// The server's index of this connection.
    pub slot: ClientSlot,
    /// Peer address.
    pub addr: Box<str>,
    /// Local address.
    pub laddr: Box<str>,
    /// The peer is on this machine.
    pub is_loopback: bool,
    /// It came through the unix socket.
    pub is_unix: bool,
    /// Descriptor number.
    pub fd: i32,
    /// Wall clock, ms.
    pub now_ms: i64,
    /// No password is needed.
    pub authenticated: bool,
}

/// All sessions.
///
/// Invariant: a session is absent from its slot only while a command of its own runs.
#[derive(Debug, Default)]
pub struct Clients {
    slots: Vec<Option<Box<Session>>>,
    by_id: BTreeMap<ClientId, ClientSlot>,
    last_id: ClientId,
}

impl Clients {
    /// Adds a session and returns its id.
    pub fn insert(&mut self, new: NewClient) -> ClientId {
        self.last_id += 1;
        let id = self.last_id;
        let mut flags = SessionFlags::empty();
        flags.set(SessionFlags::UNIX_SOCKET, new.is_unix);
        let session = Session {
            id,
            slot: new.slot,
            db: 0,
            proto: Proto::Resp2,
            authenticated: new.authenticated,
            flags,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_ver: Vec::new(),
            addr: new.addr,
            laddr: new.laddr,
            is_loopback: new.is_loopback,
            fd: new.fd,
            created_ms: new.now_ms,
            last_interaction_ms: new.now_ms,
            last_command: None,
            commands_processed: 0,
            multi: None,
            watched: WatchedKeys::new(),
            watched_bytes: 0,
            subscriptions: Subscriptions::default(),
            subscribed_bytes: 0,
            blocked: None,
            tracking: None,
        };
        let index = new.slot.0 as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(Box::new(session));
        self.by_id.insert(id, new.slot);
        id
    }

    /// Forgets a closed client.
    pub fn remove(&mut self, slot: ClientSlot) -> Option<Box<Session>> {
        let session = self.take(slot)?;
        self.by_id.remove(&session.id);
        Some(session)
    }

    /// Begins to fetch what a command touches of a session.
    #[inline]
    pub fn prefetch(&self, slot: ClientSlot) {
        if let Some(Some(session)) = self.slots.get(slot.0 as usize) {
            crate::prefetch::prefetch_slice(core::slice::from_ref(&**session));
        }
    }

    /// Lends a session out of its slot while one of its commands runs.
    #[inline]
    pub fn take(&mut self, slot: ClientSlot) -> Option<Box<Session>> {
        self.slots.get_mut(slot.0 as usize)?.take()
    }

    /// Puts a lent session back.
    #[inline]
    pub fn put(&mut self, session: Box<Session>) {
        let index = session.slot.0 as usize;
        if let Some(place) = self.slots.get_mut(index) {
            *place = Some(session);
        }
    }

    /// The session in a slot, unless it is the one whose command runs now.
    pub fn get(&self, slot: ClientSlot) -> Option<&Session> {
        self.slots.get(slot.0 as usize)?.as_deref()
    }

    /// Same, to change it.
    pub fn get_mut(&mut self, slot: ClientSlot) -> Option<&mut Session> {
        self.slots.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    /// The slot of a client's id, the running one's too.
    pub fn slot_of(&self, id: ClientId) -> Option<ClientSlot> {
        self.by_id.get(&id).copied()
    }

    /// Slots of all clients by ascending id, the running one's too.
    pub fn slots(&self) -> impl Iterator<Item = ClientSlot> + '_ {
        self.by_id.values().copied()
    }

    /// How many clients are connected.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
