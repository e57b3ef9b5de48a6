//! Client-side caching: who may hold a copy of which key, and the messages that say that a copy is stale.
//!
//! ```text
//!  a client that tracks reads a key ──► table: key ─► readers        key changes: forgotten, its readers told at once
//!  CLIENT TRACKING ON BCAST ──────────► prefixes: prefix ─► clients  key changes: noted, told at the end of the turn
//! ```
//! The client whose command runs is told when its reply is complete, so that no message is torn into a reply; what comes
//! up before the command begins (eviction) goes before the reply. A client may have its messages sent to another one
//! (REDIRECT); who speaks RESP2 can get them in no other way, and must listen to some channel.
//!
//! Invariant: `own` and `redirected` are empty unless a command runs.
//!
//! Source: behaviour of Valkey 9.1 `tracking.c`. Departs from it: what a client that is gone has read is forgotten in
//! steps instead of staying until the key changes, and who is in NOLOOP mode is told of keys that are evicted or that the
//! table had to give up while a command of its own ran (the reference leaves such copies stale for ever).

mod prefixes;
mod table;

#[cfg(any(test, fuzzing))]
use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::prefixes::Prefixes;
pub use self::prefixes::{Overlap, overlap};
use self::table::Table;
use super::context::Args;
#[cfg(any(test, fuzzing))]
use super::session::Clients;
use super::session::{ClientId, ClientSlot, Session, SessionFlags};
use super::shared::{Delivery, Shared};
use crate::commands::keys::find_keys;
use crate::commands::table::{Command, CommandFlags};
use crate::resp::{Proto, Reply};

/// A key's bytes, or a prefix's; shared by all places that name it.
pub(super) type Name = Arc<[u8]>;

/// The channel that RESP2 clients get messages of.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys that a first step over the limit gives up; each further step so many more, until the limit holds.
const STEP_KEYS: usize = 100;

/// What a session that tracks has beside its flags.
#[derive(Debug, Default)]
pub struct TrackingState {
    /// Who gets its messages in its place.
    pub redirect: Option<ClientId>,
    /// The prefixes it is told of (BCAST).
    pub prefixes: BTreeSet<Name>,
}

impl TrackingState {
    /// Memory of its list of prefixes, bytes. The prefixes themselves are shared.
    pub fn memory(&self) -> usize {
        self.prefixes.len() * (size_of::<Name>() + size_of::<usize>())
    }
}

/// Why a key is not any more what its readers have seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// A command of this client has changed it.
    Client(ClientId),
    /// Its time was over.
    Expiry,
    /// It had to go to make room, or what was known of it had to.
    Eviction,
}

/// What a message calls stale.
#[derive(Clone, Debug)]
enum Stale {
    Key(Name),
    /// Keys, as an encoded array.
    Keys(Arc<[u8]>),
    /// Everything; the null is of the protocol of the client that tracks, whoever gets the message.
    All(Proto),
}

/// Who tracks what.
#[derive(Debug, Default)]
pub struct Tracking {
    table: Table,
    prefixes: Prefixes,
    clients: usize,
    /// Steps in a row that did not reach the limit.
    steps_over: usize,
    /// What is stale for the client whose command runs.
    own: Vec<(Stale, By)>,
    /// Messages that others redirect to it, and which deliveries are to become them.
    redirected: Vec<(usize, Stale)>,
}

impl Tracking {
    /// Somebody wants to know of some key.
    #[inline]
    pub(super) fn is_in_use(&self) -> bool {
        !self.table.is_empty() || !self.prefixes.is_empty()
    }

    /// Clients that track.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Keys that clients may have copies of.
    pub fn keys(&self) -> usize {
        self.table.keys()
    }

    /// Same, each counted once for each client.
    pub fn items(&self) -> usize {
        self.table.items()
    }

    /// Prefixes that clients are told of.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Keys have changed that are still to be told of.
    #[inline]
    pub fn has_broadcast(&self) -> bool {
        self.prefixes.has_changed()
    }

    /// What was forgotten is still to be freed.
    #[inline]
    pub fn is_cleaning(&self) -> bool {
        self.table.is_cleaning()
    }

    /// Frees some of what was forgotten; `budget` bounds the keys.
    pub fn clean_step(&mut self, budget: usize) {
        self.table.clean_step(budget);
    }

    /// The client whose command runs has something to be told.
    #[inline]
    pub(super) fn has_own(&self) -> bool {
        !self.own.is_empty() || !self.redirected.is_empty()
    }

    /// A session tracks no more. What it has read stays known, for it may begin anew.
    pub fn disable(&mut self, session: &mut Session) {
        if !session.flags.contains(SessionFlags::TRACKING) {
            return;
        }
        self.clients -= 1;
        if let Some(state) = session.tracking.take() {
            state.prefixes.iter().for_each(|prefix| self.prefixes.remove(prefix, session.id));
        }
        session.flags.remove(SessionFlags::TRACKING | SessionFlags::TRACKING_DETAILS);
    }

    /// A session is gone.
    pub(super) fn forget(&mut self, session: &mut Session) {
        self.disable(session);
        self.table.forget(session.id);
    }
}

#[cfg(any(test, fuzzing))]
impl Tracking {
    /// Recounts everything; no command runs.
    pub(super) fn check(&self, clients: &Clients) {
        assert!(!self.has_own(), "a command has been told everything");
        let sessions = || clients.slots().filter_map(|slot| clients.get(slot));
        let tracks = |session: &&Session| session.flags.contains(SessionFlags::TRACKING);
        assert_eq!(sessions().filter(tracks).count(), self.clients);
        assert!(sessions().all(|session| session.tracking.is_some() == tracks(&session)));
        let mut wanted: BTreeMap<Name, BTreeSet<ClientId>> = BTreeMap::new();
        for session in sessions() {
            for prefix in session.tracking.iter().flat_map(|state| &state.prefixes) {
                wanted.entry(prefix.clone()).or_default().insert(session.id);
            }
        }
        self.prefixes.check(&wanted);
        self.table.check(|id| clients.slot_of(id).is_some());
    }
}

/// A session in this state is told that a key is stale.
fn wants_keys(session: &Session) -> bool {
    session.flags.contains(SessionFlags::TRACKING) && !session.flags.contains(SessionFlags::TRACKING_BCAST)
}

/// Same, of the session whose command runs.
fn wants_own(session: &Session, stale: &Stale, by: By) -> bool {
    match stale {
        Stale::All(_) => session.flags.contains(SessionFlags::TRACKING),
        _ => {
            let spared = session.flags.contains(SessionFlags::TRACKING_NOLOOP) && by != By::Eviction;
            wants_keys(session) && !spared
        }
    }
}

/// A session to which nothing is written any more.
fn is_closing(session: &Session) -> bool {
    session.flags.intersects(SessionFlags::CLOSE_AFTER_REPLY | SessionFlags::CLOSE_ASAP)
}

/// A message for a receiver, if it can get one.
fn encode(receiver: &Session, is_redirected: bool, stale: &Stale) -> Option<Vec<u8>> {
    if is_closing(receiver) {
        return None;
    }
    let mut bytes = Vec::with_capacity(64);
    let mut reply = Reply::new(&mut bytes, receiver.proto);
    if receiver.proto == Proto::Resp3 {
        reply.push(2);
        reply.bulk(b"invalidate");
    } else if is_redirected && receiver.is_subscriber() {
        reply.array(3);
        reply.bulk(b"message");
        reply.bulk(CHANNEL);
    } else {
        return None;
    }
    match stale {
        Stale::Key(key) => {
            reply.array(1);
            reply.bulk(key);
        }
        Stale::Keys(array) => reply.raw(array),
        Stale::All(proto) => {
            reply.set_proto(*proto);
            reply.null();
        }
    }
    Some(bytes)
}

fn deliver(deliveries: &mut Vec<Delivery>, receiver: &Session, is_redirected: bool, stale: &Stale) {
    if let Some(bytes) = encode(receiver, is_redirected, stale) {
        deliveries.push(Delivery { to: receiver.slot, bytes });
    }
}

impl Shared {
    /// A session tracks from now on, or tracks otherwise. `details` are flags of [`SessionFlags::TRACKING_DETAILS`].
    pub fn enable_tracking(
        &mut self,
        session: &mut Session,
        redirect: Option<ClientId>,
        details: SessionFlags,
        prefixes: &[&[u8]],
    ) {
        // Whether it is told of what a transaction has done so far depends on how it tracked; whom it tells does not.
        self.tracking.own.retain_mut(|(stale, by)| {
            let is_wanted = wants_own(session, stale, *by);
            *by = By::Eviction;
            is_wanted
        });
        if !session.flags.contains(SessionFlags::TRACKING) {
            self.tracking.clients += 1;
        }
        // What CLIENT CACHING has asked for stays asked for.
        let kept = session.flags & SessionFlags::TRACKING_CACHING;
        session.flags.remove(SessionFlags::TRACKING_DETAILS);
        session.flags.insert(SessionFlags::TRACKING | details | kept);
        let id = session.id;
        let state = session.tracking.get_or_insert_default();
        state.redirect = redirect;
        if details.contains(SessionFlags::TRACKING_BCAST) {
            let everything: &[&[u8]] = &[b""];
            for prefix in if prefixes.is_empty() { everything } else { prefixes } {
                state.prefixes.insert(self.tracking.prefixes.add(prefix, id));
            }
        }
    }

    /// A session tracks no more.
    pub fn disable_tracking(&mut self, session: &mut Session) {
        self.settle_own_tracking(session);
        self.tracking.disable(session);
    }

    /// Takes note of the keys that a command of a session that tracks has read.
    #[cold]
    pub(super) fn remember_reads(&mut self, session: &Session, command: &'static Command, args: &Args<'_>) {
        let flags = session.flags;
        let asked = flags.contains(SessionFlags::TRACKING_CACHING);
        if !wants_keys(session)
            || (flags.contains(SessionFlags::TRACKING_OPTIN) && !asked)
            || (flags.contains(SessionFlags::TRACKING_OPTOUT) && asked)
            || command.flags.contains(CommandFlags::PUBSUB)
        {
            return;
        }
        for key in find_keys(command, args, 0).unwrap_or_default() {
            if let Some(name) = args.get(key.index) {
                self.tracking.table.remember(name, session.id);
            }
        }
    }

    /// A key is not any more what its readers have seen.
    #[cold]
    pub(super) fn key_is_stale(&mut self, key: &[u8], by: By) {
        let writer = if let By::Client(id) = by { Some(id) } else { None };
        self.tracking.prefixes.note(key, writer);
        if let Some((key, readers)) = self.tracking.table.take(key) {
            readers.iter().for_each(|id| self.tell_reader(id, &key, by));
        }
    }

    fn tell_reader(&mut self, id: ClientId, key: &Name, by: By) {
        let Some(slot) = self.clients.slot_of(id) else { return };
        let stale = Stale::Key(key.clone());
        let Some(mut session) = self.clients.take(slot) else {
            self.tracking.own.push((stale, by));
            return;
        };
        if wants_keys(&session) {
            self.tell(&mut session, &stale);
        }
        self.clients.put(session);
    }

    /// All keys of a database are gone: whoever tracks is told to forget everything.
    pub fn all_is_stale(&mut self) {
        if self.tracking.clients > 0 {
            let slots: Vec<ClientSlot> = self.clients.slots().collect();
            for slot in slots {
                let Some(mut session) = self.clients.take(slot) else {
                    // Its protocol is known when it is told.
                    self.tracking.own.push((Stale::All(Proto::Resp2), By::Eviction));
                    continue;
                };
                if session.flags.contains(SessionFlags::TRACKING) {
                    let stale = Stale::All(session.proto);
                    self.tell(&mut session, &stale);
                }
                self.clients.put(session);
            }
        }
        self.tracking.table.clear();
    }

    /// Sends a message for a session that tracks, to it or to whom it redirects. The session is out of its slot.
    fn tell(&mut self, session: &mut Session, stale: &Stale) {
        let Some(redirect) = session.tracking.as_ref().and_then(|state| state.redirect) else {
            return deliver(&mut self.deliveries, session, false, stale);
        };
        match self.clients.slot_of(redirect) {
            Some(slot) if slot == session.slot => deliver(&mut self.deliveries, session, true, stale),
            Some(slot) => match self.clients.get(slot) {
                None => {
                    // Its command runs: what it speaks is known when that is over.
                    self.tracking.redirected.push((self.deliveries.len(), stale.clone()));
                    self.deliveries.push(Delivery { to: slot, bytes: Vec::new() });
                }
                Some(target) if is_closing(target) => self.tell_broken(session, redirect),
                Some(target) => deliver(&mut self.deliveries, target, true, stale),
            },
            None => self.tell_broken(session, redirect),
        }
    }

    /// Whom a session redirects to is gone.
    fn tell_broken(&mut self, session: &mut Session, redirect: ClientId) {
        session.flags.insert(SessionFlags::TRACKING_BROKEN);
        if session.proto != Proto::Resp3 || is_closing(session) {
            return;
        }
        let mut bytes = Vec::with_capacity(64);
        let mut reply = Reply::new(&mut bytes, session.proto);
        reply.push(2);
        reply.bulk(b"tracking-redir-broken");
        reply.unsigned(redirect);
        self.deliveries.push(Delivery { to: session.slot, bytes });
    }

    /// Tells the session whose command runs what is stale for it, after what others have told it meanwhile.
    #[inline]
    pub(super) fn settle_own_tracking(&mut self, session: &mut Session) {
        if self.tracking.has_own() {
            self.tell_own(session);
        }
    }

    #[cold]
    fn tell_own(&mut self, session: &mut Session) {
        for (index, stale) in core::mem::take(&mut self.tracking.redirected) {
            if let Some(place) = self.deliveries.get_mut(index) {
                place.bytes = encode(session, true, &stale).unwrap_or_default();
            }
        }
        for (stale, by) in core::mem::take(&mut self.tracking.own) {
            let stale = if let Stale::All(_) = stale { Stale::All(session.proto) } else { stale };
            if wants_own(session, &stale, by) {
                self.tell(session, &stale);
            }
        }
    }

    /// Tells those in BCAST mode of the keys that have changed since the last time. No command runs.
    pub fn broadcast_stale(&mut self) {
        for changed in self.tracking.prefixes.take_changed() {
            let all = Stale::Keys(changed.encode(None).unwrap_or_default());
            for &id in &changed.clients {
                let Some(slot) = self.clients.slot_of(id) else { continue };
                let Some(mut session) = self.clients.take(slot) else { continue };
                if !session.flags.contains(SessionFlags::TRACKING_NOLOOP) {
                    self.tell(&mut session, &all);
                } else if let Some(others) = changed.encode(Some(id)) {
                    self.tell(&mut session, &Stale::Keys(others));
                }
                self.clients.put(session);
            }
        }
    }

    //= valkey 9.1 tracking-table-max-keys: over the limit, a hundred keys go, and a hundred more at each further look
    /// Gives up keys of the table while there are more than `tracking-table-max-keys`, in a bounded step. Whoever has read
    /// them is told as if they had changed.
    pub fn limit_tracked_keys(&mut self) {
        let max = self.config.settings().tracking_table_max_keys;
        if max == 0 || self.tracking.keys() <= max {
            self.tracking.steps_over = 0;
            return;
        }
        for _ in 0..STEP_KEYS * (self.tracking.steps_over + 1) {
            let Some((key, readers)) = self.tracking.table.take_next() else { break };
            readers.iter().for_each(|id| self.tell_reader(id, &key, By::Eviction));
            if self.tracking.keys() <= max {
                self.tracking.steps_over = 0;
                return;
            }
        }
        self.tracking.steps_over += 1;
    }
}
