//! What clients are answered, whole or in pieces.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::configured::Configured;
use super::events::Followed;
use super::server::{Ask, Call};
use crate::protocol::{ErrorBody, ErrorDetail};
use crate::view::Document;

/// A document that is being sent: as far as it has come, and of which configuration it is.
#[derive(Debug)]
pub struct Streamed {
    /// In force when it was begun.
    pub config: Rc<Configured>,
    /// How far it has come.
    pub document: Document,
}

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An answer: a status and a document, or its beginning; or events, which have no end.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    body: Vec<u8>,
    content_type: &'static str,
    /// What brings the next piece.
    rest: Option<Ask>,
    /// The method to come with instead (RFC 9110, section 15.5.6).
    allow: Option<&'static str>,
}

impl Answer {
    /// A document with status 200.
    pub fn ok(document: &impl serde::Serialize) -> Self {
        match serde_json::to_vec(document) {
            Ok(body) => Self { status: StatusCode::OK, body, content_type: JSON, rest: None, allow: None },
            Err(error) => Self::internal(&error),
        }
    }

    /// A piece of a document, and what is to follow.
    pub fn piece(body: Vec<u8>, rest: Option<Streamed>) -> Self {
        let rest = rest.map(|streamed| Ask::More(Box::new(streamed)));
        Self { status: StatusCode::OK, body, content_type: JSON, rest, allow: None }
    }

    /// The same, as `OpenMetrics`.
    #[must_use]
    pub fn open_metrics(self) -> Self {
        Self { content_type: OPEN_METRICS, ..self }
    }

    /// Events, perhaps none yet, and who is owed the next.
    pub fn events(body: Vec<u8>, followed: Box<Followed>) -> Self {
        Self { status: StatusCode::OK, body, content_type: EVENTS, rest: Some(Ask::Next(followed)), allow: None }
    }

    /// Whether it has no end.
    pub fn is_events(&self) -> bool {
        self.content_type == EVENTS
    }

    /// A fault of credd's own.
    pub fn internal(error: &serde_json::Error) -> Self {
        Self::error(500, "internal", &error.to_string(), "report this")
    }

    /// An error (contract, section 4).
    pub fn error(status: u16, code: &str, message: &str, hint: &str) -> Self {
        let error = ErrorDetail { code: code.into(), message: message.into(), hint: hint.into() };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&ErrorBody { error }).unwrap_or_default();
        Self { status, body, content_type: JSON, rest: None, allow: None }
    }

    /// A path that takes another method.
    pub fn method(path: &str, method: &str, allow: &'static str) -> Self {
        let error = Self::error(405, "method", &format!("{path} doesn't take {method}"), "GET reads, POST changes");
        Self { allow: Some(allow), ..error }
    }

    /// As HTTP has it; what is to follow is asked for by `calls`.
    pub fn respond(self, calls: &UnboundedSender<Call>) -> Response<Pieces> {
        let rest = match self.rest {
            Some(ask) => Rest::Unasked(ask),
            None => Rest::Nothing,
        };
        // An empty chunk would be the last.
        let piece = Some(self.body.into()).filter(|body: &Bytes| !body.is_empty());
        let mut response = Response::new(Pieces { piece, rest, calls: calls.clone() });
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some(allow) = self.allow {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A body of which the next piece is made when the client has taken the one before: one that is slow, or
/// takes nothing any more, costs no more than that.
pub struct Pieces {
    piece: Option<Bytes>,
    rest: Rest,
    calls: UnboundedSender<Call>,
}

enum Rest {
    Nothing,
    Unasked(Ask),
    Asked(oneshot::Receiver<Answer>),
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(piece) = self.piece.take() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let ended = || io::Error::other("the daemon is ending");
        let mut wait = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => return Poll::Ready(None),
            Rest::Asked(wait) => wait,
            Rest::Unasked(ask) => {
                let (answer, wait) = oneshot::channel();
                if self.calls.send(Call { ask, answer }).is_err() {
                    return Poll::Ready(Some(Err(ended())));
                }
                wait
            }
        };
        let Poll::Ready(answer) = Pin::new(&mut wait).poll(context) else {
            self.rest = Rest::Asked(wait);
            return Poll::Pending;
        };
        let answer = match answer {
            Ok(answer) if answer.status == StatusCode::OK => answer,
            _ => return Poll::Ready(Some(Err(ended()))),
        };
        if let Some(ask) = answer.rest {
            self.rest = Rest::Unasked(ask);
        }
        Poll::Ready(Some(Ok(Frame::data(answer.body.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.piece.is_none() && matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.rest, &self.piece) {
            (Rest::Nothing, Some(piece)) => SizeHint::with_exact(u64::try_from(piece.len()).unwrap_or(u64::MAX)),
            (Rest::Nothing, None) => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}
