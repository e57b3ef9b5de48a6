//! Publish and subscribe: who listens to which channel, and messages to them.
//!
//! A message is encoded once for each protocol and handed out as deliveries. Receivers are told in the order in which
//! they connected.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

#[cfg(any(test, fuzzing))]
use super::session::Clients;
use super::session::{ClientId, ClientSlot, Session};
use super::shared::{Delivery, Shared};
use crate::glob::{Case, glob_match};
use crate::resp::{Proto, Reply};

/// What a subscription is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A channel by its name.
    Channel,
    /// Channels whose name matches a pattern.
    Pattern,
    /// A shard channel.
    Shard,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Channel, Self::Pattern, Self::Shard];

    fn index(self) -> usize {
        match self {
            Self::Channel => 0,
            Self::Pattern => 1,
            Self::Shard => 2,
        }
    }
}

/// What one session listens to, a set of each topic.
pub type Subscriptions = [BTreeSet<Vec<u8>>; 3];

/// Who listens, by client number.
type Listeners = BTreeMap<ClientId, (ClientSlot, Proto)>;

/// Memory of a subscription besides its name: its place in the session's set and among the listeners.
const SUBSCRIPTION_BYTES: usize = 96;

/// All subscriptions.
#[derive(Debug, Default)]
pub struct PubSub {
    topics: [BTreeMap<Vec<u8>, Listeners>; 3],
}

impl PubSub {
    /// Subscribes a session. Returns whether that is new.
    pub fn subscribe(&mut self, session: &mut Session, topic: Topic, name: &[u8]) -> bool {
        if !session.subscriptions[topic.index()].insert(name.to_vec()) {
            return false;
        }
        session.subscribed_bytes += name.len() + SUBSCRIPTION_BYTES;
        let listeners = self.topics[topic.index()].entry(name.to_vec()).or_default();
        listeners.insert(session.id, (session.slot, session.proto));
        true
    }

    /// Unsubscribes a session. Returns whether it was subscribed.
    pub fn unsubscribe(&mut self, session: &mut Session, topic: Topic, name: &[u8]) -> bool {
        if !session.subscriptions[topic.index()].remove(name) {
            return false;
        }
        session.subscribed_bytes -= name.len() + SUBSCRIPTION_BYTES;
        let topics = &mut self.topics[topic.index()];
        if let Some(listeners) = topics.get_mut(name) {
            listeners.remove(&session.id);
            if listeners.is_empty() {
                topics.remove(name);
            }
        }
        true
    }

    /// Ends all subscriptions of a session.
    pub fn unsubscribe_all(&mut self, session: &mut Session) {
        for topic in Topic::ALL {
            for name in core::mem::take(&mut session.subscriptions[topic.index()]) {
                session.subscriptions[topic.index()].insert(name.clone());
                self.unsubscribe(session, topic, &name);
            }
        }
    }

    /// Nobody listens to anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.topics.iter().all(BTreeMap::is_empty)
    }

    /// How many names of a topic somebody listens to.
    pub fn len(&self, topic: Topic) -> usize {
        self.topics[topic.index()].len()
    }

    /// How many listen to a name.
    pub fn listeners(&self, topic: Topic, name: &[u8]) -> usize {
        self.topics[topic.index()].get(name).map_or(0, BTreeMap::len)
    }

    /// The names that somebody listens to.
    pub fn names(&self, topic: Topic) -> impl Iterator<Item = &[u8]> {
        self.topics[topic.index()].keys().map(Vec::as_slice)
    }

    /// Recounts everything; no command runs.
    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self, clients: &Clients) {
        let mut topics: [BTreeMap<Vec<u8>, Listeners>; 3] = Default::default();
        for session in clients.slots().filter_map(|slot| clients.get(slot)) {
            let mut bytes = 0;
            for (topic, names) in topics.iter_mut().zip(&session.subscriptions) {
                for name in names {
                    bytes += name.len() + SUBSCRIPTION_BYTES;
                    let listeners = topic.entry(name.clone()).or_default();
                    listeners.insert(session.id, (session.slot, session.proto));
                }
            }
            assert_eq!(bytes, session.subscribed_bytes);
        }
        assert_eq!(self.topics, topics, "subscriptions");
    }

    /// A session speaks another protocol from now on.
    pub fn set_proto(&mut self, session: &Session) {
        for topic in Topic::ALL {
            for name in &session.subscriptions[topic.index()] {
                if let Some(listener) =
                    self.topics[topic.index()].get_mut(name).and_then(|all| all.get_mut(&session.id))
                {
                    listener.1 = session.proto;
                }
            }
        }
    }
}

/// A session's count of names of a topic.
pub fn count(session: &Session, topic: Topic) -> usize {
    session.subscriptions[topic.index()].len()
}

impl Session {
    /// The names of a topic that it listens to.
    pub fn names(&self, topic: Topic) -> impl Iterator<Item = &[u8]> {
        self.subscriptions[topic.index()].iter().map(Vec::as_slice)
    }
}

/// A message in each protocol, encoded when somebody needs it.
struct Encoded<'a> {
    parts: &'a [&'a [u8]],
    bytes: [Option<Vec<u8>>; 2],
}

impl Encoded<'_> {
    fn of(&mut self, proto: Proto) -> Vec<u8> {
        let parts = self.parts;
        let bytes = self.bytes[usize::from(proto == Proto::Resp3)].get_or_insert_with(|| {
            let mut bytes = Vec::with_capacity(64 + parts.iter().map(|part| part.len() + 16).sum::<usize>());
            let mut reply = Reply::new(&mut bytes, proto);
            reply.push(parts.len());
            parts.iter().for_each(|part| reply.bulk(part));
            bytes
        });
        bytes.clone()
    }
}

impl Shared {
    /// Sends a message to all who listen to a channel. Returns how many they are.
    pub fn publish(&mut self, topic: Topic, channel: &[u8], message: &[u8]) -> usize {
        let kind: &[u8] = if topic == Topic::Shard { b"smessage" } else { b"message" };
        let mut receivers = 0;
        if let Some(listeners) = self.pubsub.topics[topic.index()].get(channel) {
            receivers += send(listeners, &[kind, channel, message], &mut self.deliveries);
        }
        if topic == Topic::Shard {
            return receivers;
        }
        for (pattern, listeners) in &self.pubsub.topics[Topic::Pattern.index()] {
            if glob_match(pattern, channel, Case::Sensitive) {
                receivers += send(listeners, &[b"pmessage", pattern, channel, message], &mut self.deliveries);
            }
        }
        receivers
    }
}

fn send(listeners: &Listeners, parts: &[&[u8]], deliveries: &mut Vec<Delivery>) -> usize {
    let mut encoded = Encoded { parts, bytes: [None, None] };
    deliveries.extend(listeners.values().map(|&(to, proto)| Delivery { to, bytes: encoded.of(proto) }));
    listeners.len()
}
