//! A worker that is stopped in the middle of a push and goes on later: a host that froze it, a machine that slept, a
//! connection that hung.

use crate::support::app::TestApp;
use crate::support::queue::Sent;
use crate::support::time::until;
use crate::support::watched::Moment;
use cliprelay::flow::{Delivery, Reply};
use cliprelay::job::{History, Job, Ledger, Usage};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// Longer than any lease.
pub const LEASE: Duration = Duration::from_mins(6);

/// Nothing of it runs until it is woken, while everybody else goes on.
pub struct Frozen {
    process: Pin<Box<dyn Future<Output = Reply> + Send>>,
    woken: Arc<Notify>,
}

impl Frozen {
    /// A push to a worker that is frozen at its `nth` write from now.
    pub async fn at(app: &TestApp, sent: &Sent, nth: usize, moment: Moment) -> Self {
        app.clock.reach(sent.due);
        let (engine, delivery) = (app.engines[0].clone(), Delivery::new(sent.body.clone()));
        let process = Box::pin(async move { Box::pin(engine.deliver(&delivery)).await });
        let mut frozen = Self { process, woken: Arc::default() };
        frozen.again(app, nth, moment).await;
        frozen
    }

    /// It goes on up to its `nth` write from now.
    pub async fn again(&mut self, app: &TestApp, nth: usize, moment: Moment) {
        let (there, woken) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (reached, wake) = (there.clone(), woken.clone());
        app.watch.trap(nth, moment, move || {
            Box::pin(async move {
                reached.notify_one();
                wake.notified().await;
            })
        });
        self.woken.notify_one();
        tokio::select! {
            biased;
            () = there.notified() => self.woken = woken,
            reply = &mut self.process => panic!("ended before its write {nth}: {reply:?}"),
        }
    }

    /// It hears what others answer meanwhile, but its write goes on hanging: until this holds, and a few round trips more.
    pub async fn hears(&mut self, app: &TestApp, what: &str, holds: impl AsyncFnMut() -> bool) {
        let heard = async {
            until(what, holds).await;
            for _ in 0..20 {
                app.get("/api/health").await.expect(200);
            }
        };
        tokio::select! {
            reply = &mut self.process => panic!("ended although its write hangs: {reply:?}"),
            () = heard => {}
        }
    }

    /// It goes on, and what it answers.
    pub async fn wake(self) -> Reply {
        self.woken.notify_one();
        self.process.await
    }

    /// The write in which it is frozen never ends; the rest of it goes on.
    pub async fn go_on_without_an_answer(self) -> Reply {
        self.process.await
    }
}

/// Lets time go by at once, the store's and that of the local timers; Klap's own work on a video is waited for before.
pub async fn pass(app: &TestApp, time: Duration) {
    until("Klap is at rest", async || {
        let counts = app.sandbox.klap.counts().await.unwrap();
        counts.tasks == 0 || counts.projects > 0
    })
    .await;
    app.clock.advance(time);
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub fn is_success(reply: &Reply) -> bool {
    matches!(reply, Reply::Done | Reply::OldNews)
}

/// A record without what may be written at any time: what is known of paid calls, when that was, and what is told of it.
pub fn state(job: Job) -> Job {
    let (ledger, usage, history) = (Ledger::default(), Usage::default(), History::default());
    Job { ledger, usage, history, updated_at: 0, ..job }
}
