//! How the endpoints' deployments are: read from where it is known when somebody asks, counted nowhere else.

use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{BreakerLabels, EndpointLabels};
use crate::{BreakerState, EndpointHealth};

/// Writes the lines of these endpoints.
pub(super) fn write(endpoints: &[EndpointHealth], text: &mut String) {
    let states = Family::<BreakerLabels, Gauge>::default();
    let opened = Family::<EndpointLabels, Counter>::default();
    let [in_flight, waiting, limited]: [Family<EndpointLabels, Gauge>; 3] = Default::default();
    for it in endpoints {
        let labels = EndpointLabels { endpoint: it.endpoint.clone() };
        for state in [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen] {
            let labels = BreakerLabels { endpoint: it.endpoint.clone(), state: word(state) };
            states.get_or_create(&labels).set(i64::from(it.breaker == state));
        }
        opened.get_or_create(&labels).inc_by(it.opened);
        in_flight.get_or_create(&labels).set(it.in_flight.into());
        waiting.get_or_create(&labels).set(it.waiting.into());
        limited.get_or_create(&labels).set(it.is_limited.into());
    }
    let mut registry = Registry::default();
    registry.register("tidegate_breaker_state", "1 for the state that an endpoint's breaker is in", states);
    registry.register("tidegate_breaker_opened", "How often a breaker has opened", opened);
    registry.register("tidegate_endpoint_calls_in_flight", "Calls that an endpoint's provider works on", in_flight);
    registry.register("tidegate_endpoint_calls_waiting", "Calls that wait for an endpoint's concurrency", waiting);
    registry.register(
        "tidegate_endpoint_limited",
        "1 for a moment after a provider said that it is asked too much",
        limited,
    );
    encode_registry(text, &registry).expect("a text takes whatever is written to it");
}

/// The state as labels and explanations have it.
pub(crate) fn word(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::Open => "open",
        BreakerState::HalfOpen => "half_open",
    }
}
