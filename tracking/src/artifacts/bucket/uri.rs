//! Addresses of buckets: `s3://bucket/path`, `gs://bucket/path`, `wasbs://` and `abfss://container@account.domain/path`.

use std::fmt;

use crate::{ArtifactPath, Error, Result};

/// The domains of Azure's public, Chinese and American government clouds, behind `blob.core.` or `dfs.core.`.
const AZURE_CLOUDS: &[&str] = &["windows.net", "chinacloudapi.cn", "usgovcloudapi.net"];

/// A bucket, without a path in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::artifacts) enum BucketName {
    /// Amazon's, or any service that speaks its protocol.
    S3 {
        /// The bucket.
        bucket: String,
    },
    /// Google's.
    Gcs {
        /// The bucket.
        bucket: String,
    },
    /// Microsoft's.
    Azure {
        /// `wasbs` or `abfss`.
        scheme: AzureScheme,
        /// The container, which `abfss` calls a file system.
        container: String,
        /// The storage account.
        account: String,
        /// What follows the account in its host name, e.g. `blob.core.windows.net`.
        domain: String,
    },
}

/// The two spellings of Azure's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::artifacts) enum AzureScheme {
    /// Blob storage.
    Wasbs,
    /// Data Lake storage, which is reached through its blob endpoint.
    Abfss,
}

/// A path in a bucket, taken as it is written: `%20` is three characters of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::artifacts) struct BucketUri {
    pub(in crate::artifacts) name: BucketName,
    /// Without slashes at its ends; empty for the whole bucket.
    pub(in crate::artifacts) prefix: String,
}

impl BucketUri {
    /// Reads the rest of a URI behind `scheme:`, or gives `None` where the scheme is no bucket's.
    pub(in crate::artifacts) fn parse(uri: &str, scheme: &str, rest: &str) -> Result<Option<Self>> {
        if !matches!(scheme, "s3" | "gs" | "wasbs" | "abfss") {
            return Ok(None);
        }
        let rest = rest.strip_prefix("//").ok_or_else(|| refused(uri, "it needs `//` before the bucket"))?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let name = match scheme {
            "s3" => BucketName::S3 { bucket: plain_name(uri, authority)? },
            "gs" => BucketName::Gcs { bucket: plain_name(uri, authority)? },
            "wasbs" => azure(uri, AzureScheme::Wasbs, authority)?,
            _ => azure(uri, AzureScheme::Abfss, authority)?,
        };
        // Only `abfss` locations are percent-encoded; the client decodes them before it writes.
        let path = if scheme == "abfss" {
            percent_encoding::percent_decode_str(path)
                .decode_utf8()
                .map_err(|_| refused(uri, "its percent-encoding is no UTF-8"))?
                .into_owned()
        } else {
            path.to_owned()
        };
        Ok(Some(Self { name, prefix: checked_prefix(uri, path.trim_matches('/'))? }))
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::S3 { bucket } => write!(f, "s3://{bucket}"),
            Self::Gcs { bucket } => write!(f, "gs://{bucket}"),
            Self::Azure { scheme, container, account, domain } => {
                write!(f, "{}://{container}@{account}.{domain}", scheme.as_str())
            }
        }
    }
}

impl AzureScheme {
    /// As it stands in a URI.
    pub(in crate::artifacts) fn as_str(self) -> &'static str {
        match self {
            Self::Wasbs => "wasbs",
            Self::Abfss => "abfss",
        }
    }
}

fn plain_name(uri: &str, name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(refused(uri, "it names no bucket"));
    }
    // The name becomes part of a host name or of a path, where anything else would change who is asked for what.
    let is_plain = name.len() <= 222 && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it));
    if !is_plain || name.starts_with('.') || name.contains("..") {
        return Err(refused(uri, "a bucket's name has letters, digits, `-`, `_` and `.` only"));
    }
    Ok(name.to_owned())
}

fn azure(uri: &str, scheme: AzureScheme, authority: &str) -> Result<BucketName> {
    let service = match scheme {
        AzureScheme::Wasbs => "blob",
        AzureScheme::Abfss => "dfs",
    };
    let parts = authority.split_once('@').and_then(|(container, host)| {
        let (account, domain) = host.split_once('.')?;
        Some((container, account, domain))
    });
    let known = parts.filter(|(_, _, domain)| {
        let cloud = domain.strip_prefix(service).and_then(|it| it.strip_prefix(".core."));
        // Private endpoints and Fabric have domains of their own; who may use one is decided where it is opened.
        scheme == AzureScheme::Abfss || cloud.is_some_and(|it| AZURE_CLOUDS.contains(&it))
    });
    let (container, account, domain) = known.ok_or_else(|| {
        let domains = AZURE_CLOUDS.join("|");
        refused(uri, &format!("it must be {}://container@account.{service}.core.{{{domains}}}/path", scheme.as_str()))
    })?;
    Ok(BucketName::Azure {
        scheme,
        container: plain_name(uri, container)?,
        account: plain_name(uri, account)?,
        domain: plain_name(uri, domain)?.to_ascii_lowercase(),
    })
}

fn checked_prefix(uri: &str, path: &str) -> Result<String> {
    // The same attacks as in paths, though here they are the operator's or an experiment's own text.
    ArtifactPath::parse(path).map_err(|error| refused(uri, &error.to_string()))?;
    object_store::path::Path::parse(path)
        .map(|path| path.as_ref().to_owned())
        .map_err(|_| refused(uri, "its path may not hold `//`, `/./` or control characters"))
}

fn refused(uri: &str, why: &str) -> Error {
    Error::invalid(format!("artifact location `{uri}` cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Result<Option<BucketUri>> {
        let (scheme, rest) = uri.split_once(':').unwrap();
        BucketUri::parse(uri, scheme, rest)
    }

    #[test]
    fn addresses_of_buckets() {
        let check = |uri: &str, name: &str, prefix: &str| {
            let found = parse(uri).unwrap().unwrap();
            assert_eq!((found.name.to_string().as_str(), found.prefix.as_str()), (name, prefix), "{uri}");
        };
        check("s3://bucket", "s3://bucket", "");
        check("s3://bucket/", "s3://bucket", "");
        check("s3://bucket/a/b/", "s3://bucket", "a/b");
        check("s3://bucket/a%20b?region=x", "s3://bucket", "a%20b");
        check("gs://my_bucket.example/1/r", "gs://my_bucket.example", "1/r");
        check("wasbs://c@acc.blob.core.windows.net/a", "wasbs://c@acc.blob.core.windows.net", "a");
        check("abfss://fs@acc.dfs.core.windows.net/a%20b", "abfss://fs@acc.dfs.core.windows.net", "a b");
        check("abfss://fs@acc.z1.dfs.storage.azure.net/a", "abfss://fs@acc.z1.dfs.storage.azure.net", "a");
        assert_eq!(parse("hdfs://namenode/a").unwrap(), None);
    }

    #[test]
    fn addresses_that_are_refused_name_themselves() {
        for uri in [
            "s3:bucket",
            "s3://",
            "s3:///a",
            "s3://user@bucket/a",
            "s3://bucket:9000/a",
            "s3://buck et/a",
            "s3://bucket\\evil/a",
            "s3://bucket/../a",
            "s3://bucket/%2e%2e/a",
            "s3://bucket/a//b",
            "s3://bucket/a/./b",
            "gs://../a",
            "wasbs://container/a",
            "wasbs://c@acc.blob.core.windows.net.evil.example/a",
            "wasbs://c@acc.evil.example/a",
            "abfss://fs/a",
            "abfss://fs@acc.dfs.core.windows.net/%2e%2e/a",
        ] {
            let error = parse(uri).expect_err(uri).to_string();
            assert!(error.starts_with(&format!("artifact location `{uri}` cannot be used: ")), "{uri}: {error}");
        }
    }
}
