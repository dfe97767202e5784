//! `tidegate eval`.
