//! A path of the Admin API: what answers there, and what OpenAPI says of it.

use std::sync::Arc;

use axum::handler::Handler;
use axum::routing::MethodRouter;

use crate::App;
use crate::openapi::Operation;

/// What may be done at a path.
#[derive(Default)]
pub(crate) struct Endpoint {
    pub router: MethodRouter<Arc<App>>,
    /// Each method, in small letters, and what is said of it.
    pub operations: Vec<(&'static str, Operation)>,
}

/// An endpoint at which one method is answered.
macro_rules! begin {
    ($($method:ident)*) => { $(
        pub(crate) fn $method<H: Handler<T, Arc<App>>, T: 'static>(handler: H, operation: Operation) -> Endpoint {
            Endpoint::default().$method(handler, operation)
        }
    )* };
}

/// One at which one more is.
macro_rules! go_on {
    ($($method:ident)*) => { $(
        pub fn $method<H: Handler<T, Arc<App>>, T: 'static>(mut self, handler: H, operation: Operation) -> Self {
            self.router = self.router.$method(handler);
            self.operations.push((stringify!($method), operation));
            self
        }
    )* };
}

begin!(get put post delete);

impl Endpoint {
    go_on!(get put post patch delete);
}
