//! Sends a request to the service that its path names.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use futures::future::Either;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service as TowerService};
use tonic::server::NamedService;
use tonic::service::Routes;

use crate::api::Service;
use crate::node::health::HealthBoard;
use crate::proto::v1alpha1::corndogs_service_server::CorndogsServiceServer;

type Corndogs = CorndogsServiceServer<Service>;

/// What is served once there is a node.
#[derive(Clone)]
pub struct Services {
    /// The public service.
    pub corndogs: Corndogs,
    /// Everything else.
    pub others: Routes,
}

/// The public service by itself, everything else through tonic's router, and before there is
/// either, an answer that says why.
///
/// That router boxes a request's body, its answer and its future once more each:
/// a call to the public service is spared that.
#[derive(Clone)]
pub struct Dispatch {
    services: Arc<OnceLock<Services>>,
    health: Arc<HealthBoard>,
}

impl Dispatch {
    /// Serves these once they are there.
    pub fn new(services: Arc<OnceLock<Services>>, health: Arc<HealthBoard>) -> Self {
        Self { services, health }
    }

    fn not_yet(&self) -> Response<Body> {
        let why = self.health.get().refuses_reads();
        let why = why.unwrap_or_else(|| "the node is starting".into());
        Status::unavailable(format!("{why}; nothing was done")).into_http()
    }
}

fn is_corndogs(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| service == Corndogs::NAME)
}

impl TowerService<Request<Body>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Either<
        Either<BoxFuture<Response<Body>, Infallible>, Ready<Result<Response<Body>, Infallible>>>,
        <Routes as TowerService<Request<Body>>>::Future,
    >;

    // All are always ready: none has a queue of its own.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Some(services) = self.services.get() else {
            return Either::Left(Either::Right(ready(Ok(self.not_yet()))));
        };
        if is_corndogs(request.uri().path()) {
            Either::Left(Either::Left(services.corndogs.clone().call(request)))
        } else {
            Either::Right(services.others.clone().call(request))
        }
    }
}
