//! `valkey://user:password@host:port/dbnum`, as `-u` takes it.

use crate::options::{Place, Session};

/// Puts what a URI names into place and session; what it does not name stays.
///
/// # Errors
/// Words for the user.
//= valkey 9.1 benchmark: redis:// is taken, too; a single word before @ is a password
pub(crate) fn apply(uri: &str, place: &mut Place, session: &mut Session) -> Result<(), String> {
    let (scheme, rest) = uri.split_once("://").ok_or("Invalid URI scheme")?;
    match scheme.to_ascii_lowercase().as_str() {
        "valkey" | "redis" => {}
        "valkeys" | "rediss" => {
            return Err(format!("TLS is not supported by this version of vireo-benchmark ({scheme}://)"));
        }
        _ => return Err("Invalid URI scheme".to_owned()),
    }
    let rest = match rest.split_once('@') {
        Some((who, rest)) => {
            match who.split_once(':') {
                Some((user, password)) => {
                    session.user = Some(decode(user)?);
                    session.password = Some(decode(password)?);
                }
                None => session.password = Some(decode(who)?),
            }
            rest
        }
        None => rest,
    };
    let (address, db) = rest.split_once('/').unwrap_or((rest, ""));
    if !address.is_empty() {
        let old_port = if let Place::Tcp(_, port) = place { *port } else { 6379 };
        *place = address_of(address, old_port)?;
    }
    if !db.is_empty() {
        session.db = db.parse().map_err(|_| format!("Invalid database number \"{db}\" in the URI."))?;
    }
    Ok(())
}

fn address_of(address: &str, old_port: u16) -> Result<Place, String> {
    let (host, port) = if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or("Invalid address in the URI: \"]\" is missing.")?;
        (host, rest.strip_prefix(':'))
    } else {
        address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port)))
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| "Invalid server port.".to_owned())?,
        None => old_port,
    };
    Ok(Place::Tcp(host.to_owned(), port))
}

/// Bytes with `%41` taken for `A`.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digits =
            [bytes.next(), bytes.next()].map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = digits else {
            return Err("Incomplete URI encoding".to_owned());
        };
        decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::apply;
    use crate::options::{Place, Session};

    fn read(uri: &str) -> Result<(Place, Session), String> {
        let (mut place, mut session) = (Place::Tcp("old".into(), 1), Session::default());
        apply(uri, &mut place, &mut session).map(|()| (place, session))
    }

    #[test]
    fn all_parts_and_none() {
        let (place, session) = read("valkey://me:p%40ss%3a@example.org:7000/3").unwrap();
        assert_eq!(place, Place::Tcp("example.org".into(), 7000));
        let who = (session.user.as_deref(), session.password.as_deref());
        assert_eq!(who, (Some(&b"me"[..]), Some(&b"p@ss:"[..])));
        assert_eq!(session.db, 3);
        assert_eq!(read("REDIS://").unwrap(), (Place::Tcp("old".into(), 1), Session::default()));
        let (place, session) = read("redis://secret@[::1]:7/").unwrap();
        assert_eq!(place, Place::Tcp("::1".into(), 7));
        assert_eq!((session.user, session.password.as_deref()), (None, Some(&b"secret"[..])));
        assert_eq!(read("valkey://[::1]").unwrap().0, Place::Tcp("::1".into(), 1));
        assert_eq!(read("valkey:///5").unwrap().1.db, 5);
    }

    #[test]
    fn what_is_refused() {
        assert_eq!(read("http://x").unwrap_err(), "Invalid URI scheme");
        assert_eq!(read("x").unwrap_err(), "Invalid URI scheme");
        assert!(read("valkeys://x").unwrap_err().contains("TLS is not supported"));
        assert_eq!(read("valkey://x:70000").unwrap_err(), "Invalid server port.");
        assert_eq!(read("valkey://a%4@x").unwrap_err(), "Incomplete URI encoding");
        assert!(read("valkey://x/one").unwrap_err().contains("database number"));
        assert!(read("valkey://[::1").unwrap_err().contains("missing"));
    }
}
