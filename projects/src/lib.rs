//! MLproject folders: parse their file, build their environment, fetch and run them. Nothing is here yet; the crate holds the place that the map gives it.
