//! Azure blob and Data Lake storage, configured by the variables that MLflow and Azure's libraries read.

use std::collections::HashMap;

use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};

use super::{connection, environment::Environment, uri::AzureScheme};
use crate::{Error, Result};

/// The variable with all that it takes, as Azure's portal shows it.
const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";

/// What opening a container needs to know of its address.
pub(super) struct Container<'a> {
    pub(super) scheme: AzureScheme,
    pub(super) name: &'a str,
    pub(super) account: &'a str,
    pub(super) domain: &'a str,
    /// Whether the operator named this account. Others are reached only by a signature, since a token or a shared
    /// access signature that is sent to somebody else's account is given away.
    pub(super) is_trusted: bool,
}

/// Opens a container.
pub(super) fn open(container: &Container<'_>, environment: &Environment) -> Result<MicrosoftAzure> {
    let shown = format!("{}://{}@{}", container.scheme.as_str(), container.name, container.account);
    let builder = MicrosoftAzureBuilder::new().with_container_name(container.name).with_retry(connection::retries());
    let connected = environment.get(CONNECTION_STRING).filter(|_| container.scheme == AzureScheme::Wasbs);
    let builder = match connected {
        Some(text) => connect(builder, &ConnectionString::parse(text)?, environment)?,
        None => address(builder, container, environment)?,
    };
    builder.build().map_err(|error| super::failure::unusable(&shown, &error))
}

fn address(
    builder: MicrosoftAzureBuilder,
    container: &Container<'_>,
    environment: &Environment,
) -> Result<MicrosoftAzureBuilder> {
    let domain = match container.domain.strip_prefix("dfs.") {
        Some(rest) => format!("blob.{rest}"),
        None => container.domain.replace(".dfs.", ".blob."),
    };
    let builder = builder
        .with_account(container.account)
        .with_endpoint(format!("https://{}.{domain}", container.account))
        .with_client_options(connection::options(environment, false, false)?);
    let key = environment.first(&["AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]);
    if let Some(key) = key.filter(|_| container.scheme == AzureScheme::Wasbs || container.is_trusted) {
        return Ok(builder.with_access_key(key));
    }
    if !container.is_trusted {
        return Err(Error::invalid(format!(
            "The tracking server does not connect to artifact location '{scheme}://{}@{}.{}': the '{scheme}' scheme \
             addresses a host other than the tracking server's configured artifact storage, so the server would send \
             its credentials to the host named in the URI. Start it with --artifacts-destination or \
             --default-artifact-root in that account to allow it.",
            container.name,
            container.account,
            container.domain,
            scheme = container.scheme.as_str(),
        )));
    }
    let mut builder = builder;
    if let Some(sas) = environment.get("AZURE_STORAGE_SAS_TOKEN") {
        return Ok(builder.with_config(AzureConfigKey::SasKey, sas));
    }
    for (name, setting) in [
        ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
        ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
        ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
        ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
        ("AZURE_FEDERATED_TOKEN_FILE", AzureConfigKey::FederatedTokenFile),
        ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
    ] {
        if let Some(value) = environment.get(name) {
            builder = builder.with_config(setting, value);
        }
    }
    Ok(builder)
}

fn connect(
    builder: MicrosoftAzureBuilder,
    connection: &ConnectionString,
    environment: &Environment,
) -> Result<MicrosoftAzureBuilder> {
    let account = connection.get("AccountName")?;
    let endpoint = connection.optional("BlobEndpoint").map_or_else(
        || {
            let scheme = connection.optional("DefaultEndpointsProtocol").unwrap_or("https");
            let suffix = connection.optional("EndpointSuffix").unwrap_or("core.windows.net");
            format!("{scheme}://{account}.blob.{suffix}")
        },
        |endpoint| endpoint.trim_end_matches('/').to_owned(),
    );
    let is_plain_http = connection::is_plain_http(&format!("BlobEndpoint of {CONNECTION_STRING}"), &endpoint)?;
    let builder = builder.with_account(account).with_endpoint(endpoint).with_client_options(connection::options(
        environment,
        is_plain_http,
        false,
    )?);
    match connection.optional("SharedAccessSignature") {
        Some(sas) => Ok(builder.with_config(AzureConfigKey::SasKey, sas)),
        None => Ok(builder.with_access_key(connection.get("AccountKey")?)),
    }
}

/// The settings of a connection string, `Name=value;…`. They hold secrets, so it shows nothing.
struct ConnectionString {
    settings: HashMap<String, String>,
}

impl ConnectionString {
    fn parse(text: &str) -> Result<Self> {
        let pair =
            |part: &str| part.split_once('=').map(|(key, value)| (key.trim().to_ascii_lowercase(), value.to_owned()));
        let settings: Option<HashMap<String, String>> =
            text.split(';').filter(|part| !part.trim().is_empty()).map(pair).collect();
        let settings = settings
            .ok_or_else(|| Error::invalid(format!("{CONNECTION_STRING} must be `Name=value` pairs between `;`")))?;
        Ok(Self { settings })
    }

    fn optional(&self, key: &str) -> Option<&str> {
        self.settings.get(&key.to_ascii_lowercase()).map(|it| it.trim()).filter(|it| !it.is_empty())
    }

    fn get(&self, key: &str) -> Result<&str> {
        self.optional(key).ok_or_else(|| Error::invalid(format!("{CONNECTION_STRING} has no {key}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "c2VjcmV0";

    fn container(scheme: AzureScheme, is_trusted: bool) -> Container<'static> {
        let domain = if scheme == AzureScheme::Wasbs { "blob.core.windows.net" } else { "dfs.core.windows.net" };
        Container { scheme, name: "c", account: "acc", domain, is_trusted }
    }

    async fn place(container: &Container<'_>, pairs: &[(&str, &str)]) -> String {
        use object_store::signer::Signer as _;
        let store = open(container, &Environment::of(pairs)).unwrap();
        let url = store.signed_url(http::Method::GET, &"a b".into(), std::time::Duration::from_mins(1)).await.unwrap();
        format!("{}{}", url.origin().ascii_serialization(), url.path())
    }

    #[tokio::test]
    async fn signed_addresses_show_where_requests_go() {
        let wasbs = container(AzureScheme::Wasbs, false);
        let key = ("AZURE_STORAGE_ACCESS_KEY", KEY);
        assert_eq!(place(&wasbs, &[key]).await, "https://acc.blob.core.windows.net/c/a%20b");
        let abfss = container(AzureScheme::Abfss, true);
        assert_eq!(place(&abfss, &[key]).await, "https://acc.blob.core.windows.net/c/a%20b");
        let text = format!(
            "DefaultEndpointsProtocol=http;AccountName=dev;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:1/dev;"
        );
        assert_eq!(place(&wasbs, &[(CONNECTION_STRING, &text)]).await, "http://127.0.0.1:1/dev/c/a%20b");
        let text = format!("AccountName=other;AccountKey={KEY};EndpointSuffix=core.chinacloudapi.cn");
        assert_eq!(
            place(&wasbs, &[(CONNECTION_STRING, &text)]).await,
            "https://other.blob.core.chinacloudapi.cn/c/a%20b"
        );
    }

    #[test]
    fn credentials_go_to_named_accounts_only() {
        let refused = |container: &Container<'_>, pairs: &[(&str, &str)]| {
            open(container, &Environment::of(pairs)).expect_err("it is refused").to_string()
        };
        let sas = ("AZURE_STORAGE_SAS_TOKEN", "sv=2022&sig=secret");
        let login = [("AZURE_CLIENT_ID", "i"), ("AZURE_CLIENT_SECRET", "s"), ("AZURE_TENANT_ID", "t")];
        for scheme in [AzureScheme::Wasbs, AzureScheme::Abfss] {
            for pairs in [&[sas][..], &login[..]] {
                let error = refused(&container(scheme, false), pairs);
                assert!(error.starts_with("The tracking server does not connect to artifact location"), "{error}");
                assert!(!error.contains("secret"), "{error}");
                open(&container(scheme, true), &Environment::of(pairs)).unwrap();
            }
        }
        refused(&container(AzureScheme::Abfss, false), &[("AZURE_STORAGE_ACCESS_KEY", KEY)]);
        let wasbs = container(AzureScheme::Wasbs, false);
        assert!(refused(&wasbs, &[(CONNECTION_STRING, "AccountKey=c2VjcmV0")]).ends_with("has no AccountName"));
        assert!(refused(&wasbs, &[(CONNECTION_STRING, "nonsense")]).contains("`Name=value` pairs"));
    }
}
