//! `POST /api/deployments`: packages, all of them or none.
//!
//! Boundary: translation only; see `operation/deploy.rs`.
//! Read first: [`deploy`].

use axum::extract::{Request, State};
use axum::response::Response;
use feel::Value;
use http::{StatusCode, header};

use super::json::{answer, key, list, number, object};
use super::{Face, body, multipart};
use crate::operation::deploy;
use crate::problem::{Problem, diagnostic_value};

/// Deploys one archive, or the archives of a form.
pub(super) async fn deploy(
    State(face): State<Face>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let media = body::media(&head.headers);
    let boundary = match media.as_deref() {
        Some("application/zstd" | "application/octet-stream") => None,
        Some("multipart/form-data") => {
            let whole = head.headers.get(header::CONTENT_TYPE);
            let whole = whole.and_then(|value| value.to_str().ok()).unwrap_or_default();
            let missing =
                || Problem::field("Content-Type", "the form has no boundary", "see RFC 7578");
            Some(multipart::boundary(whole).ok_or_else(missing)?)
        }
        other => {
            let wanted = "an archive as application/zstd, or several as multipart/form-data";
            return Err(body::unknown_media(other, wanted));
        }
    };
    let bytes = body::read(&face, body, face.limits.upload_bytes).await?;
    let archives = match boundary {
        Some(boundary) => multipart::parts(&bytes, &boundary)?,
        None => vec![("archive".to_owned(), bytes)],
    };
    if archives.is_empty() {
        let hint = "build one with `pointsman package build`";
        return Err(Problem::field("body", "there is no archive", hint));
    }
    let deployed = deploy::archives(&face.node, archives).await?;
    let processes = deployed.processes.iter().map(|known| {
        object([
            ("id", Value::from(known.process().clone())),
            ("version", number(known.version)),
            ("key", key(known.key.0)),
            ("package", Value::from(known.package.clone())),
            ("enabled", Value::from(known.enabled)),
        ])
    });
    let decisions = deployed.decisions.iter().map(|known| {
        object([
            ("id", Value::from(known.id.clone())),
            ("version", number(known.deployed.version)),
            ("key", key(known.deployed.key)),
            ("package", Value::from(known.package.clone())),
        ])
    });
    let value = object([
        ("deployment", key(deployed.deployment)),
        ("processes", list(processes)),
        ("decisions", list(decisions)),
        ("warnings", list(deployed.warnings.iter().map(diagnostic_value))),
    ]);
    Ok(answer(StatusCode::OK, &value))
}
