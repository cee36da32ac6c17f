//! What users rely on without writing it down.

use portcullis::middleware::{MetadataService, ProtectedResource, TokenSource};
use portcullis::{
    AuthLayer, BuildError, Explanation, Facts, FetchError, Forbidden, Issuer, KeySet, Policy,
    PolicyError, Status, VerifiedToken, Verifier, VerifyError,
};

fn is_shareable<T: Send + Sync + Clone + std::fmt::Debug + 'static>() {}
fn is_sendable<T: Send>(_: &T) {}

#[test]
fn handles_and_errors_are_shareable() {
    is_shareable::<AuthLayer>();
    is_shareable::<BuildError>();
    is_shareable::<Explanation>();
    is_shareable::<Facts<'static>>();
    is_shareable::<FetchError>();
    is_shareable::<Forbidden>();
    is_shareable::<Issuer>();
    is_shareable::<KeySet>();
    is_shareable::<MetadataService>();
    is_shareable::<ProtectedResource>();
    is_shareable::<Policy>();
    is_shareable::<PolicyError>();
    is_shareable::<Status>();
    is_shareable::<TokenSource>();
    is_shareable::<VerifiedToken>();
    is_shareable::<Verifier>();
    is_shareable::<VerifyError>();
}

#[expect(dead_code, reason = "only compiled")]
fn futures_are_sendable(verifier: &Verifier, token: &VerifiedToken) {
    is_sendable(&verifier.verify(""));
    is_sendable(&verifier.explain(""));
    is_sendable(&verifier.warm_up());
    is_sendable(&token.expired());
}

#[test]
fn what_is_cloned_for_each_request_is_one_pointer() {
    assert_eq!(size_of::<VerifiedToken>(), size_of::<usize>());
    assert_eq!(size_of::<Verifier>(), size_of::<usize>());
    assert_eq!(
        size_of::<Policy>(),
        size_of::<usize>() + size_of::<Option<&'static str>>(),
        "a pointer and a name"
    );
    assert_eq!(size_of::<Result<(), Forbidden>>(), size_of::<usize>());
}
