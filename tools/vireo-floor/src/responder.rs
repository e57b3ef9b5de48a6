//! The event loop: waits, then reads once from each readable client and writes once to it.
//!
//! It does what the server's loop does and in the same order (`server/serve.rs`): events are collected, each client is read from into
//! one shared buffer, and its replies go out with one call. There are no sessions, clocks or periodic work.

use vireo_core::platform::{Addr, Event, IoError, IoErrorKind, ListenOptions, Net, Platform, Poller, System};

use crate::options::Options;
use crate::script::{Account, Script, no_config};

/// The server's own, so that a read is the same call.
const READ_LEN: usize = 64 * 1024;
/// The listener's token; connections are numbered from 0.
const LISTENER_TOKEN: u64 = 1 << 63;
/// Descriptors that are asked for.
const FILES: u64 = 20_000;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 511;

type Socket<P> = <<P as Platform>::Net as Net>::Socket;

struct Connection<S> {
    socket: S,
    account: Account,
    /// Nothing was read yet.
    is_new: bool,
    /// The peer has ended: it is read from until that is seen, as no further event comes.
    peer_ended: bool,
}

/// A connection is to be closed.
#[derive(Debug)]
struct Gone;

/// Everything.
pub(crate) struct Responder<P: Platform> {
    poller: P::Poller,
    listener: Socket<P>,
    script: Script,
    connections: Vec<Option<Connection<Socket<P>>>>,
    vacant: Vec<usize>,
    /// Connections that may have more to read though no event will say so. One that was closed since, or whose place another
    /// has, is no harm: a read that finds nothing says so.
    ready: Vec<usize>,
    events: Vec<Event>,
    input: Box<[u8]>,
}

impl<P: Platform> Responder<P> {
    /// Listens.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn new(options: &Options) -> Result<Self, IoError> {
        P::System::raise_open_files(FILES);
        let poller = P::Poller::new()?;
        let address = Addr::V4([127, 0, 0, 1], options.port);
        let listener = P::Net::listen(&address, ListenOptions { backlog: BACKLOG, reuse_port: false })?;
        poller.register_listener(&listener, LISTENER_TOKEN)?;
        Ok(Self {
            poller,
            listener,
            script: Script::new(options.request_len, &options.reply),
            connections: Vec::new(),
            vacant: Vec::new(),
            ready: Vec::new(),
            events: Vec::new(),
            input: vec![0; READ_LEN].into_boxed_slice(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn address(&self) -> Result<Addr, IoError> {
        P::Net::local_addr(&self.listener)
    }

    /// One turn: waits and answers what has come.
    ///
    /// # Errors
    /// The system's; those of one connection end that one.
    pub(crate) fn turn(&mut self) -> Result<(), IoError> {
        let mut events = core::mem::take(&mut self.events);
        let timeout_ns = if self.ready.is_empty() { None } else { Some(0) };
        self.poller.wait(timeout_ns, &mut |event| events.push(event))?;
        let ready = core::mem::take(&mut self.ready);
        for event in events.drain(..) {
            if event.token == LISTENER_TOKEN {
                self.accept()?;
            } else {
                self.on_event(event);
            }
        }
        self.events = events;
        for index in ready {
            self.serve(index, Self::read);
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), IoError> {
        loop {
            match P::Net::accept(&self.listener) {
                Ok((socket, _)) => self.welcome(socket)?,
                Err(error) => match error.kind {
                    IoErrorKind::WouldBlock => return Ok(()),
                    IoErrorKind::AcceptFailed | IoErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
    }

    fn welcome(&mut self, socket: Socket<P>) -> Result<(), IoError> {
        // Without it replies may come later; that is no reason to refuse a client.
        let _ = P::Net::set_nodelay(&socket);
        let index = self.vacant.pop().unwrap_or(self.connections.len());
        self.poller.register(&socket, index as u64)?;
        let connection =
            Some(Connection { socket, account: Account::default(), is_new: true, peer_ended: false });
        match self.connections.get_mut(index) {
            Some(place) => *place = connection,
            None => self.connections.push(connection),
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event) {
        let index = usize::try_from(event.token).unwrap_or(usize::MAX);
        let Some(Some(connection)) = self.connections.get_mut(index) else { return };
        connection.peer_ended |= event.closed;
        if event.writable && connection.account.owes() {
            self.serve(index, Self::write);
        }
        if event.readable || event.closed {
            self.serve(index, Self::read);
        }
    }

    /// Does something with a connection, and closes it if that fails.
    fn serve(&mut self, index: usize, work: fn(&mut Self, usize) -> Result<(), Gone>) {
        if work(self, index).is_err()
            && let Some(Some(connection)) = self.connections.get_mut(index).map(Option::take)
        {
            // The close ends the watching in any case.
            let _ = self.poller.deregister(&connection.socket);
            self.vacant.push(index);
        }
    }

    /// Reads once and answers.
    fn read(&mut self, index: usize) -> Result<(), Gone> {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return Ok(()) };
        let count = match P::Net::read(&connection.socket, &mut self.input) {
            Ok(0) => return Err(Gone),
            Ok(count) => count,
            Err(error) if error.kind == IoErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind == IoErrorKind::Interrupted => {
                self.ready.push(index);
                return Ok(());
            }
            Err(_) => return Err(Gone),
        };
        if count == self.input.len() || connection.peer_ended {
            self.ready.push(index);
        }
        if core::mem::take(&mut connection.is_new)
            && let Some(reply) = no_config(self.input.get(..count).unwrap_or(&[]))
        {
            // So short that there is room for it in an empty socket.
            return P::Net::write(&connection.socket, &reply).map(|_| ()).map_err(|_| Gone);
        }
        connection.account.receive(count, &self.script);
        self.write(index)
    }

    /// Sends what is owed, as far as there is room.
    fn write(&mut self, index: usize) -> Result<(), Gone> {
        let Some(Some(connection)) = self.connections.get_mut(index) else { return Ok(()) };
        while connection.account.owes() {
            match P::Net::write(&connection.socket, connection.account.next(&self.script)) {
                Ok(count) => connection.account.sent(count),
                Err(error) if error.kind == IoErrorKind::Interrupted => {}
                // Room is told.
                Err(error) if error.kind == IoErrorKind::WouldBlock => return Ok(()),
                Err(_) => return Err(Gone),
            }
        }
        Ok(())
    }
}
