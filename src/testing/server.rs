//! The socket, the thread and the connections of the test issuer.
//!
//! The server has a thread and a runtime of its own: it goes on answering while a test blocks, under
//! tokio's paused time, and across the runtimes of several tests.

use std::error::Error as _;
use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::sleep;

use super::answers::{Answers, ConnectionReset};

/// A running server. Dropping it frees the port and raises again what made the server panic.
#[derive(Debug)]
pub(super) struct Server {
    /// Taken to end the server.
    adjustments: Option<mpsc::UnboundedSender<Adjusted>>,
    thread: Option<JoinHandle<()>>,
}

/// Told once the server has taken a change of faults into account.
type Adjusted = SyncSender<io::Result<()>>;

impl Server {
    /// Starts a server whose answers depend on its address. A caller that stops waiting leaves nothing
    /// behind.
    pub(super) async fn start(
        answers: impl FnOnce(SocketAddr) -> Answers + Send + 'static,
    ) -> io::Result<(Self, Arc<Answers>)> {
        let (adjust, adjustments) = mpsc::unbounded_channel();
        let (ready, started) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("test-issuer".to_owned())
            .spawn(move || run(answers, ready, adjustments))?;
        match started.await {
            Ok(started) => started.map(|answers| {
                (
                    Self {
                        adjustments: Some(adjust),
                        thread: Some(thread),
                    },
                    answers,
                )
            }),
            Err(_) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => Err(io::Error::other("the server ended before it was ready")),
            },
        }
    }

    /// Opens or closes the listener as the faults ask, and returns when that is done.
    pub(super) fn adjust(&self) -> io::Result<()> {
        let gone = || io::Error::other("the server of the test issuer has panicked");
        let (adjusted, done) = std::sync::mpsc::sync_channel(1);
        self.adjustments
            .as_ref()
            .ok_or_else(gone)?
            .send(adjusted)
            .map_err(|_| gone())?;
        done.recv().map_err(|_| gone())?
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.adjustments.take());
        let ended = self.thread.take().map(JoinHandle::join);
        if let Some(Err(panic)) = ended
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

fn run(
    answers: impl FnOnce(SocketAddr) -> Answers,
    ready: oneshot::Sender<io::Result<Arc<Answers>>>,
    adjustments: mpsc::UnboundedReceiver<Adjusted>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let door = match Door::open((Ipv4Addr::LOCALHOST, 0).into()) {
            Ok(door) => door,
            Err(error) => return drop(ready.send(Err(error))),
        };
        let answers = Arc::new(answers(door.address));
        // Nobody waits any more: there is nobody to serve either.
        if ready.send(Ok(Arc::clone(&answers))).is_ok() {
            serve(door, answers, adjustments).await;
        }
    });
}

async fn serve(
    mut door: Door,
    answers: Arc<Answers>,
    mut adjustments: mpsc::UnboundedReceiver<Adjusted>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            adjusted = adjustments.recv() => {
                let Some(adjusted) = adjusted else { return cut(&mut connections).await };
                let refuse = answers.faults().borrow().refuse_connections();
                let result = if refuse { door.close() } else { door.reopen() };
                if refuse {
                    cut(&mut connections).await;
                }
                // Fails only if the caller panicked meanwhile.
                drop(adjusted.send(result));
            }
            stream = door.accept() => {
                connections.spawn(converse(stream, Arc::clone(&answers)));
            }
            Some(ended) = connections.join_next() => surface(ended),
        }
    }
}

async fn cut(connections: &mut JoinSet<()>) {
    connections.abort_all();
    while let Some(ended) = connections.join_next().await {
        surface(ended);
    }
}

/// Lets a panic of a connection end the whole server, so that the test sees it.
fn surface(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

async fn converse(stream: TcpStream, answers: Arc<Answers>) {
    // Without it each byte of a drip would wait for the acknowledgement of the last.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move { answers.answer(request.map(drop)).await }
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    if let Err(error) = (&mut connection).await
        && error
            .source()
            .is_some_and(|source| source.is::<ConnectionReset>())
    {
        // A client that went away first needs no reset.
        drop(connection.into_parts().io.into_inner().set_zero_linger());
    }
}

/// The server's port, which is kept while connections are refused.
struct Door {
    address: SocketAddr,
    state: Option<DoorState>,
    /// Bound all the time, so that no other socket of this machine is given the port between one of
    /// ours and the next. Only Linux lets two sockets have a port of which one listens.
    _place: Option<TcpSocket>,
}

enum DoorState {
    Open(TcpListener),
    /// Bound and not listening: the system gives the port to nobody else and refuses connections.
    Closed(TcpSocket),
}

impl Door {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let mut socket = bind(address)?;
        let address = socket.local_addr()?;
        let mut place = None;
        if cfg!(target_os = "linux") {
            place = Some(socket);
            socket = bind(address)?;
        }
        Ok(Self {
            address,
            state: Some(DoorState::Open(socket.listen(BACKLOG)?)),
            _place: place,
        })
    }

    fn close(&mut self) -> io::Result<()> {
        if !matches!(self.state, Some(DoorState::Closed(_))) {
            self.state = None;
            self.state = Some(DoorState::Closed(bind_again(self.address)?));
        }
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.state = Some(match self.state.take() {
            Some(DoorState::Open(listener)) => DoorState::Open(listener),
            Some(DoorState::Closed(socket)) => DoorState::Open(socket.listen(BACKLOG)?),
            None => DoorState::Open(bind_again(self.address)?.listen(BACKLOG)?),
        });
        Ok(())
    }

    async fn accept(&self) -> TcpStream {
        let Some(DoorState::Open(listener)) = &self.state else {
            return pending().await;
        };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return stream,
                // Out of file descriptors, say: some may be free in a moment.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Connections that are still closing must not keep the port from us. Windows needs no such
    // permission, and means something else by it.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Binds a port whose listener has just been closed. A process that another test is starting has a
/// copy of every descriptor until it runs its program, and keeps the listener alive for so long.
fn bind_again(address: SocketAddr) -> io::Result<TcpSocket> {
    for _ in 0..BIND_ATTEMPTS {
        match bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => thread::sleep(BIND_PAUSE),
            bound => return bound,
        }
    }
    bind(address)
}

/// Two seconds in all, for a machine that is busy.
const BIND_ATTEMPTS: u32 = 1_000;
const BIND_PAUSE: Duration = Duration::from_millis(2);
const BACKLOG: u32 = 1024;
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
