//! Reading from and writing to one client: what the main thread and the I/O threads both do.
//!
//! Works on the client's I/O half alone, so whoever holds that may call it.

use vireo_core::platform::{IoError, IoErrorKind, Net};

use crate::connection::Connection;
use crate::parsed::Rules;

/// Pieces of replies that one call sends.
const PIECES_MAX: usize = 64;

/// The connection is closed or must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gone;

/// It will work later, without anything being wrong.
fn is_temporary(kind: IoErrorKind) -> bool {
    matches!(kind, IoErrorKind::WouldBlock | IoErrorKind::Interrupted)
}

/// Reads once into `buf`. 0 when nothing has come.
///
/// Afterwards the connection knows whether more may have come: the poller tells each arrival only once.
pub(crate) fn read<N: Net>(connection: &mut Connection<N::Socket>, buf: &mut [u8]) -> Result<usize, Gone> {
    let outcome = N::read(&connection.socket, buf);
    after_read(connection, outcome.map_err(|error| error.kind), buf.len())
}

/// Reads once into the client's own buffer.
pub(crate) fn read_own<N: Net>(connection: &mut Connection<N::Socket>) -> Result<usize, Gone> {
    // One more than is expected shows that all of it has come.
    let expected = if connection.read.len() == 0 { connection.expects as usize + 1 } else { 1 };
    let least = expected.min(connection.held_max.saturating_sub(connection.read.len()).max(1));
    let most = connection.parsed.argument_end();
    let into = connection.read.room(least, most);
    if into.capacity() > connection.held_max && into.len() < connection.held_max {
        // The limit is lower than it was.
        into.shrink_to(connection.held_max);
    }
    let room = into.capacity() - into.len();
    let outcome = N::read_behind(&connection.socket, into);
    connection.read.note_peak();
    after_read(connection, outcome.map_err(|error| error.kind), room)
}

fn after_read<S>(
    connection: &mut Connection<S>,
    outcome: Result<usize, IoErrorKind>,
    room: usize,
) -> Result<usize, Gone> {
    match outcome {
        Ok(0) => Err(Gone),
        Ok(count) => {
            connection.may_read_more = count == room || connection.peer_ended;
            connection.traffic.reads += 1;
            connection.traffic.bytes_in += count as u64;
            Ok(count)
        }
        Err(kind) if is_temporary(kind) => {
            connection.may_read_more = kind == IoErrorKind::Interrupted;
            Ok(0)
        }
        Err(_) => Err(Gone),
    }
}

/// Reads once and parses what has become whole, for execution by another thread. Returns whether something has come.
pub(crate) fn receive<N: Net>(
    connection: &mut Connection<N::Socket>,
    scratch: &mut [u8],
    rules: &Rules,
) -> bool {
    let outcome = if connection.read.len() == 0 && connection.expects == 0 {
        read::<N>(connection, scratch).inspect(|&count| connection.read.keep_whole(&scratch[..count]))
    } else {
        read_own::<N>(connection)
    };
    connection.gone = outcome.is_err();
    let has_come = outcome.is_ok_and(|count| count > 0);
    if has_come && connection.parsed.is_empty() {
        connection.parsed.fill(connection.read.pending(), rules);
        connection.parsed.look_up(connection.read.pending());
        if connection.parsed.is_mid_request() {
            connection.read.keep_part(connection.parsed.argument_end());
        }
    }
    has_come
}

/// Writes again when that was interrupted: the poller tells of room only after a write that has found none.
fn uninterrupted(mut write: impl FnMut() -> Result<usize, IoError>) -> Result<usize, IoError> {
    loop {
        match write() {
            Err(error) if error.kind == IoErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Sends some bytes, as many as there is room for. Returns how many.
pub(crate) fn send<N: Net>(connection: &mut Connection<N::Socket>, bytes: &[u8]) -> Result<usize, Gone> {
    match uninterrupted(|| N::write(&connection.socket, bytes)) {
        Ok(count) => {
            connection.traffic.writes += 1;
            connection.traffic.bytes_out += count as u64;
            Ok(count)
        }
        Err(error) if is_temporary(error.kind) => Ok(0),
        Err(_) => Err(Gone),
    }
}

/// Sends what waits for a connection, as much as there is room for. Lent values are put in by way of `whole`.
pub(crate) fn transmit<N: Net>(
    connection: &mut Connection<N::Socket>,
    whole: &mut Vec<u8>,
) -> Result<(), Gone> {
    if connection.out.is_lent() {
        whole.clear();
        connection.out.fill(whole);
        let sent = send::<N>(connection, whole)?;
        connection.out.replace_first(whole, sent);
        if sent < whole.len() {
            return Ok(());
        }
    }
    while !connection.out.is_empty() {
        let mut pieces: [&[u8]; PIECES_MAX] = [&[]; PIECES_MAX];
        let used = connection.out.slices(&mut pieces);
        let outcome = uninterrupted(|| match &pieces[..used] {
            [one] => N::write(&connection.socket, one),
            several => N::write_vectored(&connection.socket, several),
        });
        match outcome {
            Ok(count) => {
                connection.out.consume(count);
                connection.traffic.writes += 1;
                connection.traffic.bytes_out += count as u64;
            }
            Err(error) if is_temporary(error.kind) => return Ok(()),
            Err(_) => return Err(Gone),
        }
    }
    Ok(())
}
