//! The path of the setting that `build()` found wrong.

use crate::error::BuildError;

impl BuildError {
    /// This error, with the path of the setting in the table at `path`.
    pub(crate) fn at_path(self, path: &str) -> Self {
        let setting = match &self {
            Self::DuplicateIssuer { .. }
            | Self::EmptyIssuer
            | Self::IssuerWithCredentials { .. } => Some("issuer"),
            Self::ForbiddenUrl { what, .. } => match *what {
                "the URL" => Some("issuer"),
                setting => Some(setting),
            },
            Self::EmptyAudience { .. } => Some("audience"),
            Self::NoAlgorithms { .. }
            | Self::UnsupportedAlgorithms { .. }
            | Self::NoKeyForAlgorithms { .. } => Some("algorithms"),
            Self::LeewayTooLong { .. } => Some("leeway"),
            Self::ZeroMaxTokenAge { .. } => Some("max_token_age"),
            Self::EmptyName { what, .. } => match *what {
                "a required claim" => Some("require_claims"),
                "the token type" => Some("token_type"),
                "the path of jwks_file" => Some("jwks_file"),
                _ => None,
            },
            Self::UnreadableKeysFile { .. }
            | Self::NoUsableKey { .. }
            | Self::TooManyNamelessKeys { .. } => Some("keys_file"),
            Self::KeyRefreshOutOfBounds { setting, .. } => Some(*setting),
            Self::NothingToFailOver { .. } => Some("failover_jwks_uri"),
            Self::NoIssuer
            | Self::TwoHttpClients
            | Self::InvalidSetting { .. }
            | Self::NoCryptoBackend
            | Self::HttpClient { .. }
            | Self::InConfig { .. }
            | Self::UnusablePolicy { .. } => None,
        };
        let table = match &self {
            Self::KeyRefreshOutOfBounds { .. } => ".key_refresh",
            _ => "",
        };
        let setting = setting.map(|setting| format!(".{setting}"));
        Self::InConfig {
            path: format!("{path}{table}{}", setting.unwrap_or_default()),
            error: Box::new(self),
        }
    }
}
