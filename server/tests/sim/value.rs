//! Requests as bytes, and replies as values.

use vireo_core::resp::{Token, token};

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Status(String),
    Error(String),
    Int(i64),
    Bytes(Vec<u8>),
    Nil,
    Array(Vec<Self>),
    /// Nobody asked for it.
    Push(Vec<Self>),
}

impl Value {
    pub(crate) fn ok() -> Self {
        Self::Status("OK".to_owned())
    }

    pub(crate) fn bytes(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bytes(bytes.as_ref().to_vec())
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            other => format!("{other:?}"),
        }
    }

    /// The server has no room for another client.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Error(text) if text.starts_with("ERR max number of clients"))
    }

    pub(crate) fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) | Self::Push(items) => items,
            _ => &[],
        }
    }

    /// For messages: what is long is cut.
    pub(crate) fn shown(&self) -> String {
        let mut text = format!("{:?}", self.text());
        if text.len() > 200 {
            text.truncate(text.floor_char_boundary(200));
            text.push_str("...");
        }
        text
    }
}

/// The first whole reply, and its length. `Err` for what is no reply.
pub(crate) fn parse(buf: &[u8]) -> Result<Option<(Value, usize)>, String> {
    let Some((first, mut at)) =
        token(buf).map_err(|_| format!("no reply: {:?}", &buf[..buf.len().min(60)]))?
    else {
        return Ok(None);
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let value = match first {
        Token::Status(bytes) => Value::Status(text(bytes)),
        Token::Error(bytes) | Token::BulkError(bytes) => Value::Error(text(bytes)),
        Token::Integer(number) => Value::Int(number),
        Token::Bulk(bytes) => Value::bytes(bytes),
        Token::Null => Value::Nil,
        Token::Array(_) | Token::Push(_) | Token::Map(_) => {
            let mut items = Vec::new();
            for _ in 0..first.followers() {
                let Some((item, len)) = parse(&buf[at..])? else { return Ok(None) };
                at += len;
                items.push(item);
            }
            if matches!(first, Token::Push(_)) { Value::Push(items) } else { Value::Array(items) }
        }
        other => return Err(format!("an unexpected reply: {other:?}")),
    };
    Ok(Some((value, at)))
}

/// A request.
pub(crate) fn request(args: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", args.len()).into_bytes();
    for arg in args {
        bytes.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        bytes.extend_from_slice(arg);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A request of words.
pub(crate) fn words(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    request(&words)
}
