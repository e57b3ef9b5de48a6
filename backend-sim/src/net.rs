//! Sockets of the simulated network, as the server sees them.

use core::net::IpAddr;

use vireo_core::platform::{Addr, IoError, IoErrorKind, ListenOptions, Net};

use crate::error::io_error;
use crate::network::{Kind, Socket};
use crate::world::{State, call, current, try_current};

/// What calls cost, ns.
const COST_NS: (u64, u64) = (300, 3000);
const CHEAP_NS: (u64, u64) = (100, 500);
/// Buffers of one vectored write.
const PIECES_MAX: usize = 64;

/// The simulated network.
#[derive(Clone, Copy, Debug)]
pub struct SimNet;

/// A socket; closed when dropped.
#[derive(Debug)]
pub struct SimSocket {
    pub(crate) id: usize,
    number: i32,
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        // A thread that panics drops what it has as it comes: the panic is the failure.
        if !std::thread::panicking()
            && let Some((world, _)) = try_current()
        {
            world.lock().close(self.id);
        }
    }
}

/// A call on a connected socket. Two threads in such calls at once break the server's rule that one of them holds it.
fn on_stream<R>(
    socket: &SimSocket,
    what: &'static str,
    act: impl FnOnce(&mut State, usize) -> Result<R, IoError>,
) -> Result<R, IoError> {
    let (world, me) = current();
    let mut state = world.lock();
    if let Some(socket) = &mut state.network.sockets[socket.id]
        && let Some(other) = socket.user.replace(me)
    {
        state.fail(format!("threads {other} and {me} read or write one socket at once"));
    }
    drop(state);
    call(what, COST_NS, |state, _| {
        let Some(Socket { kind: Kind::Stream(conn), user, .. }) = &mut state.network.sockets[socket.id]
        else {
            return Err(io_error(IoErrorKind::Other));
        };
        *user = None;
        let conn = *conn;
        act(state, conn)
    })
}

impl Net for SimNet {
    type Socket = SimSocket;

    fn listen(addr: &Addr, options: ListenOptions) -> Result<SimSocket, IoError> {
        call("listen", COST_NS, |state, _| {
            state.listen(addr, options.backlog).map(|(id, number)| SimSocket { id, number })
        })
    }

    fn listen_unix(path: &str, _permissions: u32, backlog: u32) -> Result<SimSocket, IoError> {
        Self::listen(&Addr::unix(path), ListenOptions { backlog, reuse_port: false })
    }

    fn accept(listener: &SimSocket) -> Result<(SimSocket, Addr), IoError> {
        call("accept", COST_NS, |state, _| {
            state.accept(listener.id).map(|(id, number, addr)| (SimSocket { id, number }, addr))
        })
    }

    fn read(socket: &SimSocket, into: &mut [u8]) -> Result<usize, IoError> {
        on_stream(socket, "read", |state, conn| state.read(conn, into))
    }

    fn read_behind(socket: &SimSocket, into: &mut Vec<u8>) -> Result<usize, IoError> {
        let before = into.len();
        into.resize(into.capacity(), 0);
        let outcome = Self::read(socket, &mut into[before..]);
        into.truncate(before + outcome.as_ref().map_or(0, |&count| count));
        outcome
    }

    fn write(socket: &SimSocket, bytes: &[u8]) -> Result<usize, IoError> {
        on_stream(socket, "write", |state, conn| state.write(conn, bytes))
    }

    fn write_vectored(socket: &SimSocket, pieces: &[&[u8]]) -> Result<usize, IoError> {
        let all = pieces[..pieces.len().min(PIECES_MAX)].concat();
        on_stream(socket, "writev", |state, conn| state.write(conn, &all))
    }

    fn set_nodelay(_socket: &SimSocket) -> Result<(), IoError> {
        Ok(())
    }

    fn set_keepalive(socket: &SimSocket, seconds: u32) -> Result<(), IoError> {
        on_stream(socket, "keepalive", |state, conn| {
            state.keep_alive(conn, seconds);
            Ok(())
        })
    }

    fn local_addr(socket: &SimSocket) -> Result<Addr, IoError> {
        call("local address", CHEAP_NS, |state, _| match &state.network.sockets[socket.id] {
            Some(Socket { kind: Kind::Listener { addr, .. }, .. }) => Ok(addr.clone()),
            Some(Socket { kind: Kind::Stream(conn), .. }) => {
                let conn = *conn;
                Ok(state.network.conn_mut(conn).server_addr())
            }
            None => Err(io_error(IoErrorKind::Other)),
        })
    }

    fn number(socket: &SimSocket) -> i32 {
        socket.number
    }

    fn resolve(host: &str, port: u16, each: &mut dyn FnMut(Addr)) -> Result<(), IoError> {
        match host.parse() {
            Ok(IpAddr::V4(ip)) => each(Addr::V4(ip.octets(), port)),
            Ok(IpAddr::V6(ip)) => each(Addr::V6(ip.octets(), port)),
            Err(_) => return Err(io_error(IoErrorKind::NotFound)),
        }
        Ok(())
    }
}
