//! What a client must know of a service to get a token for it: protected resource metadata
//! ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728)).

use serde_json::{Map, Value};

use super::web_address::WebAddress;
use crate::error::BuildError;
use crate::verifier::{IssuerStatus, Verifier};

/// Metadata of a protected resource, for clients that know nothing but its address: which issuers'
/// tokens it takes, with which scopes ([RFC 9728 §2](https://www.rfc-editor.org/rfc/rfc9728#section-2)).
///
/// [`MetadataService`](super::MetadataService) serves it, and
/// [`AuthLayer::resource_metadata`](crate::AuthLayer::resource_metadata) tells of it in challenges.
///
/// # Example
///
/// All that a server of the Model Context Protocol needs:
///
/// ```
/// # #[cfg(feature = "axum")]
/// # mod example {
/// use axum::{Router, routing::post};
/// use portcullis::middleware::{MetadataService, ProtectedResource};
/// use portcullis::{AuthLayer, BuildError, Verifier};
///
/// /// The verifier's audience should be this address: clients ask for a token for it.
/// fn app(verifier: Verifier) -> Result<Router, BuildError> {
///     let resource = ProtectedResource::new("https://tools.example.com/mcp", &verifier)?
///         .scopes_supported(["tools:call"]);
///     Ok(Router::new()
///         .route("/mcp", post(async || "called"))
///         .layer(AuthLayer::new(verifier).resource_metadata(&resource))
///         .fallback_service(MetadataService::new([resource])?))
/// }
/// # }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProtectedResource {
    metadata_url: String,
    /// Where the path begins in it.
    origin_bytes: usize,
    members: Map<String, Value>,
}

impl ProtectedResource {
    /// Metadata of the resource at this address, which takes tokens of the verifier's issuers and takes
    /// them in the header.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when `resource` is not an `https` URL (`http` for loopback), has
    /// a user name, query or fragment, or would be another text when a client has normalized it, which
    /// [RFC 9728 §3.3](https://www.rfc-editor.org/rfc/rfc9728#section-3.3) compares byte for byte; and when an issuer is not a URL either, so that no client could
    /// find it: name its address with
    /// [`with_authorization_servers`](Self::with_authorization_servers).
    pub fn new(resource: &str, verifier: &Verifier) -> Result<Self, BuildError> {
        let status = verifier.status();
        let issuers: Vec<_> = status.issuers().iter().map(IssuerStatus::issuer).collect();
        Self::with_authorization_servers(resource, &issuers)
    }

    /// Metadata of the resource at this address, which takes tokens of these issuers.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_authorization_servers(
        resource: &str,
        authorization_servers: &[&str],
    ) -> Result<Self, BuildError> {
        let address = address("resource", resource)?;
        if resource.contains('?') {
            let problem = "give a URL without query: RFC 9728 section 1.2 advises against one";
            return Err(invalid("resource", resource, problem));
        }
        if !address.is_normal() {
            let problem = "give it as clients ask for it: the host in lower case, without the default \
                           port, and without the segments . and .. in its path";
            return Err(invalid("resource", resource, problem));
        }
        for server in authorization_servers {
            self::address("authorization_servers", server)?;
        }
        let path = Some(address.path).filter(|path| *path != "/");
        let path = path.unwrap_or_default();
        let bare = Self {
            metadata_url: format!("{}{WELL_KNOWN}{path}", address.origin),
            origin_bytes: address.origin.len(),
            members: Map::new(),
        };
        Ok(bare
            .with("resource", resource)
            .with_list(
                "authorization_servers",
                authorization_servers.iter().copied(),
            )
            .with("bearer_methods_supported", vec!["header"]))
    }

    /// Scopes that a client can ask for. None by default; an empty list is left out.
    #[must_use]
    pub fn scopes_supported<T: Into<String>>(self, scopes: impl IntoIterator<Item = T>) -> Self {
        self.with_list("scopes_supported", scopes)
    }

    /// How tokens are taken, `"header"`, `"body"` or `"query"`. `["header"]` by default; an empty list
    /// says that they are taken in no such way, in a cookie alone say.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] for anything else.
    pub fn bearer_methods_supported(self, methods: &[&str]) -> Result<Self, BuildError> {
        let is_method = |method: &&str| matches!(*method, "header" | "body" | "query");
        match methods.iter().find(|method| !is_method(method)) {
            Some(method) => Err(invalid(
                "bearer_methods_supported",
                method,
                "give some of header, body and query",
            )),
            None => Ok(self.with("bearer_methods_supported", methods)),
        }
    }

    /// What people call the resource.
    #[must_use]
    pub fn resource_name(self, name: &str) -> Self {
        self.with("resource_name", name)
    }

    /// Where developers read about the resource.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when it is not an `https` URL.
    pub fn resource_documentation(self, url: &str) -> Result<Self, BuildError> {
        self.with_address("resource_documentation", url)
    }

    /// Where the rules for the use of its data are.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when it is not an `https` URL.
    pub fn resource_policy_uri(self, url: &str) -> Result<Self, BuildError> {
        self.with_address("resource_policy_uri", url)
    }

    /// Where its terms of service are.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when it is not an `https` URL.
    pub fn resource_tos_uri(self, url: &str) -> Result<Self, BuildError> {
        self.with_address("resource_tos_uri", url)
    }

    /// Any other member, such as `resource_name#fr` or `authorization_details_types_supported`. Its value
    /// is not looked at.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] for a member that has a method here.
    pub fn member(self, name: &str, value: impl Into<Value>) -> Result<Self, BuildError> {
        if name.is_empty() || OWN_MEMBERS.contains(&name) {
            let problem = "give another member; this one has a method of ProtectedResource";
            return Err(invalid("a member", name, problem));
        }
        Ok(self.with(name, value))
    }

    /// The address of the metadata: that of the resource with the well-known path inserted
    /// ([RFC 9728 §3.1](https://www.rfc-editor.org/rfc/rfc9728#section-3.1)).
    #[must_use]
    pub fn metadata_url(&self) -> &str {
        &self.metadata_url
    }

    /// The path of [`metadata_url`](Self::metadata_url), at which it is to be served.
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        self.metadata_url
            .get(self.origin_bytes..)
            .unwrap_or_default()
    }

    /// The document.
    pub(super) fn to_json(&self) -> String {
        Value::Object(self.members.clone()).to_string()
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// A list without elements must be left out
    /// ([RFC 9728 §3.2](https://www.rfc-editor.org/rfc/rfc9728#section-3.2)).
    fn with_list<T: Into<String>>(
        mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        let values: Vec<String> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            self.members.remove(name);
            return self;
        }
        self.with(name, values)
    }

    fn with_address(self, name: &'static str, url: &str) -> Result<Self, BuildError> {
        address(name, url)?;
        Ok(self.with(name, url))
    }
}

fn address<'a>(setting: &'static str, url: &'a str) -> Result<WebAddress<'a>, BuildError> {
    WebAddress::parse(url).map_err(|problem| invalid(setting, url, problem))
}

fn invalid(setting: &'static str, value: &str, problem: &'static str) -> BuildError {
    BuildError::InvalidSetting {
        setting,
        value: value.to_owned(),
        problem,
    }
}

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const OWN_MEMBERS: [&str; 8] = [
    "resource",
    "authorization_servers",
    "scopes_supported",
    "bearer_methods_supported",
    "resource_name",
    "resource_documentation",
    "resource_policy_uri",
    "resource_tos_uri",
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn resource(url: &str) -> Result<ProtectedResource, BuildError> {
        ProtectedResource::with_authorization_servers(url, &[ISSUER])
    }

    #[track_caller]
    fn check_address(url: &str, expected: &str) {
        let resource = resource(url).unwrap();
        assert_eq!(resource.metadata_url(), expected);
        assert!(expected.ends_with(resource.metadata_path()), "{url}");
        assert!(
            resource.metadata_path().starts_with("/.well-known"),
            "{url}"
        );
        assert_eq!(resource.members["resource"], url);
    }

    #[test]
    fn the_well_known_path_stands_between_host_and_path() {
        for (url, expected) in [
            (
                "https://api.example.com",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example.com/",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://api.example.com/mcp",
                "https://api.example.com/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://api.example.com:8443/a/b/",
                "https://api.example.com:8443/.well-known/oauth-protected-resource/a/b/",
            ),
            (
                "http://127.0.0.1:8080/mcp",
                "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "http://[::1]/mcp",
                "http://[::1]/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://api.example.com:80/V1.0/...",
                "https://api.example.com:80/.well-known/oauth-protected-resource/V1.0/...",
            ),
        ] {
            check_address(url, expected);
        }
    }

    #[test]
    fn a_resource_is_an_address_that_clients_can_be_sent_to() {
        for url in [
            "",
            "api",
            "/mcp",
            "https://",
            "https:///mcp",
            "ftp://api.example.com",
            "HTTPS://api.example.com",
            "http://api.example.com",
            "http://localhost.example.com",
            "https://user@api.example.com",
            "https://user:secret@api.example.com",
            "https://api.example.com/mcp?x=1",
            "https://api.example.com/mcp?",
            "https://api.example.com/mcp#top",
            "https://api.example.com/a b",
            "https://api.example.com/\"",
            "https://api.example.com/\r\nx:",
            "https://b\u{fc}cher.example",
            "https://API.example.com/mcp",
            "https://api.example.com:443/mcp",
            "http://localhost:80",
            "https://api.example.com/a/../mcp",
            "https://api.example.com/./mcp",
            "https://api.example.com/mcp/..",
            "https://api.example.com/%2E%2e/mcp",
        ] {
            let error = resource(url).unwrap_err();
            assert!(
                error.to_string().starts_with("resource cannot be"),
                "{error}"
            );
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn an_issuer_that_no_client_could_find_is_refused() {
        let servers = ["anything"];
        let error = ProtectedResource::with_authorization_servers("https://a.example", &servers);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("authorization_servers"), "{error}");
        assert!(error.contains("anything"), "{error}");
    }

    #[test]
    fn the_document_has_the_members_of_rfc_9728() {
        let plain = resource("https://api.example.com/mcp").unwrap();
        let document = |resource: &ProtectedResource| -> Value {
            serde_json::from_str(&resource.to_json()).unwrap()
        };
        let expected = json!({
            "resource": "https://api.example.com/mcp",
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(document(&plain), expected);

        let full = plain
            .scopes_supported(["orders:read", "orders:write"])
            .resource_name("Orders")
            .bearer_methods_supported(&[])
            .unwrap()
            .resource_documentation("https://docs.example.com/?page=1")
            .unwrap()
            .resource_policy_uri("https://docs.example.com/policy")
            .unwrap()
            .resource_tos_uri("https://docs.example.com/tos")
            .unwrap()
            .member("resource_name#de", "Auftr\u{e4}ge")
            .unwrap();
        let expected = json!({
            "resource": "https://api.example.com/mcp",
            "authorization_servers": [ISSUER],
            "bearer_methods_supported": [],
            "scopes_supported": ["orders:read", "orders:write"],
            "resource_name": "Orders",
            "resource_name#de": "Auftr\u{e4}ge",
            "resource_documentation": "https://docs.example.com/?page=1",
            "resource_policy_uri": "https://docs.example.com/policy",
            "resource_tos_uri": "https://docs.example.com/tos",
        });
        assert_eq!(document(&full), expected);
        // Set again, and to nothing.
        let none = full.scopes_supported([""; 0]);
        assert!(document(&none).get("scopes_supported").is_none());
        let alone = ProtectedResource::with_authorization_servers("https://a.example", &[]);
        assert!(
            document(&alone.unwrap())
                .get("authorization_servers")
                .is_none()
        );
    }

    #[test]
    fn a_member_is_set_by_its_method() {
        let plain = || resource("https://api.example.com").unwrap();
        for name in OWN_MEMBERS.into_iter().chain([""]) {
            assert!(plain().member(name, "x").is_err(), "{name}");
        }
        assert!(plain().resource_documentation("docs").is_err());
        assert!(plain().resource_policy_uri("http://example.com").is_err());
        assert!(plain().resource_tos_uri("javascript:alert(1)").is_err());
        assert!(plain().bearer_methods_supported(&["cookie"]).is_err());
        let methods = ["header", "query", "body"];
        assert!(plain().bearer_methods_supported(&methods).is_ok());
    }

    #[test]
    fn the_issuers_of_a_verifier_are_its_authorization_servers() {
        use crate::middleware::tests::support;
        let resource = ProtectedResource::new("https://api.example.com", &support::verifier());
        let servers = &resource.unwrap().members["authorization_servers"];
        assert_eq!(*servers, json!([support::ISSUER]));
    }
}
