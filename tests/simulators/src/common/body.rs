//! Request parameters in any of the forms the platforms take, as one JSON value; and the one
//! special way in which Meta writes JSON.

use std::fmt::Write as _;

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart};
use bytes::Bytes;
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The query and the body (JSON, form or multipart), the body winning. A body that is neither,
/// or broken JSON, gives the query alone. Form values are strings; a file is `{"bytes": length,
/// "sha256": hex, "name": its name, "type": its type}`.
pub(crate) async fn as_params(query: Option<&str>, headers: &HeaderMap, body: Bytes) -> Value {
    let mut params = form(query.unwrap_or_default().as_bytes());
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/form-data") {
        params.extend(multipart(kind, body).await);
    } else if kind.starts_with("application/x-www-form-urlencoded") {
        params.extend(form(&body));
    } else if let Ok(value) = serde_json::from_slice::<Value>(&body) {
        match value {
            Value::Object(object) => params.extend(object),
            other => return other,
        }
    }
    Value::Object(params)
}

fn form(text: &[u8]) -> Map<String, Value> {
    url::form_urlencoded::parse(text)
        .map(|(k, v)| (k.into_owned(), Value::String(v.into_owned())))
        .collect()
}

async fn multipart(kind: &str, body: Bytes) -> Map<String, Value> {
    let mut fields = Map::new();
    let request = Request::builder().header(CONTENT_TYPE, kind).body(axum::body::Body::from(body));
    let Ok(request) = request else { return fields };
    let mut request = request;
    // The platforms' limits are far above what a server reads by itself.
    DefaultBodyLimit::disable().apply(&mut request);
    let Ok(mut parts) = Multipart::from_request(request, &()).await else {
        return fields;
    };
    while let Ok(Some(field)) = parts.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        let file = field.file_name().map(str::to_owned);
        let kind = field.content_type().map(str::to_owned);
        let is_file = file.is_some();
        let Ok(bytes) = field.bytes().await else {
            break;
        };
        let value = match String::from_utf8(bytes.to_vec()) {
            Ok(text) if !is_file => Value::String(text),
            _ => {
                let sha256 = hex::encode(Sha256::digest(&bytes));
                serde_json::json!({ "bytes": bytes.len(), "sha256": sha256, "name": file, "type": kind })
            }
        };
        fields.insert(name, value);
    }
    fields
}

/// JSON as Meta sends it: non-ASCII as `\uXXXX` (lower-case hex, surrogate pairs), `/` as `\/`.
/// The signature is over these bytes.
pub(crate) fn escape_for_meta(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        match c {
            '/' => out.push_str("\\/"),
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn meta_escapes_as_in_the_known_answer() {
        let written = escape_for_meta(&json!({"text": {"body": "äöå / 😀"}}));
        assert_eq!(written, r#"{"text":{"body":"\u00e4\u00f6\u00e5 \/ \ud83d\ude00"}}"#);
    }

    async fn parsed(kind: &str, body: &str) -> Value {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        as_params(Some("a=1"), &headers, body.to_owned().into()).await
    }

    #[tokio::test]
    async fn all_three_forms_give_the_same_parameters() {
        let want = json!({"a": "1", "text": "ä b"});
        let form = parsed("application/x-www-form-urlencoded", "text=%C3%A4+b").await;
        assert_eq!(form, want);
        assert_eq!(parsed("application/json", r#"{"text":"ä b"}"#).await, want);
        let parts = "--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nä b\r\n--x--\r\n";
        assert_eq!(parsed("multipart/form-data; boundary=x", parts).await, want);
    }
}
