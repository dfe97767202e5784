//! Which endpoint takes a call, and what is tried until one has answered.

use std::sync::Arc;
use std::time::Instant;

use llm::Error;

use crate::answer::{self, Answer, AnswerBody, Chunks, Failed};
use crate::metering::{Attempt, Meter, Outcome, unix_ns};
use crate::provider::{Reply, ReplyBody};
use crate::request::Request;
use crate::routing;
use crate::screen::Watch;
use crate::served::{Endpoint, Served};

/// Makes the call, and hands the meter on to the answer that it belongs to.
pub(crate) async fn run(
    served: &Served,
    request: &Request,
    mut meter: Meter,
    mut watch: Watch,
) -> Result<Answer, Failed> {
    let endpoint = match served {
        Served::Endpoint(endpoint) => endpoint,
        Served::Route(route) => {
            let endpoint = &route.destinations[routing::draw(&route.weights)];
            if let Err(error) = endpoint.limiter.as_ref().map_or(Ok(()), |it| it.check()) {
                // Nobody was asked: what a limit turns away leaves no record.
                meter.forget();
                return Err(error.into());
            }
            endpoint
        }
    };
    meter.is_for(endpoint);
    match attempt(endpoint, request, &mut meter).await {
        Ok(reply) => match watch.reply(endpoint, request, reply, &mut meter).await {
            Ok(reply) => answered(endpoint, request, reply, meter).await,
            Err(error) => {
                meter.fail(&error);
                Err(error.into())
            }
        },
        Err(error) => {
            meter.fail(&error);
            Err(error.into())
        }
    }
}

/// The answer that a reply is, once it is seen to be one.
pub(crate) async fn answered(
    endpoint: &Arc<Endpoint>,
    request: &Request,
    reply: Reply,
    mut meter: Meter,
) -> Result<Answer, Failed> {
    let Reply { form, mut headers, losses, body } = reply;
    meter.lost(&losses);
    let body = match body {
        ReplyBody::Whole(body) => answer::whole(body, form, meter, endpoint, &mut headers)?,
        ReplyBody::Stream(frames) => {
            let chunks = Chunks::open(frames, meter, request.include_usage, endpoint).await?;
            AnswerBody::Stream(Box::new(chunks))
        }
    };
    Ok(Answer::new(endpoint, form, headers, &losses, body))
}

/// One attempt at one endpoint, noted with how it went.
async fn attempt(endpoint: &Arc<Endpoint>, request: &Request, meter: &mut Meter) -> Result<Reply, Error> {
    let (started, started_unix_ns) = (Instant::now(), unix_ns());
    let result = endpoint.provider.call(request).await;
    meter.tried(Attempt {
        endpoint: endpoint.info.name.clone(),
        provider: endpoint.info.provider.clone(),
        model: endpoint.info.model.clone(),
        started_unix_ns,
        duration: started.elapsed(),
        outcome: result.as_ref().map_or_else(Outcome::of, |_| Outcome::Ok),
    });
    result
}
