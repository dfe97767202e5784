//! S3 and what speaks its protocol, configured by the variables and files that boto3 reads.

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};

use super::{connection, environment::Environment, extra_args::ExtraArgs, profile::Profile};
use crate::{Error, Result};

/// Where requests go when nothing says so; boto3's default too.
const DEFAULT_REGION: &str = "us-east-1";

/// Opens a bucket.
pub(super) fn open(bucket: &str, environment: &Environment, extra: &ExtraArgs) -> Result<AmazonS3> {
    if environment.get("MLFLOW_S3_EXPECTED_BUCKET_OWNER").is_some() {
        return Err(Error::invalid(
            "MLFLOW_S3_EXPECTED_BUCKET_OWNER is not supported: Tidegate cannot check who owns a bucket; unset it, and \
             let the credentials' policy name the buckets that may be used",
        ));
    }
    let profile = Profile::load(environment)?;
    let address = Address::find(environment, &profile)?;
    let region = environment
        .first(&["AWS_DEFAULT_REGION", "AWS_REGION"])
        .or_else(|| profile.get("region"))
        .unwrap_or(DEFAULT_REGION)
        .to_owned();
    let ignore_tls = environment.flag("MLFLOW_S3_IGNORE_TLS")?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(&region)
        .with_retry(connection::retries())
        .with_client_options(connection::options(environment, address.is_plain_http, ignore_tls)?);
    for (setting, value) in &extra.client {
        builder = builder.with_config(*setting, value);
    }
    builder = address.apply(builder, bucket, &region)?;
    builder = with_credentials(builder, environment, &profile)?;
    builder.build().map_err(|error| super::failure::unusable(&format!("s3://{bucket}"), &error))
}

/// Where the service is and how buckets are addressed there.
struct Address {
    endpoint: Option<String>,
    is_plain_http: bool,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Auto,
    Path,
    Virtual,
}

impl Address {
    fn find(environment: &Environment, profile: &Profile) -> Result<Self> {
        let names = ["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];
        let set = names.iter().find_map(|name| Some((*name, environment.get(name)?)));
        let found = set.or_else(|| Some(("endpoint_url of the AWS profile", profile.get("endpoint_url")?)));
        let is_plain_http = match found {
            Some((name, endpoint)) => connection::is_plain_http(name, endpoint)?,
            None => false,
        };
        let style = match environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE") {
            None | Some("auto") => Style::Auto,
            Some("path") => Style::Path,
            Some("virtual") => Style::Virtual,
            Some(other) => {
                return Err(Error::invalid(format!(
                    "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE must be `auto`, `path` or `virtual`, got `{other}`"
                )));
            }
        };
        let endpoint = found.map(|(_, endpoint)| endpoint.trim_end_matches('/').to_owned());
        Ok(Self { endpoint, is_plain_http, style })
    }

    fn apply(&self, builder: AmazonS3Builder, bucket: &str, region: &str) -> Result<AmazonS3Builder> {
        // Certificates of Amazon's hosts cover one label before `s3`, so a bucket with dots is addressed by its path.
        let is_virtual = match (self.style, &self.endpoint) {
            (Style::Path, _) | (Style::Auto, Some(_)) => false,
            (Style::Virtual, _) => true,
            (Style::Auto, None) => !bucket.contains('.'),
        };
        let amazon_in_china = || region.starts_with("cn-").then(|| format!("https://s3.{region}.amazonaws.com.cn"));
        let builder = builder.with_virtual_hosted_style_request(is_virtual);
        match self.endpoint.clone().or_else(amazon_in_china) {
            None => Ok(builder),
            Some(endpoint) if is_virtual => {
                let (scheme, host) = endpoint.split_once("://").ok_or_else(|| {
                    Error::invalid(format!("the S3 endpoint `{}` has no scheme", super::failure::redact(&endpoint)))
                })?;
                Ok(builder.with_endpoint(format!("{scheme}://{bucket}.{host}")))
            }
            Some(endpoint) => Ok(builder.with_endpoint(endpoint)),
        }
    }
}

/// boto3's order: keys in the environment, a web identity, a profile, then what containers and machines are given.
fn with_credentials(builder: AmazonS3Builder, environment: &Environment, profile: &Profile) -> Result<AmazonS3Builder> {
    let signature = environment.get("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION");
    if signature.is_some_and(|it| it.eq_ignore_ascii_case("unsigned")) {
        return Ok(builder.with_skip_signature(true));
    }
    let in_environment = (environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY"));
    match in_environment {
        (Some(id), Some(secret)) => return Ok(with_keys(builder, id, secret, environment.get("AWS_SESSION_TOKEN"))),
        (None, None) => {}
        _ => {
            return Err(Error::invalid("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together, only one is set"));
        }
    }
    if let (Some(token), Some(role)) = (environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN"))
    {
        let mut builder = builder
            .with_config(AmazonS3ConfigKey::WebIdentityTokenFile, token)
            .with_config(AmazonS3ConfigKey::RoleArn, role);
        for (name, setting) in [
            ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
            ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
        ] {
            if let Some(value) = environment.get(name) {
                builder = builder.with_config(setting, value);
            }
        }
        return Ok(builder);
    }
    if let (Some(id), Some(secret)) = (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key")) {
        return Ok(with_keys(builder, id, secret, profile.get("aws_session_token")));
    }
    profile.check_no_login()?;
    with_given_credentials(builder, environment)
}

fn with_keys(builder: AmazonS3Builder, id: &str, secret: &str, token: Option<&str>) -> AmazonS3Builder {
    let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
    match token {
        Some(token) => builder.with_token(token),
        None => builder,
    }
}

fn with_given_credentials(builder: AmazonS3Builder, environment: &Environment) -> Result<AmazonS3Builder> {
    let mut builder = builder;
    let mut is_container = false;
    for (name, setting) in [
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
    ] {
        if let Some(value) = environment.get(name) {
            is_container |= name.starts_with("AWS_CONTAINER_CREDENTIALS");
            builder = builder.with_config(setting, value);
        }
    }
    if !is_container && environment.flag("AWS_EC2_METADATA_DISABLED")? {
        return Err(Error::invalid(
            "there are no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or \
             MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION=unsigned for a public bucket",
        ));
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&str, &str)]) -> String {
        open("bucket", &Environment::of(pairs), &ExtraArgs::default()).expect_err("it is refused").to_string()
    }

    #[tokio::test]
    async fn signed_addresses_show_where_requests_go() {
        use object_store::signer::Signer as _;
        let keys = [("AWS_ACCESS_KEY_ID", "AK"), ("AWS_SECRET_ACCESS_KEY", "SK")];
        let check = async |bucket: &str, more: &[(&str, &str)], expect: &str| {
            let environment = Environment::of(&[&keys[..], more].concat());
            let store = open(bucket, &environment, &ExtraArgs::default()).unwrap();
            let url = store.signed_url(http::Method::GET, &"a b".into(), std::time::Duration::from_mins(1)).await;
            let url = url.unwrap();
            let place = format!("{}{}", url.origin().ascii_serialization(), url.path());
            assert_eq!(place, expect, "{more:?}");
            assert!(url.query().unwrap().contains("X-Amz-Credential=AK"), "{url}");
        };
        let region = ("AWS_DEFAULT_REGION", "eu-west-1");
        let minio = ("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9000/");
        let style = |value| ("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", value);
        check("bucket", &[], "https://bucket.s3.us-east-1.amazonaws.com/a%20b").await;
        check("bucket", &[region], "https://bucket.s3.eu-west-1.amazonaws.com/a%20b").await;
        check("my.bucket", &[region], "https://s3.eu-west-1.amazonaws.com/my.bucket/a%20b").await;
        check("bucket", &[region, style("path")], "https://s3.eu-west-1.amazonaws.com/bucket/a%20b").await;
        check("bucket", &[minio], "http://127.0.0.1:9000/bucket/a%20b").await;
        check(
            "bucket",
            &[("AWS_ENDPOINT_URL_S3", "http://s3.local"), style("virtual")],
            "http://bucket.s3.local/a%20b",
        )
        .await;
        check("bucket", &[("AWS_ENDPOINT_URL", "http://b"), minio], "http://127.0.0.1:9000/bucket/a%20b").await;
        check("bucket", &[("AWS_REGION", "cn-north-1")], "https://bucket.s3.cn-north-1.amazonaws.com.cn/a%20b").await;
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        assert!(refused(&[("AWS_ACCESS_KEY_ID", "AK")]).contains("belong together"));
        assert!(refused(&[("MLFLOW_S3_ENDPOINT_URL", "localhost:9000")]).starts_with("MLFLOW_S3_ENDPOINT_URL must be"));
        assert!(refused(&[("MLFLOW_S3_IGNORE_TLS", "maybe")]).starts_with("MLFLOW_S3_IGNORE_TLS must be"));
        assert!(refused(&[("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "x")]).contains("`auto`, `path` or `virtual`"));
        assert!(refused(&[("AWS_EC2_METADATA_DISABLED", "true")]).starts_with("there are no AWS credentials"));
        assert!(refused(&[("MLFLOW_S3_EXPECTED_BUCKET_OWNER", "1")]).contains("cannot check who owns"));
        assert!(refused(&[("AWS_CA_BUNDLE", "/nowhere.pem")]).contains("`/nowhere.pem`"));
    }
}
