//! Connections to the server, and what each of them says first.

use core::net::SocketAddr;
use std::net::{TcpStream, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use vireo_core::platform::{IoErrorKind, Net as _};
use vireo_core::resp::{Token, token, whole};

use crate::failure::{Failure, words};
use crate::options::{Place, Session};
use crate::platform::Net;
use crate::template::encode;

/// Opens connections.
#[derive(Debug)]
pub(crate) struct Dialer {
    place: Place,
    /// The address that answered; none for a unix socket.
    address: Option<SocketAddr>,
    password: Option<Vec<u8>>,
    greeting: Vec<u8>,
    greeting_replies: usize,
}

/// What reports tell of the server's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerConfig {
    pub save: String,
    pub appendonly: String,
}

impl Dialer {
    /// Finds the server.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub(crate) fn new(place: &Place, session: &Session) -> Result<Self, Failure> {
        let (greeting, greeting_replies) = greeting(session);
        let password = auth(session);
        let place = place.clone();
        let mut dialer = Self { place, address: None, password, greeting, greeting_replies };
        if let Place::Tcp(host, port) = &dialer.place {
            let found =
                (host.as_str(), *port).to_socket_addrs().map_err(|error| dialer.no_connection(&error))?;
            let mut addresses: Vec<SocketAddr> = found.collect();
            //= valkey 9.1 benchmark: IPv4 addresses of a name come before its IPv6 addresses
            addresses.sort_by_key(SocketAddr::is_ipv6);
            let mut failure = None;
            dialer.address = addresses.into_iter().find(|address| match TcpStream::connect(address) {
                Ok(_) => true,
                Err(error) => {
                    failure = Some(error);
                    false
                }
            });
            if dialer.address.is_none() {
                let error = failure.unwrap_or_else(|| std::io::Error::other("the name has no address"));
                return Err(dialer.no_connection(&error));
            }
        }
        Ok(dialer)
    }

    fn no_connection(&self, error: &std::io::Error) -> Failure {
        Failure::Connect(self.place.to_string(), words(error))
    }

    /// Opens a connection and waits for it; it blocks.
    fn open_blocking(&self) -> Result<OwnedFd, Failure> {
        let open = || -> std::io::Result<OwnedFd> {
            match (&self.place, self.address) {
                (_, Some(address)) => {
                    let stream = TcpStream::connect(address)?;
                    stream.set_nodelay(true)?;
                    Ok(stream.into())
                }
                (Place::Unix(path), _) => Ok(UnixStream::connect(path)?.into()),
                (Place::Tcp(..), None) => Err(std::io::Error::other("the name has no address")),
            }
        };
        open().map_err(|error| self.no_connection(&error))
    }

    /// Opens a connection, greets, waits for the replies; it does not block afterwards.
    ///
    /// # Errors
    /// [`Failure`]: no connection, or an error for a reply.
    pub(crate) fn open(&self) -> Result<OwnedFd, Failure> {
        let socket = self.open_blocking()?;
        for reply in ask(&socket, &self.greeting, self.greeting_replies)? {
            refuse_error(&reply)?;
        }
        rustix::io::ioctl_fionbio(&socket, true).map_err(|error| Failure::Io(words(&error.into())))?;
        Ok(socket)
    }

    /// Begins to open a connection; when it is writable, it is there, and nothing was said yet.
    ///
    /// # Errors
    /// [`Failure::Connect`].
    pub(crate) fn begin(&self) -> Result<OwnedFd, Failure> {
        let begin = || -> Result<OwnedFd, Errno> {
            let Some(address) = self.address else { return Err(Errno::DESTADDRREQ) };
            let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
            let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
            sockopt::set_tcp_nodelay(&socket, true)?;
            match rustix::net::connect(&socket, &address) {
                Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => Ok(socket),
                Err(error) => Err(error),
            }
        };
        if self.address.is_none() {
            // A unix socket is there at once, or not at all.
            let socket = self.open_blocking()?;
            let unblocked = rustix::io::ioctl_fionbio(&socket, true);
            return unblocked.map(|()| socket).map_err(|error| self.no_connection(&error.into()));
        }
        begin().map_err(|error| self.no_connection(&error.into()))
    }

    /// Why a connection that was begun did not come about; `None` when it did, though it may have been closed since.
    pub(crate) fn why_not(&self, socket: &OwnedFd) -> Option<Failure> {
        match sockopt::socket_error(socket) {
            Ok(Err(error)) | Err(error) => Some(self.no_connection(&error.into())),
            Ok(Ok(())) => None,
        }
    }

    /// What a connection that was begun has to say first, and how many replies come to it.
    pub(crate) fn greeting(&self) -> (&[u8], usize) {
        (&self.greeting, self.greeting_replies)
    }

    /// Sends one request on a connection of its own.
    ///
    /// # Errors
    /// [`Failure`], an error for a reply among them.
    pub(crate) fn ask_once(&self, request: &[u8]) -> Result<(), Failure> {
        let socket = self.open_blocking()?;
        for reply in ask(&socket, &self.greeting, self.greeting_replies)? {
            refuse_error(&reply)?;
        }
        ask(&socket, request, 1)?.iter().try_for_each(|reply| refuse_error(reply))
    }

    /// What the server says of its configuration; `None` where it does not say.
    ///
    /// # Errors
    /// [`Failure::Refused`] where it wants a password, or another one.
    //= valkey 9.1 benchmark: CONFIG GET of two directives comes first; only a wrong password ends the run
    pub(crate) fn server_config(&self) -> Result<Option<ServerConfig>, Failure> {
        let socket = self.open_blocking()?;
        let refused = |words: &[u8]| {
            Failure::Refused(self.place.to_string(), String::from_utf8_lossy(words).into_owned())
        };
        if let Some(auth) = &self.password {
            for reply in ask(&socket, auth, 1)? {
                if let Ok(Some((Token::Error(words), _))) = token(&reply) {
                    return Err(refused(words));
                }
            }
        }
        let mut request = Vec::new();
        encode(&["CONFIG", "GET", "save"], &mut request);
        encode(&["CONFIG", "GET", "appendonly"], &mut request);
        let Ok(replies) = ask(&socket, &request, 2) else { return Ok(None) };
        let mut values = Vec::new();
        for reply in &replies {
            match value_of_pair(reply) {
                Ok(value) => values.push(value),
                Err(Some(words)) if words.starts_with(b"NOAUTH") => return Err(refused(words)),
                Err(_) => return Ok(None),
            }
        }
        let mut values = values.into_iter();
        Ok(values.next().zip(values.next()).map(|(save, appendonly)| ServerConfig { save, appendonly }))
    }
}

/// The request that tells who we are.
fn auth(session: &Session) -> Option<Vec<u8>> {
    let password = session.password.as_deref()?;
    let mut request = Vec::new();
    match session.user.as_deref() {
        Some(user) => encode(&[b"AUTH", user, password], &mut request),
        None => encode(&[b"AUTH", password], &mut request),
    }
    Some(request)
}

/// What every connection says first.
//= valkey 9.1 benchmark: AUTH, CLIENT TRACKING, SELECT, HELLO, in this order
fn greeting(session: &Session) -> (Vec<u8>, usize) {
    let auth = auth(session);
    let mut count = usize::from(auth.is_some());
    let mut bytes = auth.unwrap_or_default();
    let mut say = |words: &[&str]| {
        encode(words, &mut bytes);
        count += 1;
    };
    if session.tracking {
        say(&["CLIENT", "TRACKING", "on"]);
    }
    if session.db > 0 {
        say(&["SELECT", &session.db.to_string()]);
    }
    if session.resp3 {
        say(&["HELLO", "3"]);
    }
    (bytes, count)
}

/// Sends bytes on a connection that blocks and waits for so many replies.
fn ask(socket: &OwnedFd, bytes: &[u8], replies: usize) -> Result<Vec<Vec<u8>>, Failure> {
    let failure = |error: vireo_core::platform::IoError| match error.kind {
        IoErrorKind::Closed => Failure::Closed,
        _ => Failure::Io(error.to_string()),
    };
    let mut left = bytes;
    while !left.is_empty() {
        match Net::write(socket, left) {
            Ok(count) => left = left.get(count..).unwrap_or(&[]),
            Err(error) if error.kind == IoErrorKind::Interrupted => {}
            Err(error) => return Err(failure(error)),
        }
    }
    let (mut input, mut got) = (Vec::new(), Vec::new());
    let mut piece = [0; 4096];
    while got.len() < replies {
        if let Some(len) = whole(&input).map_err(|_| Failure::Protocol("this is no reply"))? {
            let reply: Vec<u8> = input.drain(..len).collect();
            // What was not asked for is no answer.
            if reply.first() != Some(&b'>') {
                got.push(reply);
            }
            continue;
        }
        match Net::read(socket, &mut piece) {
            Ok(0) => return Err(Failure::Closed),
            Ok(count) => input.extend_from_slice(piece.get(..count).unwrap_or(&[])),
            Err(error) if error.kind == IoErrorKind::Interrupted => {}
            Err(error) => return Err(failure(error)),
        }
    }
    Ok(got)
}

fn refuse_error(reply: &[u8]) -> Result<(), Failure> {
    match token(reply) {
        Ok(Some((Token::Error(words), _))) => {
            Err(Failure::Reply(String::from_utf8_lossy(words).into_owned()))
        }
        _ => Ok(()),
    }
}

/// The second string of an array of two; an error's words, where the reply is one.
fn value_of_pair(reply: &[u8]) -> Result<String, Option<&[u8]>> {
    let first = |bytes| token(bytes).ok().flatten().ok_or(None::<&[u8]>);
    let (head, head_len) = first(reply)?;
    match head {
        Token::Error(words) => return Err(Some(words)),
        Token::Array(2) => {}
        _ => return Err(None),
    }
    let rest = reply.get(head_len..).unwrap_or(&[]);
    let (_, name_len) = first(rest)?;
    match first(rest.get(name_len..).unwrap_or(&[]))? {
        (Token::Bulk(value), _) => Ok(String::from_utf8_lossy(value).into_owned()),
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    use super::{greeting, value_of_pair};
    use crate::options::Session;

    #[test]
    fn greetings_in_order() {
        assert_eq!(greeting(&Session::default()), (Vec::new(), 0));
        let session = Session {
            user: Some(b"me".to_vec()),
            password: Some(b"secret".to_vec()),
            db: 12,
            resp3: true,
            tracking: true,
        };
        let (bytes, count) = greeting(&session);
        let text = String::from_utf8(bytes).unwrap();
        let at = |word: &str| text.find(word).unwrap();
        assert!(at("*3\r\n$4\r\nAUTH\r\n$2\r\nme\r\n$6\r\nsecret\r\n") < at("TRACKING"));
        assert!(at("TRACKING") < at("$2\r\n12\r\n") && at("SELECT") < at("HELLO"));
        assert_eq!(count, 4);
    }

    #[test]
    fn a_directive_s_value() {
        assert_eq!(value_of_pair(b"*2\r\n$4\r\nsave\r\n$7\r\n3600 10\r\n").unwrap(), "3600 10");
        assert_eq!(value_of_pair(b"-NOAUTH no\r\n"), Err(Some(&b"NOAUTH no"[..])));
        assert_eq!(value_of_pair(b"*0\r\n"), Err(None));
        assert_eq!(value_of_pair(b"*2\r\n$4\r\nsave\r\n"), Err(None));
    }
}
