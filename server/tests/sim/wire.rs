//! A client's connection: bytes in and out, whole replies, and what has become of it.

use vireo_backend_sim::{ConnId, Line, Scene, Told};
use vireo_core::platform::Addr;

use crate::value::{Value, parse};

/// Where the server listens.
pub(crate) fn server() -> Addr {
    Addr::V4([127, 0, 0, 1], 6379)
}

/// A connection, or none.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    conn: Option<ConnId>,
    buf: Vec<u8>,
}

/// What has come of what an actor was told.
#[derive(Debug)]
pub(crate) enum News {
    /// Replies, in order.
    Replies(Vec<Value>),
    /// Connected.
    Connected,
    /// The connection is gone.
    Gone,
    /// A time of the actor's own.
    Time(u64),
    /// Something about a connection of before.
    Nothing,
}

impl Wire {
    pub(crate) fn open(&mut self, line: Line, scene: &mut Scene<'_>) {
        self.buf.clear();
        self.conn = Some(scene.connect(&server(), line));
    }

    pub(crate) fn is_open(&self) -> bool {
        self.conn.is_some()
    }

    pub(crate) fn send(&self, bytes: &[u8], scene: &mut Scene<'_>) {
        if let Some(conn) = self.conn {
            scene.send(conn, bytes);
        }
    }

    /// Lets go of the connection.
    pub(crate) fn take(&mut self) -> Option<ConnId> {
        self.buf.clear();
        self.conn.take()
    }

    /// Closes the connection; `false` when there is none.
    pub(crate) fn close(&mut self, scene: &mut Scene<'_>) -> bool {
        let conn = self.take();
        conn.inspect(|&conn| scene.close(conn)).is_some()
    }

    pub(crate) fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    pub(crate) fn news(&mut self, told: Told<'_>, scene: &mut Scene<'_>) -> News {
        match told {
            Told::Time(tag) => News::Time(tag),
            Told::Connected(conn) if self.conn == Some(conn) => News::Connected,
            Told::Bytes(conn, bytes) if self.conn == Some(conn) => {
                self.buf.extend_from_slice(bytes);
                News::Replies(self.replies(scene))
            }
            Told::Ended(conn) | Told::Broken(conn) if self.conn == Some(conn) => {
                self.take();
                if matches!(told, Told::Ended(_)) {
                    // The server has nothing more to say, and learns that neither has the client.
                    scene.close(conn);
                }
                News::Gone
            }
            _ => News::Nothing,
        }
    }

    fn replies(&mut self, scene: &mut Scene<'_>) -> Vec<Value> {
        let (mut all, mut at) = (Vec::new(), 0);
        loop {
            match parse(&self.buf[at..]) {
                Ok(Some((value, len))) => {
                    all.push(value);
                    at += len;
                }
                Ok(None) => break,
                Err(why) => {
                    scene.fail(why);
                    break;
                }
            }
        }
        self.buf.drain(..at);
        all
    }
}
