//! The HTTP side for operators: metrics, probes, and a page to look at.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

mod dashboard;
pub mod metrics;

use crate::node::Node;
use crate::node::health::HealthBoard;
use metrics::Metrics;

/// What the pages are made from. There is no node until the data directory is open.
#[derive(Clone)]
pub struct Site {
    /// Whether the node serves.
    pub health: Arc<HealthBoard>,
    /// The node, once there is one.
    pub node: Arc<std::sync::OnceLock<Node>>,
    /// The figures.
    pub metrics: Arc<Metrics>,
}

/// All pages.
pub fn router(site: Site) -> Router {
    Router::new()
        .route("/", get(Html(dashboard::PAGE)))
        .route("/dashboard.json", get(dashboard_data))
        .route("/metrics", get(scrape))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(site)
}

/// 200 while reads and writes are taken; else 503 and the reason.
async fn readyz(State(site): State<Site>) -> Response {
    match site.health.get().refuses_writes() {
        None => "ok\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn scrape(State(site): State<Site>) -> Response {
    let text = site.metrics.render(site.node.get()).await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn dashboard_data(State(site): State<Site>) -> Response {
    let Some(node) = site.node.get() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the node is starting\n").into_response();
    };
    match dashboard::data(node).await {
        Ok(data) => Json(data).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}
