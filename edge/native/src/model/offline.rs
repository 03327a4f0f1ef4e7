//! The offline model by itself: a provider of models, as far as an edge elsewhere can tell.

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use zaki_edge_core::model::Wire;

use super::{answer, ask::Ask, failure, plan};
use crate::clock;

/// `POST chat/completions` of the offline model, on a free port of loopback, for an edge that has
/// none of its own: the base URL, and what serves it until that is aborted.
pub async fn offline_provider() -> std::io::Result<(String, JoinHandle<()>)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serve = async move {
        if let Err(error) = axum::serve(listener, router()).await {
            tracing::error!(%error, "the offline model is gone");
        }
    };
    Ok((url, tokio::spawn(serve)))
}

fn router() -> Router {
    // A long session is long, and who calls is on this machine.
    Router::new().route("/chat/completions", post(complete)).layer(DefaultBodyLimit::disable())
}

async fn complete(body: Bytes) -> Response {
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return failure(Wire::OpenAi, StatusCode::BAD_REQUEST, "the body is no JSON object");
    };
    let mut ask = Ask::read(&request, body.len());
    ask.now = clock::now();
    let plan = plan::plan(&ask);
    answer::answer(&ask, plan)
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn it_answers_whoever_calls() {
        let ask = |body: &'static str| {
            let call = Request::post("/chat/completions").header("content-type", "text/plain");
            router().oneshot(call.body(Body::from(body)).unwrap())
        };
        let answer = ask(r#"{"messages":[{"role":"user","content":"SAY:hello"}]}"#).await.unwrap();
        assert_eq!(answer.status(), 200);
        let said = to_bytes(answer.into_body(), 10_000).await.unwrap();
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["choices"][0]["message"]["content"], "hello");
        assert_eq!(ask("no JSON").await.unwrap().status(), 400);
    }
}
