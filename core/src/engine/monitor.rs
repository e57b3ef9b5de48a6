//! MONITOR: every command that is executed, as a line for each client that watches.

use alloc::format;
use alloc::vec::Vec;

use super::context::{Args, Moment};
use super::session::Session;
use super::shared::{Delivery, Shared};
use crate::resp::{Proto, Reply};

/// Sends a line about an executed command to every client in MONITOR mode.
#[cold]
pub(super) fn feed(shared: &mut Shared, session: &Session, db: u32, args: &Args<'_>, began: Moment) {
    let line = line(session, db, args, shared.redacted, began);
    let mut bytes = Vec::with_capacity(line.len() + 3);
    Reply::new(&mut bytes, Proto::Resp2).status(&line);
    for &to in &shared.monitors {
        shared.deliveries.push(Delivery { to, bytes: bytes.clone() });
    }
}

//= valkey 9.1 MONITOR: 1339518083.107412 [0 127.0.0.1:60866] "keys" "*"
fn line(session: &Session, db: u32, args: &Args<'_>, redacted: u64, began: Moment) -> Vec<u8> {
    let (seconds, micros) = (began.unix_us.div_euclid(1_000_000), began.unix_us.rem_euclid(1_000_000));
    let mut line = format!("{seconds}.{micros:06} [{db} {}] ", session.addr).into_bytes();
    for (index, arg) in args.iter_from(0).enumerate() {
        if index > 0 {
            line.push(b' ');
        }
        if index < 64 && redacted & (1 << index) != 0 {
            line.extend_from_slice(b"\"(redacted)\"");
        } else {
            crate::config::push_quoted(&mut line, arg);
        }
    }
    line
}
