//! Sends a request to the service that its path names.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::Either;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service as TowerService};
use tonic::server::NamedService;
use tonic::service::Routes;

use crate::api::Service;
use crate::proto::v1alpha1::corndogs_service_server::CorndogsServiceServer;

type Corndogs = CorndogsServiceServer<Service>;

/// The public service by itself, everything else through tonic's router.
///
/// That router boxes a request's body, its answer and its future once more each:
/// a call to the public service is spared that.
#[derive(Clone)]
pub struct Dispatch {
    corndogs: Corndogs,
    others: Routes,
}

impl Dispatch {
    /// Serves these two.
    pub fn new(corndogs: Corndogs, others: Routes) -> Self {
        Self { corndogs, others }
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
        BoxFuture<Response<Body>, Infallible>,
        <Routes as TowerService<Request<Body>>>::Future,
    >;

    // Both are always ready: neither has a queue of its own.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if is_corndogs(request.uri().path()) {
            Either::Left(self.corndogs.call(request))
        } else {
            Either::Right(self.others.call(request))
        }
    }
}
