//! What texts must look like.

use alloc::format;
use alloc::string::{String, ToString};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use super::title;

/// Longest text of an IP address, with its end.
const IP_LEN_MAX: usize = 46;
/// Longest host name, with its end.
const HOST_LEN_MAX: usize = 256;
/// Longest hash seed.
const HASH_SEED_LEN_MAX: usize = 256;

/// What a text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Anything.
    None,
    /// At least one byte.
    NotEmpty,
    /// The name of a file, without a folder.
    FileName,
    /// The name of a folder, without its own folder.
    FolderName,
    /// A name of a node that people read.
    NodeName,
    /// An address to announce.
    AnnouncedIp,
    /// A host name.
    HostName,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A template of process titles.
    ProcTitle,
    /// A seed of any kind.
    HashSeed,
}

impl Check {
    pub(super) fn check(self, name: &str, text: &[u8]) -> Result<(), String> {
        let fails = |error: &str| Err(error.to_string());
        match self {
            Self::NotEmpty | Self::FileName | Self::FolderName if text.is_empty() => {
                Err(format!("{name} can't be empty"))
            }
            Self::FileName if !is_base_name(text) => Err(format!("{name} can't be a path, just a filename")),
            Self::FolderName if !is_base_name(text) => Err(format!("{name} can't be a path, just a dirname")),
            Self::NodeName if !is_plain(text) => {
                fails("Announced human node name contained invalid character")
            }
            Self::AnnouncedIp if text.len() >= IP_LEN_MAX => fails("cluster-announce-ip is too long"),
            Self::AnnouncedIp if !is_plain(text) => fails("cluster-announce-ip contains invalid character"),
            Self::HostName if text.len() >= HOST_LEN_MAX => {
                Err(format!("Hostnames must be less than {HOST_LEN_MAX} characters"))
            }
            Self::HostName if !text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) => {
                fails("Hostnames may only contain alphanumeric characters, hyphens or dots")
            }
            Self::Ipv4 if !text.is_empty() && !parses::<Ipv4Addr>(text) => fails("Invalid IPv4 address"),
            Self::Ipv6 if !text.is_empty() && !parses::<Ipv6Addr>(text) => fails("Invalid IPv6 address"),
            Self::ProcTitle if !title::is_valid(text) => {
                fails("template format is invalid or contains unknown variables")
            }
            Self::HashSeed if text.len() > HASH_SEED_LEN_MAX => {
                Err(format!("hash-seed must be less than or equal to {HASH_SEED_LEN_MAX} characters"))
            }
            _ => Ok(()),
        }
    }
}

fn parses<T: FromStr>(text: &[u8]) -> bool {
    core::str::from_utf8(text).is_ok_and(|text| text.parse::<T>().is_ok())
}

fn is_base_name(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'/' | b'\\'))
}

/// Free of controls and of what separates fields in a cluster's node file.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(|byte| *byte > b',' && *byte != 0x7f && !b";<=>?@[]^{|}~\\".contains(byte))
}
