//! Connections that left HTTP: after a real `101` the two sides are joined, byte for byte (RFC 9110 §7.8).

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::drain::Guard;

/// Joins the two sides in a task of its own, which lives until both have closed or the server cuts it.
///
/// The client's guard moves into the task, so that the connection still counts as one.
#[expect(clippy::disallowed_methods, reason = "a tunnel outlives the request that opened it")]
pub(super) fn join(client: OnUpgrade, upstream: OnUpgrade, guard: Option<Guard>) {
    tokio::spawn(async move {
        let joined = async {
            let (client, upstream) = tokio::try_join!(client, upstream).ok()?;
            let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
            tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok()
        };
        match &guard {
            Some(guard) => tokio::select! {
                _ = joined => {}
                () = guard.cut() => {}
            },
            None => drop(joined.await),
        }
    });
}
