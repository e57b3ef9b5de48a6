//! A recount of all that the engine keeps, for tests and fuzzing.

use super::Engine;
use super::session::SessionFlags;
use super::shared::Shared;

impl Engine {
    /// Recounts everything: the keyspace with its objects, and what is kept of clients. No command runs.
    ///
    /// # Panics
    /// When the books say something else: a key or an expiry is not counted or counted twice, an object is empty or not well
    /// formed, or something is left of a client that is gone.
    pub fn check(&self) {
        self.keyspace.check();
        assert!(!self.untimed.is_over(None), "no batch of requests runs");
        self.shared.check();
    }
}

impl Shared {
    fn check(&self) {
        let clients = &self.clients;
        assert!(self.wait.is_none() && self.replaced.is_empty() && !self.runs_queue, "no command runs");
        self.watches.check(clients);
        self.blocking.check(clients);
        self.pubsub.check(clients);
        self.tracking.check(clients);
        self.client_memory.check();
        let is_there = |slot| clients.get(slot).is_some();
        let monitors =
            |slot| clients.get(slot).is_some_and(|session| session.flags.contains(SessionFlags::MONITOR));
        assert!(self.monitors.iter().all(|&slot| monitors(slot)), "who is shown commands");
        let shown = clients.slots().filter(|&slot| monitors(slot)).count();
        assert_eq!(shown, self.monitors.len(), "who is shown commands, once each");
        assert!(self.client_memory.charged().all(is_there), "accounts of clients that are gone");
    }
}
