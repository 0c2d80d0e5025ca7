//! What the HTTP standards ask of a shared cache, from a line of `routes.yaml` to the answer that a client sees: the
//! middleware over the memory store, with the inner service's answers in the test's hand and a clock that is moved.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on fails"
)]

mod client;
mod expiry;
mod groups;

mod head;
mod rig;
mod stale;
mod targeted;

#[path = "../rig/inner.rs"]
mod inner;
