//! The boundary to the operating system: the traits every backend implements, with their contract.
//!
//! Static dispatch only (`Server<P: Platform>`). The contract is written here once; each backend's test suite
//! checks it. Nothing above this line knows a file descriptor's system calls, nothing below knows a command.
//!
//! Contract of [`Poller`]:
//! * Connections are edge triggered, for reading and writing at once: an event comes when bytes arrive, when room
//!   comes back after a write found none, when the peer ends. Who was told reads until less has come than there was
//!   room for, or, when the event said `closed`, until the end or an error; only then the next event is certain.
//! * Listeners are level triggered: an event comes again at each wait until nobody waits to be accepted.
//! * Readiness to read and to write of one socket arrives merged, in one [`Event`].
//! * Any thread may register and deregister; one thread waits at a time.
//! * A time-out is rounded up to the poller's resolution, never down; an interrupted wait returns no events.
//! * A socket is deregistered before it is closed. Events that an earlier wait has delivered may still name
//!   its token, so tokens must tell generations apart.
//! * [`Poller::waker`]'s handle ends a wait from any thread; wakes before a wait end the next one.

#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use core::fmt;

/// Readiness of a registered socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The token it was registered with.
    pub token: u64,
    /// A read will not block (it may return the end or an error).
    pub readable: bool,
    /// A write will not block.
    pub writable: bool,
    /// The peer is gone, or the socket has failed.
    pub closed: bool,
}

/// Class of a system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IoErrorKind {
    /// It would block: try again when ready.
    WouldBlock,
    /// Interrupted: try again at once.
    Interrupted,
    /// The connection is gone.
    Closed,
    /// One waiting connection failed before it was accepted; the listener is well.
    AcceptFailed,
    /// No descriptors or memory for another connection now.
    Exhausted,
    /// The address is in use.
    AddrInUse,
    /// The address is not this machine's.
    AddrNotAvailable,
    /// The protocol or address family is not supported here.
    Unsupported,
    /// No such file.
    NotFound,
    /// Anything else.
    Other,
}

/// A system error.
#[derive(Clone, Copy)]
pub struct IoError {
    /// Its class.
    pub kind: IoErrorKind,
    /// The system's number.
    pub code: i32,
    /// Prints the system's words for a number.
    pub describe: fn(i32, &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl fmt::Debug for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({})", self.kind, self.code)
    }
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.describe)(self.code, f)
    }
}

/// Longest path of a unix socket that is kept.
pub const UNIX_PATH_LEN_MAX: usize = 108;

/// Address of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr {
    /// IPv4 address and port.
    V4([u8; 4], u16),
    /// IPv6 address and port.
    V6([u8; 16], u16),
    /// Unix socket path; empty for an unnamed peer.
    Unix(heapless::String<UNIX_PATH_LEN_MAX>),
}

impl Addr {
    /// A unix socket's address; a path that is too long is cut.
    pub fn unix(path: &str) -> Self {
        let mut kept = heapless::String::new();
        for letter in path.chars() {
            if kept.push(letter).is_err() {
                break;
            }
        }
        Self::Unix(kept)
    }

    /// The address is this machine's own.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::V4(ip, _) => ip[0] == 127,
            Self::V6(ip, _) => core::net::Ipv6Addr::from(*ip).to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The port; 0 for a unix socket.
    pub fn port(&self) -> u16 {
        match self {
            Self::V4(_, port) | Self::V6(_, port) => *port,
            Self::Unix(_) => 0,
        }
    }
}

/// `127.0.0.1:6379`, `[::1]:6379`, `/path:0`: as CLIENT LIST prints it.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(ip, port) => write!(f, "{}:{port}", core::net::Ipv4Addr::from(*ip)),
            Self::V6(ip, port) => write!(f, "[{}]:{port}", core::net::Ipv6Addr::from(*ip)),
            Self::Unix(path) => write!(f, "{path}:0"),
        }
    }
}

/// Waits for readiness of many sockets.
pub trait Poller: Sized + Send + Sync + 'static {
    /// What it watches.
    type Socket;
    /// Ends a wait from another thread.
    type Waker: Wake;

    /// A new poller.
    ///
    /// # Errors
    /// The system's.
    fn new() -> Result<Self, IoError>;
    /// Begins to watch a connection, edge triggered.
    ///
    /// # Errors
    /// The system's.
    fn register(&self, socket: &Self::Socket, token: u64) -> Result<(), IoError>;
    /// Begins to watch a listener, level triggered.
    ///
    /// # Errors
    /// The system's.
    fn register_listener(&self, socket: &Self::Socket, token: u64) -> Result<(), IoError>;
    /// Ceases to watch a socket.
    ///
    /// # Errors
    /// The system's.
    fn deregister(&self, socket: &Self::Socket) -> Result<(), IoError>;
    /// Waits until something is ready, a wake, or the time-out (`None`: for ever). Hands each event to `each`.
    ///
    /// # Errors
    /// The system's; an interruption is not one.
    fn wait(&self, timeout_ns: Option<u64>, each: &mut dyn FnMut(Event)) -> Result<(), IoError>;
    /// A handle that ends a wait.
    fn waker(&self) -> Self::Waker;
}

/// Ends a wait from another thread or a signal handler.
pub trait Wake: Clone + Send + Sync + 'static {
    /// Ends the present wait, or the next one.
    fn wake(&self);
}

/// Options of a listening socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListenOptions {
    /// Connections that may wait to be accepted.
    pub backlog: u32,
    /// Several listeners may share the port.
    pub reuse_port: bool,
}

/// Sockets: always non-blocking, closed when dropped, not inherited by other programs.
pub trait Net {
    /// A socket, listening or connected.
    type Socket: fmt::Debug + Send + Sync + 'static;

    /// Listens on an IP address.
    ///
    /// # Errors
    /// The system's.
    fn listen(addr: &Addr, options: ListenOptions) -> Result<Self::Socket, IoError>;
    /// Listens on a unix socket at a path, replacing a stale one, with these permission bits (0: the default).
    ///
    /// # Errors
    /// The system's.
    fn listen_unix(path: &str, permissions: u32, backlog: u32) -> Result<Self::Socket, IoError>;
    /// Takes a waiting connection.
    ///
    /// # Errors
    /// `WouldBlock` when none waits; `AcceptFailed` concerns that connection alone.
    fn accept(listener: &Self::Socket) -> Result<(Self::Socket, Addr), IoError>;
    /// Reads into a buffer; 0 is the peer's end.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has arrived.
    fn read(socket: &Self::Socket, into: &mut [u8]) -> Result<usize, IoError>;
    /// Reads into the room behind a vector's bytes, of which there must be some; 0 is the peer's end. Nothing has to clear the room
    /// first.
    ///
    /// # Errors
    /// `WouldBlock` when nothing has arrived.
    #[cfg(feature = "alloc")]
    fn read_behind(socket: &Self::Socket, into: &mut Vec<u8>) -> Result<usize, IoError>;
    /// Writes a buffer, as much as there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    fn write(socket: &Self::Socket, bytes: &[u8]) -> Result<usize, IoError>;
    /// Writes several buffers in order with one call, at most 64 of them.
    ///
    /// # Errors
    /// `WouldBlock` when there is no room.
    fn write_vectored(socket: &Self::Socket, pieces: &[&[u8]]) -> Result<usize, IoError>;
    /// Sends small writes at once.
    ///
    /// # Errors
    /// The system's.
    fn set_nodelay(socket: &Self::Socket) -> Result<(), IoError>;
    /// Probes an idle peer after this many seconds; 0 turns it off.
    ///
    /// # Errors
    /// The system's.
    fn set_keepalive(socket: &Self::Socket, seconds: u32) -> Result<(), IoError>;
    /// The socket's own address.
    ///
    /// # Errors
    /// The system's.
    fn local_addr(socket: &Self::Socket) -> Result<Addr, IoError>;
    /// Descriptor number, for CLIENT LIST.
    fn number(socket: &Self::Socket) -> i32;
    /// Addresses of a host name, handed to `each`.
    ///
    /// # Errors
    /// The system's, when the name is unknown.
    fn resolve(host: &str, port: u16, each: &mut dyn FnMut(Addr)) -> Result<(), IoError>;
}

/// Clocks.
pub trait Clock: Send + Sync + 'static {
    /// Calibrates what needs it.
    fn new() -> Self;
    /// Monotonic time, ns; the cheapest sound source of the machine.
    fn monotonic_ns(&self) -> u64;
    /// Time since 1970, µs.
    fn unix_us(&self) -> i64;
    /// The source of [`Clock::monotonic_ns`], as INFO names it.
    fn name(&self) -> &str;
}

/// A thread that was spawned.
pub trait Thread: Send {
    /// Lets it return from [`Threads::park`], now or the next time.
    fn unpark(&self);
    /// Waits for its end.
    fn join(self);
}

/// Threads.
pub trait Threads {
    /// A handle of a thread.
    type Thread: Thread;
    /// Starts a thread with a name (at most 15 bytes are shown).
    ///
    /// # Errors
    /// The system's.
    fn spawn<F: FnOnce() + Send + 'static>(name: &str, run: F) -> Result<Self::Thread, IoError>;
    /// Wakes the thread that asked for it from [`Self::park`].
    type Unparker: Wake;
    /// What wakes this thread.
    fn unparker() -> Self::Unparker;
    /// Sleeps until somebody unparks this thread, or spuriously.
    fn park();
    /// Same, for so long at most.
    fn park_for(timeout_ns: u64);
    /// Lets another thread run on this processor, if one wants to.
    fn yield_now();
    /// Binds this thread to processors (`0-3,8`); says whether the system did.
    fn set_affinity(list: &str) -> bool;
    /// Processors this process may use.
    fn available() -> usize;
}

/// Files. A path is bytes, as the system has it.
///
/// What is written survives the loss of power for certain once the file was synced, and a name once its folder was; before that,
/// any part of it may. Bytes whose sync has failed may be lost even if a later one succeeds.
#[cfg(feature = "alloc")]
pub trait Files {
    /// A file that is being written; closed when dropped.
    type File: fmt::Debug + Send;

    /// Reads a whole file.
    ///
    /// # Errors
    /// `NotFound`; others of the system's.
    fn read(path: &[u8]) -> Result<Vec<u8>, IoError>;
    /// Makes a file with these permission bits, or empties the one that is there.
    ///
    /// # Errors
    /// The system's.
    fn create(path: &[u8], permissions: u32) -> Result<Self::File, IoError>;
    /// Writes behind what was written, as much as the system takes.
    ///
    /// # Errors
    /// `Interrupted`; others of the system's.
    fn write(file: &mut Self::File, bytes: &[u8]) -> Result<usize, IoError>;
    /// Waits until what was written is on the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync(file: &mut Self::File) -> Result<(), IoError>;
    /// Gives a file another name at once, in the place of whoever has it.
    ///
    /// # Errors
    /// The system's.
    fn rename(from: &[u8], to: &[u8]) -> Result<(), IoError>;
    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound`; others of the system's.
    fn remove(path: &[u8]) -> Result<(), IoError>;
    /// Waits until the names in a folder are on the disk.
    ///
    /// # Errors
    /// The system's.
    fn sync_folder(path: &[u8]) -> Result<(), IoError>;
}

/// Processor time, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program.
    pub user_us: u64,
    /// In the kernel.
    pub system_us: u64,
}

/// Reads processor time.
pub trait CpuSampler {
    /// Of this thread; `None` where the system cannot tell.
    fn thread() -> Option<CpuTime>;
    /// Of the process.
    fn process() -> CpuTime;
    /// Of its children that have ended.
    fn children() -> CpuTime;
}

/// Signals that end the process in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Asked to end.
    Terminate,
    /// Asked to end from the keyboard.
    Interrupt,
}

/// What the system tells of itself and of the process.
pub trait System {
    /// "Linux 6.1.0 x86_64".
    fn name(into: &mut dyn fmt::Write);
    /// Resident memory of the process, bytes.
    fn resident_bytes() -> u64;
    /// Memory of the machine, bytes.
    fn total_memory_bytes() -> u64;
    /// Raises the limit of open descriptors towards `wanted`; returns what it is then.
    fn raise_open_files(wanted: u64) -> u64;
    /// Fills a buffer with unpredictable bytes.
    fn entropy(into: &mut [u8]);
    /// Catches the ending signals, ignores those that would end the process by surprise.
    fn catch_signals<W: Wake>(waker: W);
    /// The last caught signal, once.
    fn take_signal() -> Option<Signal>;
    /// Name of the poller, as INFO shows it.
    const POLLER_NAME: &'static str;
}

/// One operating system.
pub trait Platform: Sized + 'static {
    /// Sockets.
    type Net: Net;
    /// Readiness.
    type Poller: Poller<Socket = <Self::Net as Net>::Socket>;
    /// Clocks.
    type Clock: Clock;
    /// Threads.
    type Threads: Threads;
    /// Files.
    #[cfg(feature = "alloc")]
    type Files: Files;
    /// Processor time.
    type Cpu: CpuSampler;
    /// The rest.
    type System: System;
}
