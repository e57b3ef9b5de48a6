//! Listening sockets: where, and how that changes while running.

use vireo_core::config::Config;
use vireo_core::platform::{Addr, IoError, IoErrorKind, ListenOptions, Net, Platform, Poller};

use crate::serve::Socket;

/// Marks the tokens of listeners; connections never set it.
const LISTENER_TOKEN: u64 = 1 << 63;

struct Listener<P: Platform> {
    socket: Socket<P>,
    unix: bool,
}

/// All listening sockets.
pub(crate) struct Listeners<P: Platform> {
    open: Vec<Option<Listener<P>>>,
    /// As INFO shows them.
    described: Vec<String>,
}

impl<P: Platform> Default for Listeners<P> {
    fn default() -> Self {
        Self { open: Vec::new(), described: Vec::new() }
    }
}

/// Where listening failed, and why.
#[derive(Debug)]
pub(crate) struct ListenError {
    /// `127.0.0.1:6379`.
    pub(crate) place: String,
    /// The system's reason.
    pub(crate) why: IoError,
}

impl<P: Platform> Listeners<P> {
    /// The listener that a token names.
    pub(crate) fn resolve(token: u64) -> Option<usize> {
        let index = usize::try_from(token & !LISTENER_TOKEN).ok()?;
        (token & LISTENER_TOKEN != 0).then_some(index)
    }

    /// Takes a connection that waits at a listener.
    pub(crate) fn accept(&self, index: usize) -> Option<Result<(Socket<P>, Addr), IoError>> {
        let listener = self.open.get(index)?.as_ref()?;
        Some(P::Net::accept(&listener.socket))
    }

    /// `name=tcp,bind=127.0.0.1,port=6379` and the like.
    pub(crate) fn described(&self) -> &[String] {
        &self.described
    }

    /// Nobody can connect.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.iter().all(Option::is_none)
    }

    /// Listens on the configured addresses and port in place of the present ones. On failure nothing is open.
    pub(crate) fn listen_tcp(&mut self, poller: &P::Poller, config: &Config) -> Result<(), ListenError> {
        self.close(poller, false);
        let port = config.text("port").parse().unwrap_or(0);
        if port == 0 {
            return Ok(());
        }
        let backlog = config.text("tcp-backlog").parse().unwrap_or(511);
        let bind = config.text("bind");
        for word in bind.split(' ').filter(|word| !word.is_empty()) {
            if let Err(error) = self.listen_one(poller, word, port, backlog) {
                self.close(poller, false);
                return Err(error);
            }
        }
        self.describe(config);
        Ok(())
    }

    //= valkey 9.1 bind: an address with `-` in front may be missing on this machine
    fn listen_one(
        &mut self,
        poller: &P::Poller,
        word: &str,
        port: u16,
        backlog: u32,
    ) -> Result<(), ListenError> {
        let optional = word.starts_with('-');
        let host = word.trim_start_matches('-');
        let place = format!("{host}:{port}");
        let mut addrs = Vec::new();
        let resolved = match host {
            "*" => {
                addrs.push(Addr::V4([0; 4], port));
                Ok(())
            }
            "::*" => {
                addrs.push(Addr::V6([0; 16], port));
                Ok(())
            }
            name => P::Net::resolve(name, port, &mut |addr| addrs.push(addr)),
        };
        let outcome = resolved.and_then(|()| match addrs.first() {
            Some(addr) => P::Net::listen(addr, ListenOptions { backlog, reuse_port: false }),
            None => {
                Ok(P::Net::listen(&Addr::V4([0; 4], port), ListenOptions { backlog, reuse_port: false })?)
            }
        });
        match outcome {
            Ok(socket) => self.add(poller, socket, false).map_err(|why| ListenError { place, why }),
            Err(why) if optional && why.kind == IoErrorKind::AddrNotAvailable => Ok(()),
            Err(why) if why.kind == IoErrorKind::Unsupported => Ok(()),
            Err(why) => Err(ListenError { place, why }),
        }
    }

    /// Listens on the configured unix socket, if any.
    pub(crate) fn listen_unix(&mut self, poller: &P::Poller, config: &Config) -> Result<(), ListenError> {
        let path = config.text("unixsocket");
        if path.is_empty() {
            return Ok(());
        }
        let permissions = u32::from_str_radix(&config.text("unixsocketperm"), 8).unwrap_or(0);
        let backlog = config.text("tcp-backlog").parse().unwrap_or(511);
        let opened = P::Net::listen_unix(&path, permissions, backlog);
        let added = opened.and_then(|socket| self.add(poller, socket, true));
        self.describe(config);
        added.map_err(|why| ListenError { place: path, why })
    }

    fn add(&mut self, poller: &P::Poller, socket: Socket<P>, unix: bool) -> Result<(), IoError> {
        let index = self.open.iter().position(Option::is_none).unwrap_or(self.open.len());
        let token = LISTENER_TOKEN | index as u64;
        poller.register_listener(&socket, token)?;
        let listener = Some(Listener { socket, unix });
        match self.open.get_mut(index) {
            Some(place) => *place = listener,
            None => self.open.push(listener),
        }
        Ok(())
    }

    /// Closes the listeners of one kind.
    pub(crate) fn close(&mut self, poller: &P::Poller, unix: bool) {
        for place in &mut self.open {
            if let Some(listener) = place.take_if(|listener| listener.unix == unix) {
                // The close below ends the watching in any case.
                let _ = poller.deregister(&listener.socket);
            }
        }
    }

    fn describe(&mut self, config: &Config) {
        self.described.clear();
        let port = config.text("port");
        if port != "0" {
            let binds: String = config
                .text("bind")
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(|b| format!(",bind={b}"))
                .collect();
            self.described.push(format!("name=tcp{binds},port={port}"));
        }
        let path = config.text("unixsocket");
        if !path.is_empty() {
            self.described.push(format!("name=unix,bind={path}"));
        }
    }
}
