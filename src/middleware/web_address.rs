//! Addresses that the configuration tells browsers and clients of.

use http::Uri;
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

/// An address that clients are sent to: `https`, or `http` on loopback; nothing in it but a host, a path
/// and perhaps a query.
pub(super) struct WebAddress<'a> {
    /// Scheme, host and port, as written.
    pub(super) origin: &'a str,
    /// Path and query, as written: empty, or from the first slash on.
    pub(super) path: &'a str,
}

impl<'a> WebAddress<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, &'static str> {
        const FORM: &str = "give an absolute https URL without user name and fragment";
        // What of these is in no URL would have to be quoted in a header.
        let is_visible = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte);
        if !text.bytes().all(is_visible) || text.parse::<Uri>().is_err() {
            return Err(FORM);
        }
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = Host::parse(authority).ok_or(FORM)?;
        match scheme {
            "https" => {}
            "http" if host.is_loopback() => {}
            "http" => return Err("use https: plain http is for loopback"),
            _ => return Err(FORM),
        }
        let end = scheme.len() + "://".len() + authority.len();
        let (origin, path) = text.split_at_checked(end).ok_or(FORM)?;
        Ok(Self { origin, path })
    }

    /// Whether clients that normalize it ([RFC 3986 §6.2](https://www.rfc-editor.org/rfc/rfc3986#section-6.2))
    /// have the same text.
    pub(super) fn is_normal(&self) -> bool {
        let has_default_port = match self.origin.split_once("://") {
            Some(("http", authority)) => authority.ends_with(":80"),
            _ => self.origin.ends_with(":443"),
        };
        let is_dots = |segment: &str| {
            let segment = segment.to_ascii_lowercase().replace("%2e", ".");
            matches!(&*segment, "." | "..")
        };
        let path = self.path.split('?').next().unwrap_or_default();
        let is_lower = !self.origin.bytes().any(|byte| byte.is_ascii_uppercase());
        is_lower && !has_default_port && !path.split('/').any(is_dots)
    }
}
