//! Addresses that the configuration tells browsers and clients of.

use http::uri::Authority;

/// Host and port of an address, without a user name.
pub(super) struct Host<'a> {
    /// As written; an IPv6 address in its brackets.
    pub(super) name: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Host<'a> {
    pub(super) fn parse(authority: &'a str) -> Option<Self> {
        authority.parse::<Authority>().ok()?;
        let bracketed = authority.starts_with('[');
        let end = match authority.split_once(']') {
            Some((before, _)) if bracketed => before.len() + 1,
            _ => authority.find(':').unwrap_or(authority.len()),
        };
        let (name, rest) = authority.split_at_checked(end)?;
        let port = match rest {
            "" => None,
            _ => Some(rest.strip_prefix(':')?.parse().ok()?),
        };
        let in_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_name = bracketed || (!name.is_empty() && name.bytes().all(in_a_name));
        is_name.then_some(Self { name, port })
    }

    /// What never leaves the machine.
    pub(super) fn is_loopback(&self) -> bool {
        matches!(self.name, "localhost" | "127.0.0.1" | "[::1]")
    }
}
