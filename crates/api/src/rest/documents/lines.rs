//! Many documents in one request: one JSON object a line, one line of answer for each, in order.
//!
//! Documents are published as they arrive, so that neither side's size matters. Answers are held
//! back until all is read, because a simple client sends everything before it reads anything; only
//! when they grow beyond [`HELD_BYTES`] are they sent while the request still arrives.
//!
//! Boundary: lines and answers; see `documents.rs` for what a document is.
//! Invariants: LIN-1 a request holds at most one batch, one line and the answers held back.
//! Read first: [`publish`], then [`Lines::next`].

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use feel::Value;
use futures_util::{FutureExt, StreamExt, stream};
use http::{HeaderValue, StatusCode, header};
use node::{Accepted, Publication};

use super::each;
use crate::problem::Problem;
use crate::rest::{Face, body};

/// Documents that are published together: one commit may take many, and each waits for all.
const BATCH_DOCUMENTS: usize = 1_000;
/// Bytes of lines that are published together.
const BATCH_BYTES: usize = 1 << 20;
/// Answers that are held back while the request arrives.
const HELD_BYTES: usize = 8 << 20;

/// Publishes every line of a body.
///
/// # Errors
/// The document type is unknown. What is wrong with a line is answered in its place.
pub(super) async fn publish(
    face: Face,
    document_type: String,
    body: Body,
) -> Result<Response, Problem> {
    // No documents: only to learn whether the type is known.
    face.node.publish(&document_type, Vec::new()).await?;
    let frames = body.into_data_stream();
    let mut lines = Lines {
        face,
        document_type,
        frames,
        buffer: BytesMut::new(),
        searched: 0,
        number: 0,
        ended: false,
    };
    let mut answers = String::new();
    while answers.len() < HELD_BYTES {
        if !lines.next(&mut answers).await {
            return Ok(response(Body::from(answers)));
        }
    }
    let first = stream::once(std::future::ready(Ok::<_, Infallible>(Bytes::from(answers))));
    let rest = stream::unfold(lines, async |mut lines| {
        let mut answers = String::new();
        lines.next(&mut answers).await.then(|| (Ok(Bytes::from(answers)), lines))
    });
    Ok(response(Body::from_stream(first.chain(rest))))
}

fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::ACCEPTED;
    let media = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

/// The lines of a request that have not been published yet.
struct Lines {
    face: Face,
    document_type: String,
    frames: BodyDataStream,
    /// What has arrived and is not published.
    buffer: BytesMut,
    /// How much of it is known to have no end of line.
    searched: usize,
    /// The number of the last line, from 1.
    number: u64,
    ended: bool,
}

/// A document of a line, or what is wrong with it.
type Read = Result<Publication, Problem>;

impl Lines {
    /// Publishes the next lines and appends their answers. False at the end of the request.
    async fn next(&mut self, answers: &mut String) -> bool {
        let (mut read, mut bytes): (Vec<Read>, usize) = (Vec::new(), 0);
        while read.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
            if let Some(line) = self.line() {
                self.number += 1;
                bytes += line.len();
                let line = line.trim_ascii();
                if !line.is_empty() {
                    read.push(self.document(line));
                }
                continue;
            }
            if self.ended {
                break;
            }
            let most = self.face.body_bytes();
            if self.buffer.len() > most {
                self.ended = true;
                self.buffer.clear();
                self.number += 1;
                let problem = Problem::too_large(most);
                read.push(Err(self.in_line(problem)));
                break;
            }
            let frame = if read.is_empty() {
                body::next(&self.face, self.frames.next()).await
            } else {
                // What is here is published before the next wait.
                let Some(frame) = self.frames.next().now_or_never() else { break };
                body::next(&self.face, std::future::ready(frame)).await
            };
            match frame {
                Ok(Some(frame)) => self.buffer.extend_from_slice(&frame),
                Ok(None) => self.ended = true,
                Err(problem) => {
                    // A line without its end may be half a document.
                    self.ended = true;
                    self.buffer.clear();
                    read.push(Err(problem));
                }
            }
        }
        if read.is_empty() {
            return false;
        }
        answer(&self.face, &self.document_type, read, answers).await;
        true
    }

    /// The next complete line; the last one needs no end.
    fn line(&mut self) -> Option<BytesMut> {
        let unsearched = &self.buffer[self.searched..];
        if let Some(position) = unsearched.iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(self.searched + position + 1);
            self.searched = 0;
            return Some(line);
        }
        self.searched = self.buffer.len();
        if !self.ended || self.buffer.is_empty() {
            return None;
        }
        self.searched = 0;
        Some(self.buffer.split())
    }

    fn document(&self, line: &[u8]) -> Read {
        let most = self.face.body_bytes();
        if line.len() > most {
            return Err(self.in_line(Problem::too_large(most)));
        }
        match feel::json::parse(line) {
            Ok(data) => Ok(Publication { source: None, id: None, data }),
            Err(error) => {
                let detail = format!("the line is not JSON: {error}");
                Err(self.in_line(Problem::not_json(detail)))
            }
        }
    }

    fn in_line(&self, problem: Problem) -> Problem {
        problem.at(format!("line {}", self.number))
    }
}

/// Publishes what was read and appends an answer for everything.
async fn answer(face: &Face, document_type: &str, read: Vec<Read>, answers: &mut String) {
    let number = read.len();
    match each(face, document_type, read).await {
        Ok(all) => {
            answers.reserve(all.len() * 96);
            for answered in all {
                match answered {
                    Ok(accepted) => write_accepted(&accepted, answers),
                    Err(problem) => feel::json::write(&problem.to_value(), answers),
                }
                answers.push('\n');
            }
        }
        Err(problem) => {
            let problem = feel::json::to_string(&problem.to_value());
            for _ in 0..number {
                answers.push_str(&problem);
                answers.push('\n');
            }
        }
    }
}

fn write_accepted(accepted: &Accepted, out: &mut String) {
    out.push_str("{\"id\":");
    feel::json::write(&Value::String(accepted.id.clone()), out);
    // Writing to a string cannot fail.
    let _ =
        write!(out, ",\"key\":\"{}\",\"duplicate\":{}}}", accepted.document.0, accepted.duplicate);
}
