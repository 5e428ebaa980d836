//! `http` services against a real server on a free port.
//!
//! Read first: [`Server`], then [`Bench`].
#![expect(clippy::disallowed_methods, reason = "the test's server runs beside it")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use feel::Value;
use host::package::PackageSource;
use host::service::{Activation, Call, Failure, Options, Services};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// What the server saw, one line per request.
type Seen = Arc<Mutex<Vec<String>>>;

/// Answers by path: `/status/404`, `/echo`, `/large`, `/slow`, ….
struct Server {
    url: String,
    seen: Seen,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let seen = Seen::default();
        let task = tokio::spawn(serve(listener, seen.clone()));
        Self { url, seen, task }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve(listener: TcpListener, seen: Seen) {
    let broken_off = Arc::new(AtomicU32::new(0));
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        // The first two connections to `/flaky` are closed without an answer.
        let (seen, broken_off) = (seen.clone(), broken_off.clone());
        let answer = service_fn(move |request| answer(request, seen.clone(), broken_off.clone()));
        tokio::spawn(async move {
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Seen,
    broken_off: Arc<AtomicU32>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let header = |name: &str| {
        head.headers.get(name).map_or("-", |value| value.to_str().unwrap_or("?")).to_owned()
    };
    let line = format!(
        "{} {} key={} type={} token={} body={}",
        head.method,
        head.uri,
        header("idempotency-key"),
        header("content-type"),
        header("x-token"),
        String::from_utf8_lossy(&body),
    );
    seen.lock().expect("no panic").push(line);
    let path = head.uri.path().to_owned();
    let json = |text: &str| {
        let response = Response::builder().header("content-type", "application/json; charset=x");
        response.header("x-more", "1").header("x-more", "2").body(Full::from(text.to_owned()))
    };
    let response = match path.as_str() {
        "/flaky" if broken_off.fetch_add(1, Ordering::Relaxed) < 2 => {
            return Err(std::io::Error::other("closed on purpose"));
        }
        "/json" | "/flaky" => json(r#"{"price": 12.50, "currency": "EUR"}"#),
        "/bad-json" => json("{oops"),
        "/text" => Ok(Response::new(Full::from("plain"))),
        "/empty" => Ok(Response::new(Full::default())),
        "/binary" => Ok(Response::new(Full::from(vec![0xff, 0xfe]))),
        "/large" => Ok(Response::new(Full::from(vec![b'x'; 200_000]))),
        "/slow" => std::future::pending().await,
        path => {
            let status = path.trim_start_matches("/status/").parse().unwrap_or(500);
            let status = StatusCode::from_u16(status).expect("a status");
            let response = Response::builder().status(status).header("retry-after", "7");
            response.body(Full::from("\nno such thing\nmore"))
        }
    };
    response.map_err(std::io::Error::other)
}

/// A package with services, loaded.
struct Bench {
    services: Services,
}

impl Bench {
    fn new(server: &str, services: &str) -> Self {
        let manifest = format!("name = \"p\"\nversion = \"1.0.0\"\n{services}");
        let files = BTreeMap::from([("package.toml".to_owned(), manifest.into_bytes())]);
        let package = PackageSource::from_files(files).expect("a good package");
        let mut options = Options::new(std::env::temp_dir());
        options.response_bytes_max = 100_000;
        let services = Services::new(options);
        let server = format!(r#"{{"url":"{server}"}}"#);
        let server = feel::json::parse(server.as_bytes()).expect("JSON");
        let activation =
            Activation { directory: None, server, settings: BTreeMap::new(), now_ms: 0 };
        services.install(&package, activation);
        Self { services }
    }

    async fn call(&self, service: &str, input: &str) -> Result<String, Failure> {
        let call = Call {
            package: "p".to_owned(),
            service: service.to_owned(),
            input: feel::json::parse(input.as_bytes()).expect("JSON"),
            idempotency_key: "key-1".to_owned(),
            deadline_ms: 20_000,
            now_ms: 0,
            attempt: 1,
            chain: host::gate::Chain::default(),
            depth: 0,
        };
        self.services.invoke(call).await.map(|value| json(&value))
    }
}

fn json(value: &Value) -> String {
    let mut text = String::new();
    feel::json::write(value, &mut text);
    text
}

const ANY: &str = r#"
[settings.values]
base = "=server.url"
[services.any]
kind = "http"
url = "=settings.base + path"
errors = { "404" = "NOT_FOUND", "4xx" = "REFUSED", "409" = "CONFLICT" }
"#;

#[tokio::test]
async fn the_request_is_what_the_expressions_say() {
    let server = Server::start().await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret\n").unwrap();
    let path = secret.path().display();
    let services = format!(
        r#"
[services.quote]
kind = "http"
url = "=server.url + \"/json?fixed=1\""
query = {{ "to" = "=order.city", none = "=missing", "a b" = "ü&/" }}
headers = {{ "X-Token" = "Token secret:file:{path}" }}
body = "={{ id: order.id, now: null }}"
result = "={{ price: body.price, code: status, more: get value(headers, \"x-more\") }}"
"#
    );
    let bench = Bench::new(&server.url, &services);
    let result = bench.call("quote", r#"{"order":{"id":7,"city":"Köln"}}"#).await.unwrap();
    assert_eq!(result, r#"{"price":12.5,"code":200,"more":"1, 2"}"#);
    assert_eq!(
        server.seen(),
        ["POST /json?fixed=1&to=K%C3%B6ln&a%20b=%C3%BC%26%2F key=key-1 \
          type=application/json token=Token s3cret body={\"id\":7,\"now\":null}"]
    );
}

#[tokio::test]
async fn answers_become_values() {
    let server = Server::start().await;
    let bench = Bench::new(&server.url, ANY);
    for (path, expected) in [
        ("/json", r#"{"price":12.5,"currency":"EUR"}"#),
        ("/text", r#""plain""#),
        ("/empty", "null"),
    ] {
        let result = bench.call("any", &format!(r#"{{"path":"{path}"}}"#)).await.unwrap();
        assert_eq!(result, expected);
    }
}

#[tokio::test]
async fn statuses_become_errors_or_failures() {
    let server = Server::start().await;
    let bench = Bench::new(&server.url, ANY);
    let url = &server.url;
    for (status, expected) in [
        ("404", "Error NOT_FOUND"),
        ("409", "Error CONFLICT"),
        ("429", "Error REFUSED"),
        ("503", "Transient Some(7000)"),
        ("500", "Transient Some(7000)"),
        ("501", "Permanent"),
        ("302", "Permanent"),
    ] {
        let input = format!(r#"{{"path":"/status/{status}"}}"#);
        let (kind, message) = match bench.call("any", &input).await.unwrap_err() {
            Failure::Error { code, message } => (format!("Error {code}"), message),
            Failure::Transient { message, retry_after_ms } => {
                (format!("Transient {retry_after_ms:?}"), message)
            }
            Failure::Permanent { message } => ("Permanent".to_owned(), message),
        };
        assert_eq!(kind, expected, "{status}");
        let start = format!("`GET {url}/status/{status}` answered {status} ");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains(": no such thing"), "{message}");
    }
}

#[tokio::test]
async fn answers_that_cannot_be_used_are_permanent_failures() {
    let server = Server::start().await;
    let bench = Bench::new(&server.url, ANY);
    for (path, expected) in [
        ("/bad-json", "the answer says it is JSON, but is not at byte 1"),
        ("/binary", "the answer is neither JSON nor UTF-8 text"),
        ("/large", "the answer has more than 100000 bytes"),
    ] {
        let result = bench.call("any", &format!(r#"{{"path":"{path}"}}"#)).await;
        let Err(Failure::Permanent { message }) = result else { panic!("{path}: {result:?}") };
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn connection_errors_are_tried_again_only_if_asked_for() {
    let server = Server::start().await;
    let services = r#"
[services.once]
kind = "http"
url = "=server.url + \"/flaky\""
[services.again]
kind = "http"
url = "=server.url + \"/flaky\""
retries = 1
back-off = "PT0.01S"
"#;
    let bench = Bench::new(&server.url, services);
    let result = bench.call("once", "{}").await;
    assert!(matches!(result, Err(Failure::Transient { .. })), "{result:?}");
    assert_eq!(server.seen().len(), 1);
    bench.call("again", "{}").await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|line| line.contains("key=key-1")), "{seen:?}");
}

#[tokio::test]
async fn nobody_listening_is_transient_and_says_where() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let bench = Bench::new(&url, ANY);
    let result = bench.call("any", r#"{"path":"/x?secret=1"}"#).await;
    let Err(Failure::Transient { message, .. }) = result else { panic!("{result:?}") };
    assert!(message.starts_with(&format!("`GET {url}/x`: ")), "{message}");
    assert!(message.contains("refused"), "{message}");
    assert!(!message.contains("secret"), "{message}");
}

#[tokio::test]
async fn a_slow_answer_ends_with_the_time_out() {
    let server = Server::start().await;
    let services =
        "[services.slow]\nkind = \"http\"\nurl = '=server.url + \"/slow\"'\ntimeout = \"PT0.1S\"\n";
    let bench = Bench::new(&server.url, services);
    let Err(Failure::Transient { message, .. }) = bench.call("slow", "{}").await else {
        panic!("it must time out")
    };
    assert_eq!(message, "`slow` did not end within 100 ms");
}

#[tokio::test]
async fn urls_and_headers_that_cannot_be_sent_are_permanent_failures() {
    let services = r#"
[services.any]
kind = "http"
url = "=url"
headers = { x-word = "=word" }
"#;
    let bench = Bench::new("", services);
    for (input, expected) in [
        (r#"{}"#, "the service's `url` is null"),
        (r#"{"url":"file:///etc/passwd"}"#, "cannot be called"),
        (r#"{"url":"http://a b/"}"#, "cannot be called"),
        (r#"{"url":"http://u:p@host/"}"#, "cannot be called"),
        (r#"{"url":"http://host/","word":"a\nb"}"#, "the header `x-word` has a value with"),
    ] {
        let result = bench.call("any", input).await;
        let Err(Failure::Permanent { message }) = result else { panic!("{input}: {result:?}") };
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn variables_never_replace_settings_or_the_server() {
    let server = Server::start().await;
    let bench = Bench::new(&server.url, ANY);
    let input =
        r#"{"path":"/json","settings":{"base":"http://evil"},"server":{"url":"http://evil"}}"#;
    bench.call("any", input).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn https_speaks_tls() {
    let server = Server::start().await;
    let url = server.url.replace("http:", "https:");
    let bench = Bench::new(&url, ANY);
    let result = bench.call("any", r#"{"path":"/json"}"#).await;
    let Err(failure) = result else { panic!("a plain server cannot answer TLS") };
    assert!(!matches!(failure, Failure::Error { .. }), "{failure:?}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn calls_run_side_by_side() {
    let server = Server::start().await;
    let bench = Bench::new(&server.url, ANY);
    let calls = (0..50).map(|_| bench.call("any", r#"{"path":"/text"}"#));
    let results = futures_util::future::join_all(calls).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}
