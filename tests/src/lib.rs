//! Tests of the whole live in `it/` (crate arrows) and in the Python and browser suites beside it.
