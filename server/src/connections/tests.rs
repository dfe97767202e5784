//! Clients that no HTTP library plays: raw sockets that stop, trickle, and pile up.

use std::net::SocketAddr;

use axum::{body::Bytes, routing::get};
use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// Short enough for a test to see the end, long enough for a busy machine to send a packet.
const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_mins(10);

/// Limits that no test meets by accident; each test shortens the one that it is about.
const PATIENT: Limits = Limits { connections: 100, head: LONG, body: LONG, idle: LONG, write: LONG };

/// More than the sockets' buffers on both sides hold.
const LARGE: usize = 64 << 20;

async fn start(limits: Limits) -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let large = || async {
        let chunk = Bytes::from(vec![b'x'; 1 << 16]);
        let chunks = futures::stream::iter((0..LARGE >> 16).map(move |_| Ok::<_, Infallible>(chunk.clone())));
        Body::from_stream(chunks)
    };
    let app = Router::new()
        .route("/", get(|| async { "hello" }).post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(large))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(SHORT * 3).await;
                "done"
            }),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stopping = CancellationToken::new();
    let server = tokio::spawn(serve(listener, app, limits, stopping.clone()));
    (address, stopping, server)
}

/// Sends `request` and reads until the server closes the connection.
async fn to_the_end(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that gives up may reset the connection.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let (address, _stopping, _server) = start(Limits { head: SHORT, ..PATIENT }).await;
    // Nothing at all; what may be either protocol; half of a head.
    for begun in ["", "P", "PRI * HTTP", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        assert!(!to_the_end(address, begun).await.contains("200 OK"), "{begun:?}");
    }
}

#[tokio::test]
async fn an_unused_connection_is_closed_after_its_answer() {
    let (address, _stopping, _server) = start(Limits { head: SHORT, ..PATIENT }).await;
    let answer = to_the_end(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_takes_its_time_is_waited_for() {
    let limits = Limits { head: SHORT, body: SHORT, idle: SHORT, write: SHORT, ..PATIENT };
    let (address, _stopping, _server) = start(limits).await;
    let answer = to_the_end(address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.ends_with("done"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_an_error() {
    let (address, _stopping, _server) = start(Limits { body: SHORT, ..PATIENT }).await;
    let answer = to_the_end(address, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_body_that_trickles_is_an_error() {
    let (address, _stopping, _server) = start(Limits { body: SHORT, ..PATIENT }).await;
    let (mut reader, mut writer) = TcpStream::connect(address).await.unwrap().into_split();
    writer.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n").await.unwrap();
    // Each byte comes in time, all of them would take hours.
    let trickle = tokio::spawn(async move {
        while writer.write_all(b"x").await.is_ok() {
            tokio::time::sleep(SHORT / 10).await;
        }
    });
    let mut answer = Vec::new();
    let _ = reader.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{}", String::from_utf8_lossy(&answer));
    drop(reader);
    trickle.await.unwrap();
}

#[tokio::test]
async fn a_steady_body_may_take_longer_than_any_pause_in_it() {
    const PIECES: usize = 20;
    let (address, _stopping, _server) = start(Limits { body: SHORT, ..PATIENT }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = PIECES * 4096;
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..PIECES {
        tokio::time::sleep(SHORT / 6).await;
        stream.write_all(&[b'x'; 4096]).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&length.to_string()), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_let_go_and_one_that_is_slow_is_not() {
    let (address, stopping, server) = start(Limits { write: SHORT, ..PATIENT }).await;
    let request = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(request).await.unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut taken = 0;
    loop {
        let read = slow.read(&mut buffer).await.unwrap();
        taken += read;
        if read == 0 {
            break;
        }
        if taken < 10 << 20 {
            tokio::time::sleep(SHORT / 20).await;
        }
    }
    assert!(taken > LARGE, "{taken} bytes of a whole answer");

    let mut stuck = TcpStream::connect(address).await.unwrap();
    stuck.write_all(request).await.unwrap();
    // The server ends only when no connection is left, so this ends only when it has given up on the client.
    stopping.cancel();
    server.await.unwrap();
    drop(stuck);
}

#[tokio::test]
async fn only_so_many_connections_are_open_and_the_next_gets_its_turn() {
    let (address, _stopping, _server) = start(Limits { connections: 1, ..PATIENT }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let second = tokio::spawn(to_the_end(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").boxed());
    tokio::time::sleep(SHORT).await;
    assert!(!second.is_finished(), "it was served beside the one that may be open");
    drop(first);
    assert!(second.await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn an_unused_http2_connection_is_closed() {
    let (address, _stopping, _server) = start(Limits { idle: SHORT, ..PATIENT }).await;
    // The preface and an empty SETTINGS frame, and then nothing.
    let answer = to_the_end(address, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0").await;
    assert!(!answer.is_empty(), "the server did not speak HTTP/2");
}

#[tokio::test]
async fn stopping_lets_a_running_request_finish_and_takes_no_other() {
    let (address, stopping, server) = start(PATIENT).await;
    let mut running = TcpStream::connect(address).await.unwrap();
    running.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let idle = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(SHORT).await;
    stopping.cancel();
    let mut answer = String::new();
    running.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("done"), "{answer}");
    server.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
    drop(idle);
}
