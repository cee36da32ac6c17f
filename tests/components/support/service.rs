//! An axum service that the crate guards, on a port of its own.

use std::thread::JoinHandle;

use axum::Router;
use axum::routing::get;
use portcullis::{AuthLayer, Verifier};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Serves "passed" to whoever may pass, as Envoy does in these tests. It has a thread and a runtime of
/// its own, so that the test that asks is not in its way. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    pub(crate) async fn start(verifier: Verifier) -> Self {
        let (ready, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
                let address = listener.local_addr().expect("a bound address");
                let app = Router::new()
                    .route("/", get(|| async { "passed" }))
                    .layer(AuthLayer::new(verifier));
                ready.send(address).expect("the test waits for it");
                // Not gracefully: clients keep their connections.
                tokio::select! {
                    _ = axum::serve(listener, app) => {}
                    _ = stopped => {}
                }
            });
        });
        let address = address.await.expect("the service starts");
        Self {
            url: format!("http://{address}/"),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
