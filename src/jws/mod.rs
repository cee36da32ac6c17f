//! A compact JWS: parsed, then verified.

mod header;

pub use header::Header;
