//! Artifact locations: the URIs that experiments and runs keep their artifacts below.

use std::path::Path;

use crate::{
    Error, Result,
    validate::{ARTIFACT_LOCATION_CHARS_MAX, check_length},
};

/// Checks a location that a request names.
pub(super) fn check_location(location: &str) -> Result<()> {
    // Only the paths of these schemes have parameters.
    let has_params = matches!(scheme(location), None | Some("http" | "https" | "ftp" | "sftp"));
    if location.contains('#') || (has_params && location.contains(';')) {
        return Err(Error::invalid("'artifact_location' URL can't include fragments or params."));
    }
    if let Some((_, query)) = location.split_once('?') {
        let decoded = percent_encoding::percent_decode_str(query).decode_utf8_lossy();
        if decoded.contains("..") {
            return Err(Error::invalid("Invalid query string"));
        }
    }
    if location.starts_with("runs:") {
        return Err(Error::invalid(format!("Artifact location cannot be a runs:/ URI. Given: '{location}'")));
    }
    check_length("artifact_location", ARTIFACT_LOCATION_CHARS_MAX, location)
}

/// A location whose path does not depend on the folder that the server was started in.
pub(crate) fn absolute_location(location: &str) -> Result<String> {
    if location.is_empty() {
        return Ok(String::new());
    }
    let absolute = |path: &str| {
        std::path::absolute(Path::new(path))
            .map(|path| path.to_string_lossy().into_owned())
            .map_err(|error| Error::internal(format!("cannot make the artifact location `{location}` absolute"), error))
    };
    match scheme(location) {
        None if location.starts_with('/') => Ok(location.to_owned()),
        None => absolute(location),
        Some("file") => {
            let path = &location["file:".len()..];
            if path.starts_with('/') { Ok(location.to_owned()) } else { Ok(format!("file://{}", absolute(path)?)) }
        }
        Some(_) => Ok(location.to_owned()),
    }
}

/// Appends path segments to a location, before its query string if it has one.
pub(crate) fn append_path(location: &str, segments: &[&str]) -> String {
    let (base, query) = match location.split_once('?') {
        Some((base, query)) if scheme(location).is_some() => (base, Some(query)),
        _ => (location, None),
    };
    let mut joined = base.to_owned();
    for segment in segments {
        if !joined.ends_with('/') && !joined.is_empty() {
            joined.push('/');
        }
        joined.push_str(segment);
    }
    if let Some(query) = query {
        joined.push('?');
        joined.push_str(query);
    }
    joined
}

/// The URI scheme that a location starts with.
fn scheme(location: &str) -> Option<&str> {
    let (scheme, _) = location.split_once(':')?;
    let mut letters = scheme.chars();
    let starts_well = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    (starts_well && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_appended_before_the_query() {
        let check = |location: &str, expect: &str| assert_eq!(append_path(location, &["7", "artifacts"]), expect);
        check("mlflow-artifacts:/", "mlflow-artifacts:/7/artifacts");
        check("mlflow-artifacts:/1", "mlflow-artifacts:/1/7/artifacts");
        check("s3://bucket/path?region=x", "s3://bucket/path/7/artifacts?region=x");
        check("s3://bucket", "s3://bucket/7/artifacts");
        check("/data/a?b", "/data/a?b/7/artifacts");
        check("file:///data", "file:///data/7/artifacts");
    }

    #[test]
    fn local_locations_become_absolute() {
        let here = std::env::current_dir().unwrap();
        let check = |location: &str, expect: &str| assert_eq!(absolute_location(location).unwrap(), expect);
        check("/data", "/data");
        check("s3://bucket/x", "s3://bucket/x");
        check("file:///data", "file:///data");
        check("runs-here", here.join("runs-here").to_str().unwrap());
        check("./runs-here", here.join("runs-here").to_str().unwrap());
    }

    #[test]
    fn bad_locations_are_refused() {
        let check = |location: &str, expect: &str| {
            assert_eq!(check_location(location).unwrap_err().to_string(), expect);
        };
        check("s3://b/x#y", "'artifact_location' URL can't include fragments or params.");
        check("s3://b/x?a=%2e%2e/", "Invalid query string");
        check("runs:/x", "Artifact location cannot be a runs:/ URI. Given: 'runs:/x'");
    }
}
