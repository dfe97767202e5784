//! Google Cloud Storage, with Google's application default credentials.

use std::sync::Arc;

use object_store::{
    StaticCredentialProvider,
    gcp::{GcpCredential, GcpSigningCredential, GoogleCloudStorage, GoogleCloudStorageBuilder},
};

use super::{connection, environment::Environment};
use crate::Result;

/// Opens a bucket.
pub(super) fn open(bucket: &str, environment: &Environment) -> Result<GoogleCloudStorage> {
    let address = |host: &str| if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
    let emulator = environment.get("STORAGE_EMULATOR_HOST").map(address);
    let is_plain_http = match &emulator {
        Some(address) => connection::is_plain_http("STORAGE_EMULATOR_HOST", address)?,
        None => false,
    };
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        .with_retry(connection::retries())
        .with_client_options(connection::options(environment, is_plain_http, false)?);
    if let Some(address) = &emulator {
        // Emulators know no accounts, and nothing is to be asked of the machine that it runs on.
        let nobody = GcpCredential { bearer: String::new() };
        let no_signer = GcpSigningCredential { email: String::new(), private_key: None };
        builder = builder
            .with_base_url(address)
            .with_credentials(Arc::new(StaticCredentialProvider::new(nobody)))
            .with_signing_credentials(Arc::new(StaticCredentialProvider::new(no_signer)))
            .with_skip_signature(true);
    } else if let Some(path) = environment.get("GOOGLE_APPLICATION_CREDENTIALS") {
        builder = builder.with_application_credentials(path);
    }
    builder.build().map_err(|error| super::failure::unusable(&format!("gs://{bucket}"), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_and_emulators() {
        open("bucket", &Environment::of(&[("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")])).unwrap();
        let refused = |pairs: &[(&str, &str)]| open("bucket", &Environment::of(pairs)).err().unwrap().to_string();
        let error = refused(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")]);
        assert!(error.starts_with("`gs://bucket` cannot be used: ") && error.contains("/nowhere.json"), "{error}");
        assert!(refused(&[("STORAGE_EMULATOR_HOST", "ftp://x")]).starts_with("STORAGE_EMULATOR_HOST must be"));
    }
}
