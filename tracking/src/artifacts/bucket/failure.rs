//! What services behind buckets answer when they refuse, in words for users, without addresses that carry signatures.

use std::{error::Error as StdError, fmt};

use super::uri::BucketName;
use crate::{ArtifactPath, Error};

/// The longest piece of a service's own words that is shown.
const WORDS_MAX: usize = 300;

/// A bucket whose settings cannot work.
pub(super) fn unusable(bucket: &str, error: &object_store::Error) -> Error {
    Error::invalid(format!("`{bucket}` cannot be used: {}", redact(&chain(error))))
}

/// A request about one artifact that failed. `doing` is what it was for, e.g. `reading`.
pub(super) fn explain(bucket: &BucketName, doing: &str, path: &ArtifactPath, error: &object_store::Error) -> Error {
    let text = chain(error);
    let answer = Answer::find(&text);
    let code = answer.as_ref().map(|it| it.code.as_str()).unwrap_or_default();
    if is_without_credentials(&text) {
        return Error::Denied(format!(
            "{doing} artifact `{path}` in `{bucket}` was not tried: this server has no credentials for it; {}",
            credentials_of(bucket)
        ));
    }
    let said = answer.as_ref().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    match (code, error) {
        ("NoSuchBucket" | "ContainerNotFound", _) => {
            Error::not_found(format!("bucket `{bucket}` does not exist, or the server's credentials do not show it"))
        }
        ("NoSuchUpload", _) => Error::not_found(format!(
            "there is no upload of artifact `{path}` with this upload_id; it was completed or aborted, start it again"
        )),
        (
            "InvalidPart" | "InvalidPartOrder" | "EntityTooSmall" | "EntityTooLarge" | "InvalidBlockList"
            | "KeyTooLongError",
            _,
        ) => Error::invalid(format!("{doing} artifact `{path}` in `{bucket}` was refused: {said}")),
        ("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException", _) => {
            Error::Denied(format!(
                "{doing} artifact `{path}` in `{bucket}` was refused: {said}; set AWS_DEFAULT_REGION to the bucket's region"
            ))
        }
        (_, object_store::Error::NotFound { .. }) => Error::not_found(format!("No such artifact: '{path}'")),
        (_, object_store::Error::Precondition { .. }) => {
            Error::InvalidState(format!("artifact `{path}` was replaced meanwhile; ask again"))
        }
        (_, object_store::Error::InvalidPath { .. }) => Error::InvalidState(format!(
            "folder `{path}` in `{bucket}` holds a name that is no path, such as one with `//`; rename it there"
        )),
        (_, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
        | (
            "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "AuthenticationFailed",
            _,
        ) => Error::Denied(format!(
            "{doing} artifact `{path}` in `{bucket}` was refused: {said}; check this server's credentials and \
                 their rights"
        )),
        _ => Error::internal(format!("{doing} artifact `{path}` in `{bucket}` failed"), redact(&text)),
    }
}

/// Where the machine itself is asked for credentials, after everything else was looked for; most machines have none.
const MACHINE_CREDENTIALS: &[&str] =
    &["/latest/api/token", "/latest/meta-data/iam", "/computeMetadata/v1/instance", "/metadata/identity/oauth2/token"];

fn is_without_credentials(text: &str) -> bool {
    MACHINE_CREDENTIALS.iter().any(|it| text.contains(it))
}

fn credentials_of(bucket: &BucketName) -> &'static str {
    match bucket {
        BucketName::S3 { .. } => "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and start it again",
        BucketName::Gcs { .. } => "set GOOGLE_APPLICATION_CREDENTIALS to a file with a key, and start it again",
        BucketName::Azure { .. } => {
            "set AZURE_STORAGE_CONNECTION_STRING or AZURE_STORAGE_ACCESS_KEY, or log in with AZURE_CLIENT_ID, \
             AZURE_TENANT_ID and AZURE_CLIENT_SECRET, and start it again"
        }
    }
}

/// A failure in the middle of a download.
pub(super) fn broken_off(error: &object_store::Error) -> std::io::Error {
    std::io::Error::other(redact(&chain(error)))
}

/// An error with all of its causes, each said once.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// The text without what follows `?` in addresses, where signatures are, and without documents that services answer
/// with: they repeat what was signed, down to session tokens.
pub(super) fn redact(text: &str) -> String {
    let document = text.find('<').filter(|at| text[*at..].contains("</"));
    let (text, answer) = match document {
        Some(at) => (&text[..at], Answer::find(&text[at..])),
        None => (text, None),
    };
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let end = rest[at..].find([' ', ')', '"', '\'', '\n', ',']).map_or(rest.len(), |it| at + it);
        let address = &rest[at..end];
        let path_end = address.find('?').unwrap_or(address.len());
        // A user name and a password may stand before the host.
        let host = address[3..path_end].rsplit_once('@').map_or(&address[3..path_end], |(_, host)| host);
        shown.push_str(&rest[..at]);
        shown.push_str("://");
        shown.push_str(host);
        rest = &rest[end..];
    }
    shown.push_str(rest);
    if let Some(answer) = answer {
        shown.push_str(&answer.to_string());
    }
    shown
}

/// What a service says in the XML document of an error.
struct Answer {
    code: String,
    message: String,
}

impl Answer {
    fn find(text: &str) -> Option<Self> {
        let code = element(text, "Code")?;
        Some(Self { code: shorten(code), message: shorten(element(text, "Message").unwrap_or_default()) })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, " ({})", self.message) }
    }
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(value, _)| value)
}

fn shorten(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().filter(|it| !it.is_control()).take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>The signature does \
                            not match.</Message><StringToSign>x-amz-security-token:SECRET</StringToSign></Error>";

    fn generic(text: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn secrets_are_left_out() {
        let check = |text: &str, expect: &str| assert_eq!(redact(text), expect);
        check("no address", "no address");
        check(
            "Error performing PUT https://a.blob.core.windows.net/c/x?sv=1&sig=SECRET in 3ms - 500",
            "Error performing PUT https://a.blob.core.windows.net/c/x in 3ms - 500",
        );
        check("http://user:SECRET@host:9/x?y (a) http://b?SECRET", "http://host:9/x (a) http://b");
        check(
            &format!("403 Forbidden: {DOCUMENT}"),
            "403 Forbidden: SignatureDoesNotMatch (The signature does not match.)",
        );
        check("1 < 2", "1 < 2");
    }

    #[test]
    fn refusals_have_their_own_errors() {
        let bucket = BucketName::S3 { bucket: "b".to_owned() };
        let path = ArtifactPath::parse("a.txt").unwrap();
        let say = |text: &str| explain(&bucket, "reading", &path, &generic(text));
        let Error::Denied(text) = say(&format!("status 403: {DOCUMENT}")) else { panic!("it is a refusal") };
        assert_eq!(
            text,
            "reading artifact `a.txt` in `s3://b` was refused: SignatureDoesNotMatch (The signature does not match.); \
             check this server's credentials and their rights"
        );
        assert!(matches!(say("<Code>NoSuchBucket</Code>"), Error::NotFound(text) if text.contains("`s3://b`")));
        let none = "Error performing PUT http://169.254.169.254/latest/api/token in 3s: connection refused";
        assert!(
            matches!(say(none), Error::Denied(text) if text.contains("no credentials") && text.contains("AWS_PROFILE"))
        );
        assert!(matches!(say("<Code>NoSuchUpload</Code>"), Error::NotFound(_)));
        assert!(matches!(say("<Code>EntityTooSmall</Code>"), Error::Invalid(_)));
        let Error::Internal { what, source } = say("connection refused") else { panic!("it is a failure") };
        assert_eq!(what, "reading artifact `a.txt` in `s3://b` failed");
        assert!(source.to_string().contains("connection refused"));
    }
}
