//! A service as a manifest describes it, compiled: expressions parsed, codes checked.
//!
//! Boundary: immutable; running it lives in `service/http.rs`, `service/command.rs` and
//! `service/wasm.rs`, reading it in `package/manifest/services.rs`.
//! Read first: [`ServiceDefinition`], then [`ServiceKind`].

use std::collections::BTreeMap;

use feel::Expression;

use crate::diagnostic::Place;
use crate::service::Template;

/// One service of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceDefinition {
    /// Its name within the package.
    pub name: String,
    /// How it runs.
    pub kind: ServiceKind,
    /// The time one call may take, in milliseconds; the caller's deadline may be shorter.
    pub timeout_ms: u64,
    /// How many calls run at once; the others wait within their deadline.
    pub concurrency: u32,
    /// What the call yields. Sees `status`, `headers`, `body` (http) or `output` (the others), and
    /// `input`. Without it: the body, the output.
    pub result: Option<Expression>,
    /// Where it stands in the manifest.
    pub place: Place,
}

/// How a service runs.
#[derive(Debug, Clone, PartialEq)]
pub enum ServiceKind {
    /// A request to a URL.
    Http(HttpService),
    /// A child process.
    Command(CommandService),
    /// A WebAssembly component.
    Wasm(WasmService),
}

/// An HTTP request. Its expressions see the call's input, `settings` and `server`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpService {
    /// The method; default GET, or POST where there is a body.
    pub method: http::Method,
    /// The whole URL without query, `http` or `https`.
    pub url: Template,
    /// Header fields; one whose value is null is left out.
    pub headers: Vec<(http::HeaderName, Template)>,
    /// Query fields, percent-encoded; one whose value is null is left out.
    pub query: Vec<(String, Template)>,
    /// The body: text as it is, everything else as JSON.
    pub body: Option<Template>,
    /// Which answers are BPMN errors.
    pub errors: Vec<(StatusRule, String)>,
    /// How often a connection error is tried again within one call's deadline.
    pub retries: u32,
    /// The pause before the first such try in milliseconds; doubles each time.
    pub back_off_ms: u64,
}

/// A set of HTTP status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRule {
    /// Exactly this one.
    Exact(u16),
    /// All of a hundred: `4xx` is 4.
    Hundred(u16),
}

impl StatusRule {
    /// Reads `404` or `4xx`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(hundred) = text.strip_suffix("xx") {
            return matches!(hundred, "3" | "4" | "5")
                .then(|| Self::Hundred(u16::from(hundred.as_bytes()[0] - b'0')));
        }
        let code = text.parse::<u16>().ok()?;
        (300..600).contains(&code).then_some(Self::Exact(code))
    }

    pub(crate) fn covers(self, status: u16) -> bool {
        match self {
            Self::Exact(code) => code == status,
            Self::Hundred(hundred) => hundred == status / 100,
        }
    }
}

/// A child process. Its expressions see the call's input, `settings` and `server`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandService {
    /// A file of the package (`services/…`), an absolute path, or a name looked up in `PATH`.
    /// With a shell: the command line, which gets the arguments as `$1`, `$2`, ….
    pub program: String,
    /// The arguments; one whose value is null becomes the empty text.
    pub args: Vec<Template>,
    /// Whether `/bin/sh -c` runs `program`.
    pub shell: Shell,
    /// What the process gets on standard input, as JSON. Without it: the whole input.
    pub input: Option<Expression>,
    /// How standard output is read.
    pub output: Output,
    /// Variables set for the process, beside `PATH`, `HOME`, `TMPDIR` and `POINTSMAN_*`.
    pub environment: Vec<(String, Template)>,
    /// Variables of the server that are passed on.
    pub pass_environment: Vec<String>,
    /// Which exit codes are BPMN errors.
    pub errors: BTreeMap<i32, String>,
}

/// A WebAssembly component. Its expressions see the call's input, `settings` and `server`.
#[derive(Debug, Clone, PartialEq)]
pub struct WasmService {
    /// The file of the package (`services/….wasm`).
    pub component: String,
    /// What all memories of one call may have, in bytes.
    pub memory_bytes: u64,
    /// What the component gets, as JSON. Without it: the whole input.
    pub input: Option<Expression>,
    /// All that it finds in its environment.
    pub environment: Vec<(String, Template)>,
    /// Folders of its package that it may read, `data` as `/data`.
    pub files: Vec<String>,
}

/// Whether a shell stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shell {
    /// The program is started itself; no text is ever interpreted.
    None,
    /// `/bin/sh -c`.
    Posix,
}

/// How standard output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// One JSON text; nothing at all is null.
    Json,
    /// UTF-8 text without the newline at its end.
    Text,
}
