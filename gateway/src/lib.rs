//! Endpoints, routing, providers, limits and the protocols in front of language models.
