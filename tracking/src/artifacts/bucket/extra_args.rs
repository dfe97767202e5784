//! `MLFLOW_S3_UPLOAD_EXTRA_ARGS`: what boto3 would send along with each upload, such as encryption or a storage class.

use object_store::{Attribute, Attributes, TagSet, aws::AmazonS3ConfigKey};
use serde_json::{Map, Value};

use super::environment::Environment;
use crate::{Error, Result};

/// The variable's name.
const VARIABLE: &str = "MLFLOW_S3_UPLOAD_EXTRA_ARGS";

/// The arguments that are understood, by their names in boto3.
const KNOWN: &str = "BucketKeyEnabled, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, ContentType, \
                     Metadata, RequestPayer, SSEKMSKeyId, ServerSideEncryption, StorageClass, Tagging";

/// What uploads to S3 carry.
#[derive(Clone, Default)]
pub(super) struct ExtraArgs {
    /// Settings of the client.
    pub(super) client: Vec<(AmazonS3ConfigKey, String)>,
    /// Properties of each object.
    pub(super) attributes: Attributes,
    /// Tags of each object.
    pub(super) tags: TagSet,
    /// The same as headers, for uploads that clients send themselves.
    pub(super) headers: Vec<(String, String)>,
}

impl ExtraArgs {
    /// Reads the variable. An argument that cannot be kept is refused: an upload without it could be an upload that
    /// is not encrypted.
    pub(super) fn load(environment: &Environment) -> Result<Self> {
        let Some(text) = environment.get(VARIABLE) else { return Ok(Self::default()) };
        let args: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            Error::invalid(format!("{VARIABLE} must be a JSON object of boto3's arguments: {error}"))
        })?;
        let mut extra = Self::default();
        for (name, value) in &args {
            extra.add(name, value)?;
        }
        Ok(extra)
    }

    fn add(&mut self, name: &str, value: &Value) -> Result<()> {
        if name == "Metadata" {
            return self.add_metadata(value);
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(truth) => truth.to_string(),
            _ => return Err(Error::invalid(format!("{VARIABLE}: `{name}` must be a text"))),
        };
        let attribute = match name {
            "CacheControl" => Some((Attribute::CacheControl, "Cache-Control")),
            "ContentDisposition" => Some((Attribute::ContentDisposition, "Content-Disposition")),
            "ContentEncoding" => Some((Attribute::ContentEncoding, "Content-Encoding")),
            "ContentLanguage" => Some((Attribute::ContentLanguage, "Content-Language")),
            "ContentType" => Some((Attribute::ContentType, "Content-Type")),
            "StorageClass" => Some((Attribute::StorageClass, "x-amz-storage-class")),
            _ => None,
        };
        if let Some((attribute, header)) = attribute {
            self.headers.push((header.to_owned(), text.clone()));
            self.attributes.insert(attribute, text.into());
            return Ok(());
        }
        let (setting, header) = match name {
            "ServerSideEncryption" => ("aws_server_side_encryption", "x-amz-server-side-encryption"),
            "SSEKMSKeyId" => ("aws_sse_kms_key_id", "x-amz-server-side-encryption-aws-kms-key-id"),
            "BucketKeyEnabled" => ("aws_sse_bucket_key_enabled", "x-amz-server-side-encryption-bucket-key-enabled"),
            "RequestPayer" => ("aws_request_payer", "x-amz-request-payer"),
            "Tagging" => {
                for (key, value) in url::form_urlencoded::parse(text.as_bytes()) {
                    self.tags.push(&key, &value);
                }
                self.headers.push(("x-amz-tagging".to_owned(), text));
                return Ok(());
            }
            _ => {
                return Err(Error::invalid(format!(
                    "{VARIABLE}: `{name}` is not supported; supported are {KNOWN}. Set it as the bucket's default instead"
                )));
            }
        };
        self.headers.push((header.to_owned(), text.clone()));
        let setting = setting
            .parse()
            .map_err(|error: object_store::Error| Error::internal(format!("setting `{name}` of an upload"), error))?;
        self.client.push((setting, text));
        Ok(())
    }

    fn add_metadata(&mut self, value: &Value) -> Result<()> {
        let not_texts = || Error::invalid(format!("{VARIABLE}: `Metadata` must be an object of texts"));
        for (key, value) in value.as_object().ok_or_else(not_texts)? {
            let text = value.as_str().ok_or_else(not_texts)?.to_owned();
            self.headers.push((format!("x-amz-meta-{key}"), text.clone()));
            self.attributes.insert(Attribute::Metadata(key.clone().into()), text.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<ExtraArgs> {
        ExtraArgs::load(&Environment::of(&[(VARIABLE, text)]))
    }

    #[test]
    fn arguments_of_boto3() {
        let extra = load(
            r#"{"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k", "StorageClass": "STANDARD_IA",
                "Tagging": "team=ml&a=b%20c", "Metadata": {"owner": "me"}, "CacheControl": "no-store"}"#,
        )
        .unwrap();
        let headers: Vec<(&str, &str)> = extra.headers.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            headers,
            [
                ("x-amz-server-side-encryption", "aws:kms"),
                ("x-amz-server-side-encryption-aws-kms-key-id", "k"),
                ("x-amz-storage-class", "STANDARD_IA"),
                ("x-amz-tagging", "team=ml&a=b%20c"),
                ("x-amz-meta-owner", "me"),
                ("Cache-Control", "no-store"),
            ]
        );
        assert_eq!(extra.client.len(), 2);
        assert_eq!(extra.tags.encoded(), "team=ml&a=b+c");
        assert_eq!(extra.attributes.get(&Attribute::StorageClass).map(AsRef::as_ref), Some("STANDARD_IA"));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let check = |text: &str, expect: &str| {
            let error = load(text).err().unwrap().to_string();
            assert!(error.starts_with(VARIABLE) && error.contains(expect), "{error}");
        };
        check("not json", "must be a JSON object");
        check(r#"{"ACL": "public-read"}"#, "`ACL` is not supported; supported are BucketKeyEnabled");
        check(r#"{"StorageClass": 1}"#, "`StorageClass` must be a text");
        check(r#"{"Metadata": {"a": 1}}"#, "`Metadata` must be an object of texts");
        assert!(ExtraArgs::load(&Environment::default()).unwrap().headers.is_empty());
    }
}
