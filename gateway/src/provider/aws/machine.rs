//! The roles that containers and machines have by themselves.
//!
//! Facts: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html>.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use object_store::aws::AwsCredential;
use reqwest::header::AUTHORIZATION;
use reqwest::{Client, Url};

use super::keys::{Source, client, told};
use super::variable;
use crate::provider::grant::{Authority, Grant, ToldBy};
use crate::provider::openai::sensitive;
use crate::secrets::Secret;

/// Both services are beside us, or not there: then it shall be known soon.
const CONNECT: Duration = Duration::from_secs(1);
/// Where the agent of ECS listens.
const ECS: &str = "http://169.254.170.2";
/// Hosts beside a container that may be asked without TLS: the agents of ECS and of EKS.
const BESIDE: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];
/// Where a machine's metadata is, in both kinds of networks.
const METADATA: &str = "http://169.254.169.254";
const METADATA_V6: &str = "http://[fd00:ec2::254]";
/// Seconds that the token of the metadata service is asked for: as long as AWS grants.
const SESSION_SECONDS: &str = "21600";
const ROLES: &str = "latest/meta-data/iam/security-credentials/";

/// The role of this container, if variables tell of one.
pub(super) fn container() -> Result<Option<Source>, String> {
    let relative = variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|it| format!("{ECS}{it}"));
    let Some(address) = relative.or_else(|| variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else { return Ok(None) };
    let address = Url::parse(&address).map_err(|_| {
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or …_FULL_URI is no address; the container's platform sets it"
            .to_owned()
    })?;
    let host = address.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let is_beside =
        host == "localhost" || BESIDE.contains(&host) || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    if address.scheme() != "https" && !is_beside {
        return Err(format!(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI leads to `{host}` without TLS, which AWS allows to this machine and \
             its agents alone"
        ));
    }
    let client = client(is_beside, CONNECT)?;
    Ok(Some(Source::granted(move || of_container(client.clone(), address.clone()).boxed())))
}

async fn of_container(client: Client, address: Url) -> Result<Grant<Arc<AwsCredential>>, String> {
    // The file is read each time: its token is renewed in place.
    let token = match variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(
            tokio::fs::read_to_string(&file)
                .await
                .map_err(|error| format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: {file} cannot be read: {error}"))?,
        ),
        None => variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    let token = token.map(|it| Secret::new(&it));
    let mut request = client.get(address);
    if let Some(token) = &token {
        if reqwest::header::HeaderValue::from_str(token.reveal()).is_err() {
            return Err("the container's authorization token fits no header".to_owned());
        }
        request = request.header(AUTHORIZATION, sensitive(token.reveal()));
    }
    let secrets: Vec<Secret> = token.into_iter().collect();
    let authority = Authority { name: "the container's agent", what: "keys for its role", secrets: &secrets };
    told(&authority.ask(request, ToldBy::Json).await?, "the container's agent")
}

/// The role of this machine, by the second version of its metadata service.
pub(super) fn metadata() -> Result<Source, String> {
    if variable("AWS_EC2_METADATA_DISABLED").is_some_and(|it| it.eq_ignore_ascii_case("true")) {
        return Ok(Source::granted(|| {
            let none = "no keys in the configuration, in variables or in profiles, and AWS_EC2_METADATA_DISABLED";
            futures::future::ready(Err(none.to_owned())).boxed()
        }));
    }
    let is_v6 = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|it| it.eq_ignore_ascii_case("ipv6"));
    let base = variable("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or_else(|| if is_v6 { METADATA_V6 } else { METADATA }.to_owned());
    let mut base = Url::parse(&base)
        .map_err(|error| format!("AWS_EC2_METADATA_SERVICE_ENDPOINT is `{base}`, which is no address: {error}"))?;
    if !base.path().ends_with('/') {
        let path = format!("{}/", base.path());
        base.set_path(&path);
    }
    let client = client(true, CONNECT)?;
    Ok(Source::granted(move || of_metadata(client.clone(), base.clone()).boxed()))
}

async fn of_metadata(client: Client, base: Url) -> Result<Grant<Arc<AwsCredential>>, String> {
    let name = "this machine's metadata service";
    let at = |path: &str| base.join(path).map_err(|error| format!("{name} told of a role with no name: {error}"));
    let authority = |secrets| Authority { name, what: "keys for its role", secrets };
    let session = client.put(at("latest/api/token")?).header("x-aws-ec2-metadata-token-ttl-seconds", SESSION_SECONDS);
    let session = authority(&[]).ask(session, ToldBy::Json).await?;
    let session = [Secret::new(&String::from_utf8_lossy(&session))];
    let get = |address: Url| client.get(address).header("x-aws-ec2-metadata-token", session[0].reveal());
    let roles = authority(&session).ask(get(at(ROLES)?), ToldBy::Json).await?;
    let role = String::from_utf8_lossy(&roles).lines().next().unwrap_or_default().trim().to_owned();
    if role.is_empty() {
        return Err(format!("{name} tells of no role; give the machine an instance profile"));
    }
    told(&authority(&session).ask(get(at(&format!("{ROLES}{role}"))?), ToldBy::Json).await?, name)
}
