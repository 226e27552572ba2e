//! Plans as code that waits: futures that are polled whenever the workflow was told something.

use super::context::{Context, Exit, Wait};
use super::plan::{LATE, Plan, SHELF, TOLD, together};
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Polling, Poll};

/// Code under way, and what it comes to.
pub(super) type Running = Pin<Box<dyn Future<Output = Result<i64, Exit>>>>;

/// Begins a plan with a number.
pub(super) fn follow(plan: Plan, n: i64, context: Context) -> Running {
    Box::pin(async move {
        match plan {
            Plan::Add(amount) => Ok(n + amount),
            Plan::Sequence(plans) => {
                let mut n = n;
                for plan in plans {
                    n = follow(plan, n, context.clone()).await?;
                }
                Ok(n)
            }
            Plan::Call { function, adds, error } => call(&context, &function, n, adds, error).await,
            Plan::Gather(plans) => All(begin(plans, n, &context)).await,
            Plan::Race(plans) => First(begin(plans, n, &context)).await,
            Plan::Sleep(ms) => sleep(&context, ms).await.map(|_| n),
            Plan::Signal(name) => context.signal(&name).await.map(|more| n + more),
            Plan::SignalWithin(name, ms) => {
                let late = sleep(&context, ms);
                let late: Running = Box::pin(async { late.await.map(|_| LATE) });
                First(vec![Box::pin(context.signal(&name)), late]).await.map(|more| n + more)
            }
            Plan::Record => Ok(n + context.record("chance")),
            Plan::Try(body, rescue) => match follow(*body, n, context.clone()).await {
                Err(Exit::Raised(_)) => follow(*rescue, n, context).await,
                end => end,
            },
            Plan::Finally(body, clean_up) => {
                let end = follow(*body, n, context.clone()).await;
                follow(*clean_up, n, context).await?;
                end
            }
            Plan::Fail(error) => Err(Exit::Raised(error)),
            Plan::Put(key) => {
                let put = context.command(format!("put {SHELF} {key}"), n.to_string().into());
                put.await.map(|_| n)
            }
            Plan::Emit => context.command(format!("emit {TOLD}"), Bytes::new()).await.map(|_| n),
            Plan::Child(name, _) => {
                let input = serde_json::json!({"n": n}).to_string();
                context.command(format!("workflow {name}"), input.into()).await
            }
            Plan::Return => Err(Exit::Returned(n)),
            Plan::Checkpoint(at) => {
                context.checkpoint(at, n);
                Ok(n)
            }
        }
    })
}

fn call(context: &Context, function: &str, n: i64, adds: i64, error: Option<String>) -> Wait {
    let fails = u64::from(error.is_some());
    let arguments = serde_json::json!({"n": n, "adds": adds, "fails": fails, "until": fails, "error": error});
    context.command(format!("call {function}"), arguments.to_string().into())
}

fn sleep(context: &Context, ms: u64) -> Wait {
    context.command(format!("sleep {ms}"), Bytes::new())
}

fn begin(plans: Vec<Plan>, n: i64, context: &Context) -> Vec<Running> {
    plans.into_iter().map(|plan| follow(plan, n, context.clone())).collect()
}

/// The end of the first that has ended.
struct First(Vec<Running>);

impl Future for First {
    type Output = Result<i64, Exit>;

    fn poll(mut self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let mut ends = self.0.iter_mut().map(|running| running.as_mut().poll(polling));
        ends.find(Poll::is_ready).unwrap_or(Poll::Pending)
    }
}

/// What all come to, or the first that does not come to its end.
struct All(Vec<Running>);

impl Future for All {
    type Output = Result<i64, Exit>;

    fn poll(mut self: Pin<&mut Self>, polling: &mut Polling<'_>) -> Poll<Self::Output> {
        let mut numbers = Vec::new();
        for running in &mut self.0 {
            match running.as_mut().poll(polling) {
                Poll::Ready(Ok(number)) => {
                    // What has ended is not polled again: it goes on having ended.
                    *running = Box::pin(std::future::ready(Ok(number)));
                    numbers.push(number);
                }
                Poll::Ready(Err(exit)) => return Poll::Ready(Err(exit)),
                Poll::Pending => {}
            }
        }
        match numbers.len() == self.0.len() {
            true => {
                self.0.clear();
                Poll::Ready(Ok(together(numbers)))
            }
            false => Poll::Pending,
        }
    }
}
