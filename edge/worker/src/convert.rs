//! Between the Worker's types and the core's.

use std::cell::OnceCell;
use std::fmt::Write as _;

use worker::js_sys::Uint8Array;
use worker::wasm_bindgen::{self, prelude::wasm_bindgen};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{Headers, Method, Request, RequestInit, Response, Result, web_sys};
use zaki_edge_core::http::{Answer, Head};

#[wasm_bindgen(module = "/src/http.js")]
extern "C" {
    /// Method, URL and the values of [`HEADERS`], a line each.
    fn head(request: &web_sys::Request) -> String;
    /// `kind`: the status, and the headers in pairs of lines.
    fn answer(kind: &str, text: Option<&str>) -> web_sys::Response;
}

/// The head of a request, read at once: every look at it crosses into JavaScript.
pub(crate) struct Read {
    request: web_sys::Request,
    method: Method,
    url: String,
    headers: [String; HEADERS.len()],
    seldom: [OnceCell<Option<String>>; SELDOM.len()],
}

/// The headers that every signed request is asked for, as `http.js` has them.
const HEADERS: [&str; 4] = ["x-zaki-key", "x-zaki-timestamp", "x-zaki-signature", "content-length"];
/// Those that some are asked for, read then.
const SELDOM: [&str; 4] = ["authorization", "x-api-key", "traceparent", "cf-connecting-ip"];

impl Read {
    pub(crate) fn of(request: &web_sys::Request) -> Self {
        let text = head(request);
        let mut lines = text.split('\n');
        let mut next = || lines.next().unwrap_or_default().to_owned();
        let (method, url) = (Method::from(next()), next());
        let headers = [(); HEADERS.len()].map(|()| next());
        // Not the method `clone` of JavaScript, which takes the body apart.
        let request = Clone::clone(request);
        Self { request, method, url, headers, seldom: Default::default() }
    }

    pub(crate) fn head(&self) -> Head<'_> {
        Head { method: self.method.as_ref(), target: target(&self.url) }
    }

    pub(crate) fn method(&self) -> Method {
        self.method.clone()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        if let Some((_, value)) = HEADERS.iter().zip(&self.headers).find(|(it, _)| **it == name) {
            return Some(value.as_str()).filter(|value| !value.is_empty());
        }
        let (name, value) = SELDOM.iter().zip(&self.seldom).find(|(it, _)| **it == name)?;
        value.get_or_init(|| self.request.headers().get(name).ok().flatten()).as_deref()
    }

    /// The body, if such a request has one.
    pub(crate) async fn body(&self) -> Result<Vec<u8>> {
        if matches!(self.method, Method::Get | Method::Delete) {
            return Ok(Vec::new());
        }
        let bytes = JsFuture::from(self.request.array_buffer()?).await?;
        Ok(Uint8Array::new(&bytes).to_vec())
    }
}

/// Path and query of a URL, as they stand in it.
pub(crate) fn target(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// An answer of the core as it leaves the Worker.
pub(crate) fn sent(said: Answer) -> web_sys::Response {
    let mut kind = said.status.to_string();
    for (name, value) in said.headers {
        let _ = write!(kind, "\n{name}\n{value}");
    }
    // Every body of the core's own is text.
    let text = String::from_utf8(said.body).unwrap_or_default();
    answer(&kind, Some(text.as_str()).filter(|text| !text.is_empty()))
}

/// An answer of the core as an object's.
pub(crate) fn whole(answer: Answer) -> Result<Response> {
    let headers = Headers::new();
    for (name, value) in answer.headers {
        headers.set(name, value)?;
    }
    let response = Response::builder().with_status(answer.status).with_headers(headers);
    Ok(if answer.body.is_empty() { response.empty() } else { response.fixed(answer.body) })
}

/// A call with some headers and perhaps a body.
pub(crate) fn call(
    url: &str,
    method: Method,
    headers: &[(&str, &str)],
    body: Option<&[u8]>,
) -> Result<Request> {
    let sent = Headers::new();
    for (name, value) in headers {
        sent.set(name, value)?;
    }
    let mut init = RequestInit::new();
    init.with_method(method).with_headers(sent);
    if let Some(body) = body {
        init.with_body(Some(Uint8Array::from(body).into()));
    }
    Request::new_with_init(url, &init)
}
