//! F: where keys come from. Most of this letter is in `floods`, `timing`, `failover` and the
//! `faults_of_…`; here is what a token might do to it.

use portcullis::Verifier;
use portcullis::testing::TestIssuer;

use super::target::Trap;
use crate::support::{discovered, reason};

#[tokio::test]
async fn f6_a_thousand_foreign_issuers_open_no_connection() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = Verifier::new(discovered(&issuer)).unwrap();
    let trap = Trap::set().await;
    for number in 0..1_000 {
        let iss = match number % 4 {
            0 => format!("{}/{number}", trap.url()),
            1 => format!("{}/{number}/../..", trap.url()),
            2 => format!("{}@{}", issuer.issuer(), &trap.url()["http://".len()..]),
            _ => format!("http://{:x}.mallory.example", fastrand::u64(..)),
        };
        // Half of them point at the trap in every other way as well.
        let token = issuer.token().issuer(&iss);
        let token = match number % 2 {
            0 => token
                .header("jku", trap.url())
                .claim("jwks_uri", trap.url()),
            _ => token,
        };
        let outcome = verifier.verify(&token.sign()).await;
        assert_eq!(reason(&outcome), "untrusted_issuer", "{iss}");
    }
    assert_eq!(issuer.requests().total(), 0, "not even the issuer is asked");
    trap.must_be_untouched().await;
    let good = verifier.verify(&issuer.token().sign()).await;
    assert_eq!(reason(&good), "accepted");
}

/// What the other tests trust: that somebody who connects is seen.
#[tokio::test]
#[should_panic(expected = "somebody connected")]
async fn a_trap_that_was_touched_says_so() {
    let trap = Trap::set().await;
    let url = trap.url();
    let address = url.strip_prefix("http://").unwrap();
    drop(tokio::net::TcpStream::connect(address).await.unwrap());
    trap.must_be_untouched().await;
}
