//! The server core against a bare HTTP/2 client, which can also send what no gRPC client sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use h2::client::SendRequest;
use http::{HeaderMap, Method, Request, StatusCode};
use prost::Message;
use proto::gateway::{ActivateJobsRequest, ActivatedJob, CompleteJobRequest, CompleteJobResponse};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tonic::{Code, Response, Status};

use super::{Error, Limits, Routes, Server};

const COMPLETE: &str = "/gateway_protocol.Gateway/CompleteJob";
const ACTIVATE: &str = "/gateway_protocol.Gateway/ActivateJobs";

/// A client on a connection in memory.
struct Client {
    sender: SendRequest<Bytes>,
    stop: watch::Sender<bool>,
    served: JoinHandle<Result<(), Error>>,
}

/// What came back.
struct Answer {
    http: StatusCode,
    head: HeaderMap,
    body: Bytes,
    status: Option<Status>,
}

impl Answer {
    fn code(&self) -> Code {
        self.status.as_ref().map_or(Code::Unknown, Status::code)
    }

    fn message(&self) -> &str {
        self.status.as_ref().map_or("", Status::message)
    }
}

#[expect(clippy::disallowed_methods, reason = "tests hold the handle or end with the runtime")]
async fn client(routes: Routes, limits: Limits) -> Client {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (stop, stopping) = watch::channel(false);
    let served = tokio::spawn(Server::new(routes, limits).serve_connection(far, stopping));
    let (sender, connection) = h2::client::Builder::new()
        .initial_connection_window_size(1 << 20)
        .handshake(near)
        .await
        .unwrap();
    tokio::spawn(connection);
    Client { sender, stop, served }
}

impl Client {
    async fn send(&mut self, request: Request<()>, pieces: &[&[u8]]) -> Answer {
        self.sender = self.sender.clone().ready().await.unwrap();
        let (response, mut sending) = self.sender.send_request(request, pieces.is_empty()).unwrap();
        for (index, piece) in pieces.iter().enumerate() {
            // A refusal may have come before all is sent.
            let _ = sending.send_data(Bytes::copy_from_slice(piece), index + 1 == pieces.len());
        }
        let (head, mut body) = response.await.unwrap().into_parts();
        let mut data = BytesMut::new();
        while let Some(piece) = body.data().await {
            let piece = piece.unwrap();
            body.flow_control().release_capacity(piece.len()).unwrap();
            data.extend_from_slice(&piece);
        }
        let trailers = body.trailers().await.unwrap().unwrap_or_else(|| head.headers.clone());
        let status = Status::from_header_map(&trailers);
        Answer { http: head.status, head: head.headers, body: data.freeze(), status }
    }

    async fn complete(&mut self, key: i64) -> Answer {
        self.send(request(COMPLETE), &[&framed(&completion(key))]).await
    }
}

fn request(path: &str) -> Request<()> {
    Request::post(format!("http://server{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

fn completion(key: i64) -> CompleteJobRequest {
    CompleteJobRequest { job_key: key, ..Default::default() }
}

fn framed(message: &impl Message) -> Vec<u8> {
    let mut out = vec![0];
    out.put_u32(u32::try_from(message.encoded_len()).unwrap());
    message.encode(&mut out).unwrap();
    out
}

/// Fails job 0, panics for job 13, answers every other one.
fn completing() -> Routes {
    Routes::default().unary(COMPLETE, async |request: tonic::Request<CompleteJobRequest>| {
        match request.get_ref().job_key {
            0 => Err(Status::not_found("no job `0`: 50 % späť\n")),
            13 => panic!("a handler's fault"),
            _ => Ok(Response::new(CompleteJobResponse {})),
        }
    })
}

#[tokio::test]
async fn a_unary_call_is_answered_with_one_message_and_ok() {
    let mut client = client(completing(), Limits::default()).await;
    let answer = client.complete(7).await;
    assert_eq!((answer.http, answer.code()), (StatusCode::OK, Code::Ok));
    assert_eq!(answer.head["content-type"], "application/grpc");
    assert_eq!(answer.body, framed(&CompleteJobResponse {}));
}

#[tokio::test]
async fn a_refusal_carries_its_code_and_any_text() {
    let mut client = client(completing(), Limits::default()).await;
    let answer = client.complete(0).await;
    assert_eq!(answer.code(), Code::NotFound);
    assert_eq!(answer.message(), "no job `0`: 50 % späť\n");
    assert!(answer.body.is_empty());
}

#[tokio::test]
async fn a_handler_that_panics_ends_only_its_call() {
    let routes =
        completing().streaming(ACTIVATE, async |_: tonic::Request<ActivateJobsRequest>| {
            let jobs = stream::iter([1, 2]).map(|key| {
                assert_eq!(key, 1, "a stream's fault");
                Ok(job(key))
            });
            Ok(Response::new(jobs))
        });
    let mut client = client(routes, Limits::default()).await;
    assert_eq!(client.complete(13).await.code(), Code::Internal);
    let answer = client.send(request(ACTIVATE), &[b"\0\0\0\0\0"]).await;
    assert_eq!((answer.code(), answer.body), (Code::Internal, framed(&job(1)).into()));
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

#[tokio::test]
async fn an_unknown_method_is_unimplemented() {
    let mut client = client(completing(), Limits::default()).await;
    let answer = client.send(request("/a.B/C"), &[&framed(&completion(1))]).await;
    assert_eq!((answer.http, answer.code()), (StatusCode::OK, Code::Unimplemented));
}

#[tokio::test]
async fn what_is_no_grpc_call_gets_an_http_status() {
    let mut client = client(completing(), Limits::default()).await;
    let mut json = request(COMPLETE);
    json.headers_mut().insert("content-type", "application/json".parse().unwrap());
    assert_eq!(client.send(json, &[b"{}"]).await.http, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let mut get = request(COMPLETE);
    *get.method_mut() = Method::GET;
    assert_eq!(client.send(get, &[]).await.http, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_message_may_arrive_in_pieces() {
    let mut client = client(completing(), Limits::default()).await;
    let bytes = framed(&completion(300));
    let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(client.send(request(COMPLETE), &pieces).await.code(), Code::Ok);
    assert_eq!(client.send(request(COMPLETE), &[&bytes, b""]).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_body_that_is_not_one_message_is_refused() {
    let mut client = client(completing(), Limits::default()).await;
    let good = framed(&completion(300));
    let twice = [good.clone(), good.clone()].concat();
    for bad in
        [&b""[..], b"\0", &good[..4], &good[..6], &twice, b"\x02\0\0\0\0", b"\0\0\0\0\x01\x08"]
    {
        let answer = client.send(request(COMPLETE), &[bad]).await;
        assert_eq!(answer.code(), Code::Internal, "{bad:?}: {}", answer.message());
    }
    assert_eq!(client.send(request(COMPLETE), &[]).await.code(), Code::Internal);
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_prefix() {
    let limits = Limits { message_bytes: 100, ..Limits::default() };
    let mut client = client(completing(), limits).await;
    let answer = client.send(request(COMPLETE), &[b"\0\0\0\0\x65"]).await;
    assert_eq!(answer.code(), Code::ResourceExhausted);
    assert!(answer.message().contains("101 bytes"), "{}", answer.message());
}

#[tokio::test]
async fn a_message_may_have_what_the_routes_say_at_the_time() {
    let limits = Limits { message_bytes: 1, buffered_bytes: 1, ..Limits::default() };
    let size = Arc::new(AtomicUsize::new(0));
    let now = Arc::clone(&size);
    let routes = completing().sized(move || now.load(Ordering::Relaxed));
    let mut client = client(routes, limits).await;
    assert_eq!(client.complete(1).await.code(), Code::ResourceExhausted);
    size.store(1_000, Ordering::Relaxed);
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

#[tokio::test]
async fn unfinished_requests_of_a_connection_are_bounded() {
    let limits = Limits { buffered_bytes: 1000, ..Limits::default() };
    let mut client = client(completing(), limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let (response, mut sending) = client.sender.send_request(request(COMPLETE), false).unwrap();
        let body = [&b"\0\0\0\x04\0"[..], &[0; 600]].concat();
        sending.send_data(body.into(), false).unwrap();
        held.push((response, sending));
    }
    let (late, _sending) = held.pop().unwrap();
    let refused = Status::from_header_map(late.await.unwrap().headers()).unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

#[tokio::test]
async fn compression_is_unimplemented_and_says_what_is_accepted() {
    let mut client = client(completing(), Limits::default()).await;
    let mut gzip = request(COMPLETE);
    gzip.headers_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let plain = client.send(gzip.clone(), &[&framed(&completion(1))]).await;
    assert_eq!(plain.code(), Code::Ok, "an uncompressed message may still be sent");
    let answer = client.send(gzip, &[b"\x01\0\0\0\x01x"]).await;
    assert_eq!(answer.code(), Code::Unimplemented);
    assert_eq!(answer.head["grpc-accept-encoding"], "identity");
    let flagged = client.send(request(COMPLETE), &[b"\x01\0\0\0\x01x"]).await;
    assert_eq!(flagged.code(), Code::Internal);
}

/// Tells when it is dropped.
struct Guard(Option<oneshot::Sender<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

/// A method that never answers, and what tells that its handler has been dropped.
fn waiting() -> (Routes, oneshot::Receiver<()>) {
    let (dropped, gone) = oneshot::channel();
    let guard = std::sync::Mutex::new(Some(Guard(Some(dropped))));
    let routes = completing().unary(ACTIVATE, move |_: tonic::Request<ActivateJobsRequest>| {
        let guard = guard.lock().unwrap().take();
        async move {
            let _guard = guard;
            std::future::pending::<Result<Response<ActivatedJob>, Status>>().await
        }
    });
    (routes, gone)
}

#[tokio::test]
async fn a_deadline_ends_the_call_and_its_handler() {
    let (routes, gone) = waiting();
    let mut client = client(routes, Limits::default()).await;
    let mut hurried = request(ACTIVATE);
    hurried.headers_mut().insert("grpc-timeout", "5m".parse().unwrap());
    let answer = client.send(hurried, &[b"\0\0\0\0\0"]).await;
    assert_eq!(answer.code(), Code::DeadlineExceeded);
    gone.await.unwrap();
    let mut wrong = request(COMPLETE);
    wrong.headers_mut().insert("grpc-timeout", "soon".parse().unwrap());
    assert_eq!(client.send(wrong, &[&framed(&completion(1))]).await.code(), Code::Internal);
}

#[tokio::test]
async fn a_cancelled_call_drops_its_handler() {
    let (routes, gone) = waiting();
    let mut client = client(routes, Limits::default()).await;
    let (response, mut sending) = client.sender.send_request(request(ACTIVATE), false).unwrap();
    sending.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    assert_eq!(client.complete(1).await.code(), Code::Ok);
    sending.send_reset(h2::Reason::CANCEL);
    drop(response);
    gone.await.unwrap();
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

fn job(key: i64) -> ActivatedJob {
    ActivatedJob { key, variables: "x".repeat(1000), ..Default::default() }
}

/// Streams this many jobs, then ends with an error; counts how many were taken.
fn streaming(count: i64) -> (Routes, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let routes = completing().streaming(ACTIVATE, move |_: tonic::Request<ActivateJobsRequest>| {
        let counter = Arc::clone(&counter);
        let jobs = (0..=count).map(move |key| {
            counter.fetch_add(1, Ordering::Relaxed);
            if key == count { Err(Status::aborted("end")) } else { Ok(job(key)) }
        });
        async { Ok(Response::new(stream::iter(jobs))) }
    });
    (routes, taken)
}

#[tokio::test]
async fn a_stream_brings_every_message_and_its_end() {
    let (routes, _) = streaming(500);
    let mut client = client(routes, Limits::default()).await;
    let answer = client.send(request(ACTIVATE), &[b"\0\0\0\0\0"]).await;
    assert_eq!((answer.code(), answer.message()), (Code::Aborted, "end"));
    let expected: Vec<u8> = (0..500).flat_map(|key| framed(&job(key))).collect();
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_stream_is_taken_only_as_fast_as_the_client_reads() {
    let (routes, taken) = streaming(100_000);
    let mut client = client(routes, Limits::default()).await;
    let (response, mut sending) = client.sender.send_request(request(ACTIVATE), false).unwrap();
    sending.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    let mut body = response.await.unwrap().into_body();
    for _ in 0..20 {
        // Other calls go on while the stream stands, and show that the server had its turns.
        assert_eq!(client.complete(1).await.code(), Code::Ok);
    }
    let at_window = taken.load(Ordering::Relaxed);
    assert!((60..120).contains(&at_window), "took {at_window} jobs of 1 KB for a 64 KB window");
    let data = body.data().await.unwrap().unwrap();
    body.flow_control().release_capacity(data.len()).unwrap();
    drop(body);
    assert_eq!(client.complete(1).await.code(), Code::Ok);
}

/// CALL-1.
#[tokio::test]
async fn a_stop_ends_streams_and_lets_unary_calls_finish() {
    let (answer, wanted) = oneshot::channel::<()>();
    let wanted = std::sync::Mutex::new(Some(wanted));
    let routes = Routes::default()
        .unary(COMPLETE, move |_: tonic::Request<CompleteJobRequest>| {
            let wanted = wanted.lock().unwrap().take().unwrap();
            async move {
                wanted.await.unwrap();
                Ok(Response::new(CompleteJobResponse {}))
            }
        })
        .streaming(ACTIVATE, async |_: tonic::Request<ActivateJobsRequest>| {
            Ok(Response::new(stream::pending::<Result<ActivatedJob, Status>>()))
        });
    let mut client = client(routes, Limits::default()).await;
    let (response, mut sending) = client.sender.send_request(request(ACTIVATE), false).unwrap();
    sending.send_data(Bytes::from_static(b"\0\0\0\0\0"), true).unwrap();
    let mut jobs = response.await.unwrap().into_body();
    client.sender = client.sender.clone().ready().await.unwrap();
    let (completed, mut sending) = client.sender.send_request(request(COMPLETE), false).unwrap();
    sending.send_data(framed(&completion(1)).into(), true).unwrap();

    client.stop.send(true).unwrap();
    assert!(jobs.data().await.is_none());
    let ended = Status::from_header_map(&jobs.trailers().await.unwrap().unwrap()).unwrap();
    assert_eq!(ended.code(), Code::Unavailable);
    answer.send(()).unwrap();
    let mut body = completed.await.unwrap().into_body();
    assert_eq!(body.data().await.unwrap().unwrap(), framed(&CompleteJobResponse {}));
    client.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_given_up() {
    let (mut near, far) = tokio::io::duplex(1 << 16);
    let (_stop, stopping) = watch::channel(false);
    let moment = Duration::from_millis(5);
    let limits = Limits { keep_alive: (moment, moment), ..Limits::default() };
    let served = Server::new(completing(), limits).serve_connection(far, stopping);
    let hello = async {
        use tokio::io::AsyncWriteExt;
        near.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = served => assert!(matches!(result, Err(Error::Silent)), "{result:?}"),
        () = hello => {}
    }
}
