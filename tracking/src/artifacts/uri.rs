//! Artifact URIs: what this server serves itself, folders, buckets, and stores that it cannot reach.

use std::path::{Path, PathBuf};

use super::{ArtifactPath, bucket::BucketUri};
use crate::{Error, Result};

/// The path of the artifact proxy inside an `http(s)` artifact URI.
const PROXY_PATH: &str = "/api/2.0/mlflow-artifacts/artifacts";

/// What an artifact URI points at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// A path below this server's artifact destination.
    Served(ArtifactPath),
    /// A folder of this machine, absolute.
    Local(PathBuf),
    /// A path in a bucket.
    Bucket(BucketUri),
}

impl Location {
    pub(super) fn parse(uri: &str) -> Result<Self> {
        let Some((scheme, rest)) = split_scheme(uri) else {
            return Ok(Self::Local(absolute(Path::new(uri))?));
        };
        let scheme = scheme.to_ascii_lowercase();
        if let Some(bucket) = BucketUri::parse(uri, &scheme, rest)? {
            return Ok(Self::Bucket(bucket));
        }
        match scheme.as_str() {
            "mlflow-artifacts" => Ok(Self::Served(ArtifactPath::parse(path_of(rest).trim_start_matches('/'))?)),
            "http" | "https" => match path_of(rest).split_once(PROXY_PATH) {
                Some((_, path)) => Ok(Self::Served(ArtifactPath::parse(path.trim_start_matches('/'))?)),
                None => Err(unsupported(uri)),
            },
            "file" => {
                let path = percent_encoding::percent_decode_str(file_path(uri, rest)?).decode_utf8_lossy().into_owned();
                Ok(Self::Local(absolute(Path::new(&path))?))
            }
            _ => Err(unsupported(uri)),
        }
    }
}

impl Location {
    /// The folder of this machine that it is, if it is one.
    pub(super) fn folder(&self) -> Option<&PathBuf> {
        match self {
            Self::Local(folder) => Some(folder),
            _ => None,
        }
    }

    /// The path in a bucket that it is, if it is one.
    pub(super) fn bucket(&self) -> Option<&BucketUri> {
        match self {
            Self::Bucket(uri) => Some(uri),
            _ => None,
        }
    }
}

/// The scheme of a URI; a single letter is a Windows drive, not a scheme.
pub(super) fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|it: char| it.is_ascii_alphabetic())
        && scheme.chars().all(|it| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.'));
    is_scheme.then_some((scheme, rest))
}

/// What follows `//host` in the rest of a URI, or all of it where there is no host.
fn path_of(rest: &str) -> &str {
    let path = match rest.strip_prefix("//") {
        Some(authority) => authority.find('/').map_or("", |at| &authority[at..]),
        None => rest,
    };
    path.split(['?', '#']).next().unwrap_or_default()
}

fn file_path<'a>(uri: &str, rest: &'a str) -> Result<&'a str> {
    match rest.strip_prefix("//") {
        None => Ok(rest),
        Some(path) if path.starts_with('/') => Ok(path),
        Some(path) => path.strip_prefix("localhost").filter(|it| it.starts_with('/')).ok_or_else(|| {
            Error::invalid(format!("artifact location `{uri}` names another machine; write file:///path"))
        }),
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path)
        .map_err(|error| Error::invalid(format!("artifact location `{}`: {error}", path.display())))?;
    if absolute.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Error::invalid("an artifact location may not hold NUL characters"));
    }
    if absolute.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(Error::invalid(format!(
            "artifact location `{}` may not hold `..`; write the folder's own path",
            path.display()
        )));
    }
    Ok(absolute)
}

fn unsupported(uri: &str) -> Error {
    let shown = without_password(uri);
    Error::invalid(format!(
        "artifact location `{shown}` is not supported: Tidegate keeps artifacts in folders (a path or file:///path) and \
         in buckets (s3://, gs://, wasbs://, abfss://), and serves them as mlflow-artifacts:/; copy what is there to one \
         of these, or read it directly"
    ))
}

/// FTP addresses and the like may carry a password.
fn without_password(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else { return uri.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_that_are_served() {
        let check = |uri: &str, path: &str| {
            assert_eq!(Location::parse(uri).unwrap(), Location::Served(ArtifactPath::parse(path).unwrap()), "{uri}");
        };
        check("mlflow-artifacts:/1/r/artifacts", "1/r/artifacts");
        check("mlflow-artifacts:///1/r", "1/r");
        check("mlflow-artifacts://host:5000/1/r", "1/r");
        check("mlflow-artifacts:/", "");
        check("http://host:5000/api/2.0/mlflow-artifacts/artifacts/1/r", "1/r");
    }

    #[test]
    fn uris_of_folders() {
        let check = |uri: &str, folder: &str| {
            assert_eq!(Location::parse(uri).unwrap(), Location::Local(folder.into()), "{uri}");
        };
        check("/data/artifacts", "/data/artifacts");
        check("file:///data/my%20artifacts", "/data/my artifacts");
        check("file://localhost/data", "/data");
        check("file:/data", "/data");
    }

    #[test]
    fn uris_that_are_refused_name_themselves() {
        for uri in [
            "s3://",
            "wasbs://c@a/b",
            "dbfs:/a",
            "hdfs://namenode/a",
            "ftp://host/a",
            "sftp://host/a",
            "r2://bucket/a",
            "https://example.org/files",
            "file://host/a",
            "mlflow-artifacts:/../a",
            "mlflow-artifacts:/%2e%2e/a",
            "/data/../etc",
            "file:///data/%2e%2e/etc",
        ] {
            let error = Location::parse(uri).expect_err(uri).to_string();
            assert!(error.contains(uri) || error.starts_with("Invalid path") || error.contains(".."), "{uri}: {error}");
        }
        let error = Location::parse("ftp://user:secret@host/a").unwrap_err().to_string();
        assert!(error.starts_with("artifact location `ftp://host/a` is not supported"), "{error}");
    }
}
