//! Sockets: addresses, both directions, ends, refusals, unix sockets and their files.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use vireo_core::platform::{Addr, IoErrorKind, ListenOptions, Net, Platform};

/// A backend's socket.
pub(crate) type Socket<P> = <<P as Platform>::Net as Net>::Socket;

const ALONE: ListenOptions = ListenOptions { backlog: 512, reuse_port: false };
const LOOPBACK: Addr = Addr::V4([127, 0, 0, 1], 0);

/// A listener on a free port, and the port.
pub(crate) fn listener<P: Platform>() -> (Socket<P>, u16) {
    let listener = P::Net::listen(&LOOPBACK, ALONE).unwrap();
    let port = P::Net::local_addr(&listener).unwrap().port();
    (listener, port)
}

/// Accepts somebody who has connected; on some systems he is there only a moment later.
fn accepted<P: Platform>(listener: &Socket<P>) -> (Socket<P>, Addr) {
    loop {
        match P::Net::accept(listener) {
            Ok(pair) => return pair,
            Err(error) => assert_eq!(error.kind, IoErrorKind::WouldBlock),
        }
        std::thread::yield_now();
    }
}

/// A connection: the backend's end and the peer's.
pub(crate) fn connected<P: Platform>() -> (Socket<P>, TcpStream) {
    let (listener, port) = listener::<P>();
    let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.set_nodelay(true).unwrap();
    (accepted::<P>(&listener).0, peer)
}

/// Several listeners share a port if all want to.
pub fn a_port_is_shared_only_by_those_who_agree<P: Platform>() {
    let shared = ListenOptions { backlog: 16, reuse_port: true };
    let first = P::Net::listen(&LOOPBACK, shared).unwrap();
    let addr = P::Net::local_addr(&first).unwrap();
    let second = P::Net::listen(&addr, shared).unwrap();
    let refused = P::Net::listen(&addr, ALONE).unwrap_err();
    assert_eq!(refused.kind, IoErrorKind::AddrInUse);
    assert_eq!(refused.to_string(), "Address already in use");
    drop(second);
}

/// Accepting, reading and writing: nothing blocks, an end is 0 bytes, the other direction goes on.
pub fn tcp_both_ways<P: Platform>() {
    let (listener, port) = listener::<P>();
    assert_eq!(P::Net::accept(&listener).unwrap_err().kind, IoErrorKind::WouldBlock);
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (socket, addr) = accepted::<P>(&listener);
    assert!(addr.is_loopback() && P::Net::number(&socket) > 2);
    assert_eq!(addr.to_string(), peer.local_addr().unwrap().to_string());
    P::Net::set_nodelay(&socket).unwrap();
    P::Net::set_keepalive(&socket, 300).unwrap();
    P::Net::set_keepalive(&socket, 0).unwrap();
    assert_eq!(P::Net::read(&socket, &mut [0; 4]).unwrap_err().kind, IoErrorKind::WouldBlock);
    assert_eq!(P::Net::write_vectored(&socket, &[b"ab", b"", b"cd"]).unwrap(), 4);
    let mut got = [0; 4];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"abcd");
    peer.write_all(b"xy").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let (mut into, mut seen) = ([0; 8], 0);
    while seen < 2 {
        match P::Net::read(&socket, &mut into[seen..]) {
            Ok(count) => seen += count,
            Err(error) => assert_eq!(error.kind, IoErrorKind::WouldBlock),
        }
    }
    assert_eq!(&into[..2], b"xy");
    assert_eq!(P::Net::read(&socket, &mut into).unwrap(), 0);
    assert_eq!(P::Net::write(&socket, b"late").unwrap(), 4);
}

/// Reading behind a vector's bytes: no more than there is room for, nothing of it is another's, and the same ends and errors.
pub fn read_behind_what_is_there<P: Platform>() {
    let (socket, mut peer) = connected::<P>();
    let mut into = Vec::with_capacity(6);
    into.extend_from_slice(b"ab");
    assert_eq!(P::Net::read_behind(&socket, &mut into).unwrap_err().kind, IoErrorKind::WouldBlock);
    peer.write_all(b"cdefgh").unwrap();
    let room = into.capacity();
    while into.len() < room {
        if let Err(error) = P::Net::read_behind(&socket, &mut into) {
            assert_eq!(error.kind, IoErrorKind::WouldBlock);
        }
    }
    assert_eq!((&*into, into.capacity()), (&b"abcdefgh"[..room], room));
    peer.shutdown(Shutdown::Write).unwrap();
    into.reserve(100);
    let mut last = 1;
    while last > 0 {
        last = P::Net::read_behind(&socket, &mut into).unwrap_or(1);
    }
    assert_eq!(into, b"abcdefgh");
}

/// Addresses that cannot be listened on are refused with their class.
pub fn refused_addresses<P: Platform>() {
    let (_listener, port) = listener::<P>();
    let kind = |addr: &Addr| P::Net::listen(addr, ALONE).unwrap_err().kind;
    assert_eq!(kind(&Addr::V4([127, 0, 0, 1], port)), IoErrorKind::AddrInUse);
    // Of the range for documentation: nobody's.
    assert_eq!(kind(&Addr::V4([192, 0, 2, 1], 0)), IoErrorKind::AddrNotAvailable);
    assert_eq!(kind(&Addr::unix("/nowhere")), IoErrorKind::Unsupported);
    assert_eq!(P::Net::listen_unix("/no/such/folder/s", 0, 1).unwrap_err().kind, IoErrorKind::NotFound);
}

/// A path in a folder of this test's own.
fn scratch(name: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name).to_str().unwrap().to_owned();
    (folder, path)
}

/// A stale socket is replaced; permissions are as asked; a peer that is gone is an error, not the end of the process.
pub fn unix_sockets<P: Platform>() {
    let (_folder, path) = scratch("s");
    drop(P::Net::listen_unix(&path, 0o700, 16).unwrap());
    let listener = P::Net::listen_unix(&path, 0o770, 16).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o770);
    let mut peer = UnixStream::connect(&path).unwrap();
    let (socket, addr) = accepted::<P>(&listener);
    assert_eq!(addr.to_string(), ":0");
    assert_eq!(P::Net::local_addr(&socket).unwrap().to_string(), format!("{path}:0"));
    peer.write_all(b"x").unwrap();
    // Closing alone is not enough while a process that another test has just started holds a copy.
    peer.shutdown(Shutdown::Both).unwrap();
    drop(peer);
    let mut into = [0; 2];
    assert_eq!(P::Net::read(&socket, &mut into).unwrap(), 1);
    assert_eq!(P::Net::read(&socket, &mut into).unwrap(), 0);
    assert_eq!(P::Net::write(&socket, b"late").unwrap_err().kind, IoErrorKind::Closed);
}

/// A file that is no socket stays where a socket was asked for.
pub fn a_file_is_not_taken_for_a_socket<P: Platform>() {
    let (_folder, path) = scratch("precious");
    std::fs::write(&path, "data").unwrap();
    assert_eq!(P::Net::listen_unix(&path, 0, 1).unwrap_err().kind, IoErrorKind::AddrInUse);
    assert_eq!(std::fs::read(&path).unwrap(), b"data");
}

/// A vectored write takes the first 64 pieces, in order.
pub fn many_pieces_in_one_write<P: Platform>() {
    let (socket, mut peer) = connected::<P>();
    let bytes: Vec<u8> = (0..100).collect();
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(P::Net::write_vectored(&socket, &pieces).unwrap(), 64);
    let mut got = [0; 64];
    peer.read_exact(&mut got).unwrap();
    assert_eq!(got, bytes[..64]);
}

/// Host names become addresses with the port that was asked for.
pub fn names_are_resolved<P: Platform>() {
    let mut found = Vec::new();
    P::Net::resolve("127.0.0.1", 6379, &mut |addr| found.push(addr)).unwrap();
    assert_eq!(found, [Addr::V4([127, 0, 0, 1], 6379)]);
    let calls = AtomicUsize::new(0);
    let unknown = P::Net::resolve("no.such.host.invalid", 1, &mut |_| {
        calls.fetch_add(1, Ordering::SeqCst);
    });
    assert!(unknown.is_err() && calls.into_inner() == 0);
}

/// Other programs that this one starts get none of its sockets.
pub fn sockets_are_not_inherited<P: Platform>() {
    let (listener, port) = listener::<P>();
    let peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (socket, _) = accepted::<P>(&listener);
    for number in [P::Net::number(&listener), P::Net::number(&socket)] {
        let shell = std::process::Command::new("sh")
            .args(["-c", &format!("true <&{number}")])
            .stderr(std::process::Stdio::null())
            .status();
        assert!(!shell.unwrap().success(), "{number}");
    }
    drop(peer);
}
