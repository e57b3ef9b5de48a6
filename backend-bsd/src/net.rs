//! TCP and unix sockets: non-blocking, close-on-exec, one system call for each read and write.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
#[cfg(not(target_os = "openbsd"))]
use core::time::Duration;
use std::io::IoSlice;
use std::net::ToSocketAddrs;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{FileType, Mode};
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, acceptfrom, bind, getsockname, listen, socket,
    sockopt,
};
use vireo_backend_unix::{io_error, std_error};
use vireo_core::platform::{Addr, IoError, ListenOptions, Net};

/// Buffers of one vectored write.
const PIECES_MAX: usize = 64;
/// Sockets of the BSDs and macOS.
#[derive(Clone, Copy, Debug)]
pub struct BsdNet;

/// Makes a descriptor non-blocking and keeps it from other programs; not every BSD can at its birth.
pub(crate) fn prepare(socket: &OwnedFd) -> Result<(), Errno> {
    ioctl_fionbio(socket, true)?;
    fcntl_setfd(socket, FdFlags::CLOEXEC)
}

fn open(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let opened = socket(family, SocketType::STREAM, None)?;
    prepare(&opened)?;
    Ok(opened)
}

/// Permission bits as the system holds them: in 16 bits here, in 32 there.
fn mode_bits<T: TryFrom<u32> + From<u16>>(bits: u32) -> T {
    T::try_from(bits).unwrap_or_else(|_| T::from(0o600))
}

fn from_any(addr: SocketAddrAny) -> Addr {
    if let Ok(v4) = SocketAddrV4::try_from(addr.clone()) {
        return Addr::V4(v4.ip().octets(), v4.port());
    }
    if let Ok(v6) = SocketAddrV6::try_from(addr.clone()) {
        return Addr::V6(v6.ip().octets(), v6.port());
    }
    let unix = SocketAddrUnix::try_from(addr).ok();
    let path = unix.as_ref().and_then(SocketAddrUnix::path_bytes).unwrap_or(b"");
    Addr::unix(&String::from_utf8_lossy(path))
}

impl Net for BsdNet {
    type Socket = OwnedFd;

    fn listen(addr: &Addr, options: ListenOptions) -> Result<OwnedFd, IoError> {
        let (family, v6) = match addr {
            Addr::V4(..) => (AddressFamily::INET, false),
            Addr::V6(..) => (AddressFamily::INET6, true),
            Addr::Unix(_) => return Err(io_error(Errno::AFNOSUPPORT)),
        };
        let listening = || -> Result<OwnedFd, Errno> {
            let socket = open(family)?;
            if v6 {
                sockopt::set_ipv6_v6only(&socket, true)?;
            }
            sockopt::set_socket_reuseaddr(&socket, true)?;
            if options.reuse_port {
                sockopt::set_socket_reuseport(&socket, true)?;
            }
            match addr {
                Addr::V4(ip, port) => bind(&socket, &SocketAddrV4::new(Ipv4Addr::from(*ip), *port))?,
                Addr::V6(ip, port) => bind(&socket, &SocketAddrV6::new(Ipv6Addr::from(*ip), *port, 0, 0))?,
                Addr::Unix(_) => return Err(Errno::AFNOSUPPORT),
            }
            listen(&socket, i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
            Ok(socket)
        };
        listening().map_err(io_error)
    }

    fn listen_unix(path: &str, permissions: u32, backlog: u32) -> Result<OwnedFd, IoError> {
        let listening = || -> Result<OwnedFd, Errno> {
            // Only a socket is replaced; a file that happens to have this name stays.
            if let Ok(stat) = rustix::fs::stat(path)
                && FileType::from_raw_mode(stat.st_mode) == FileType::Socket
            {
                rustix::fs::unlink(path)?;
            }
            let socket = open(AddressFamily::UNIX)?;
            bind(&socket, &SocketAddrUnix::new(path)?)?;
            if permissions != 0 {
                rustix::fs::chmod(path, Mode::from_raw_mode(mode_bits(permissions)))?;
            }
            listen(&socket, i32::try_from(backlog).unwrap_or(i32::MAX))?;
            Ok(socket)
        };
        listening().map_err(io_error)
    }

    fn accept(listener: &OwnedFd) -> Result<(OwnedFd, Addr), IoError> {
        let (socket, addr) = acceptfrom(listener).map_err(io_error)?;
        prepare(&socket).map_err(io_error)?;
        Ok((socket, addr.map_or_else(|| Addr::unix(""), from_any)))
    }

    #[inline]
    fn read(socket: &OwnedFd, into: &mut [u8]) -> Result<usize, IoError> {
        rustix::io::read(socket, into).map_err(io_error)
    }

    fn read_behind(socket: &OwnedFd, into: &mut Vec<u8>) -> Result<usize, IoError> {
        rustix::io::read(socket, spare_capacity(into)).map_err(io_error)
    }

    #[inline]
    fn write(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, IoError> {
        rustix::io::write(socket, bytes).map_err(io_error)
    }

    fn write_vectored(socket: &OwnedFd, pieces: &[&[u8]]) -> Result<usize, IoError> {
        let mut slices = [IoSlice::new(&[]); PIECES_MAX];
        let count = pieces.len().min(PIECES_MAX);
        for (slice, piece) in slices.iter_mut().zip(pieces) {
            *slice = IoSlice::new(piece);
        }
        rustix::io::writev(socket, &slices[..count]).map_err(io_error)
    }

    fn set_nodelay(socket: &OwnedFd) -> Result<(), IoError> {
        sockopt::set_tcp_nodelay(socket, true).map_err(io_error)
    }

    //= valkey 9.1 tcp-keepalive: the first probe after the interval, three more a third of it apart
    fn set_keepalive(socket: &OwnedFd, seconds: u32) -> Result<(), IoError> {
        let set = || -> Result<(), Errno> {
            sockopt::set_socket_keepalive(socket, seconds > 0)?;
            if seconds > 0 {
                #[cfg(not(target_os = "openbsd"))]
                {
                    sockopt::set_tcp_keepidle(socket, Duration::from_secs(seconds.into()))?;
                    sockopt::set_tcp_keepintvl(socket, Duration::from_secs((seconds / 3).max(1).into()))?;
                    sockopt::set_tcp_keepcnt(socket, 3)?;
                }
            }
            Ok(())
        };
        set().map_err(io_error)
    }

    fn local_addr(socket: &OwnedFd) -> Result<Addr, IoError> {
        getsockname(socket).map(from_any).map_err(io_error)
    }

    fn number(socket: &OwnedFd) -> i32 {
        socket.as_raw_fd()
    }

    fn resolve(host: &str, port: u16, each: &mut dyn FnMut(Addr)) -> Result<(), IoError> {
        for addr in (host, port).to_socket_addrs().map_err(|error| std_error(&error))? {
            each(match addr {
                SocketAddr::V4(v4) => Addr::V4(v4.ip().octets(), v4.port()),
                SocketAddr::V6(v6) => Addr::V6(v6.ip().octets(), v6.port()),
            });
        }
        Ok(())
    }
}
