//! Which artifact locations clients may give an experiment: none that send the server to a host of their choice.

use url::Url;

use crate::{Error, Result, Tracking};

/// Schemes whose URIs name the host to connect to.
const HOST_SCHEMES: [&str; 10] =
    ["ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss"];

/// Holds a location against the server's limits and options.
pub(super) fn check(tracking: &Tracking, location: &str) -> Result<()> {
    let limits = tracking.limits();
    let chars_max = limits.artifact_location_chars_max;
    if location.chars().count() > chars_max {
        return Err(Error::invalid(format!(
            "Invalid artifact path length. The length of the artifact path cannot be greater than {chars_max} \
             characters. To configure this limit, please set the MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH environment \
             variable."
        )));
    }
    let options = tracking.artifact_options();
    let trusted = [&options.default_artifact_root, &options.artifacts_destination];
    check_host(location, &trusted.map(String::as_str), &limits.host_schemes_allowed)
}

fn check_host(location: &str, trusted: &[&str], schemes_allowed: &[String]) -> Result<()> {
    let Some((scheme, host)) = host_of(location) else { return Ok(()) };
    if scheme == "file" {
        return Err(Error::invalid(format!(
            "{location} is not a valid remote uri. For remote access on windows, please consider using a different \
             scheme such as SMB (e.g. smb://<hostname>/<path>)."
        )));
    }
    let is_known = !HOST_SCHEMES.contains(&scheme.as_str())
        || schemes_allowed.iter().any(|it| it.eq_ignore_ascii_case(&scheme))
        || trusted.iter().any(|it| host_of(it).is_some_and(|it| it == (scheme.clone(), host.clone())));
    if is_known {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "'artifact_location' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a host other than the \
         tracking server's configured artifact storage, so the server would connect to the host named in the URI. Set \
         the MLFLOW_ALLOWED_HOST_ADDRESSED_ARTIFACT_SCHEMES environment variable on the server to allow it."
    )))
}

/// The scheme and the host with its port that a location names; none where it names no host.
fn host_of(location: &str) -> Option<(String, String)> {
    let url = Url::parse(location).ok()?;
    let host = url.host_str().filter(|it| !it.is_empty())?;
    let port = url.port().map(|it| format!(":{it}")).unwrap_or_default();
    Some((url.scheme().to_owned(), format!("{}{port}", host.to_ascii_lowercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_names_no_host_that_the_server_does_not_know() {
        let trusted = ["hdfs://namenode:8020/ml", "./mlartifacts"];
        let check = |location: &str, is_fine: bool| {
            let outcome = check_host(location, &trusted, &["ftp".to_owned()]);
            assert_eq!(outcome.is_ok(), is_fine, "{location}: {outcome:?}");
        };
        check("s3://bucket/x", true);
        check("/data/x", true);
        check("mlflow-artifacts:/x", true);
        check("file:///data", true);
        check("file://host/data", false);
        check("http://10.0.0.1/x", false);
        check("mlflow-artifacts://elsewhere:5000/x", false);
        check("hdfs://namenode:8020/x", true);
        check("hdfs://namenode:9/x", false);
        check("abfss://fs@account.dfs.core.windows.net/x", false);
        check("ftp://host/x", true);
    }
}
