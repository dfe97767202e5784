//! Secrets as MLflow encrypts them: each under a key of its own, which a key derived from a passphrase wraps.
//!
//! The derived key (KEK) is `PBKDF2-HMAC-SHA256(passphrase, salt || version as u32 BE, 600,000 rounds)`. A secret is
//! `nonce || AES-256-GCM(DEK, text, AAD = "id|name")`, its key `nonce || AES-256-GCM(KEK, DEK)`, nonces of 12 bytes,
//! tags of 16 behind the text. Source: `mlflow/utils/crypto.py` of MLflow 3.17.2.

use std::fmt;
use std::num::NonZeroU32;

use rest::{Error, Result};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::OnceCell;

const SALT: &[u8] = b"mlflow-secrets-kek-v1-2025";
const ROUNDS: NonZeroU32 = NonZeroU32::new(600_000).expect("not zero");
const KEY_BYTES: usize = 32;
const DEFAULT_PASSPHRASE: &str = "mlflow-default-kek-passphrase-for-development-only";

const PASSPHRASE_VARIABLE: &str = "MLFLOW_CRYPTO_KEK_PASSPHRASE";
const VERSION_VARIABLE: &str = "MLFLOW_CRYPTO_KEK_VERSION";

/// What the key is derived from.
#[derive(Clone)]
pub(super) struct Passphrase {
    text: Option<String>,
    version: u32,
}

impl Passphrase {
    pub(super) fn read(env: &dyn Fn(&str) -> Option<String>) -> std::result::Result<Self, String> {
        let version = match env(VERSION_VARIABLE).filter(|it| !it.is_empty()) {
            None => 1,
            Some(text) => text.trim().parse().map_err(|_| {
                format!("{VERSION_VARIABLE} is `{text}`; it must be the number of a key's version, such as 1")
            })?,
        };
        Ok(Self { text: env(PASSPHRASE_VARIABLE).filter(|it| !it.is_empty()), version })
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Passphrase(version {})", self.version)
    }
}

/// A secret as the table `secrets` keeps it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sealed {
    pub(super) encrypted_value: Vec<u8>,
    pub(super) wrapped_dek: Vec<u8>,
    pub(super) kek_version: i64,
}

/// Seals and opens secrets. The key is derived once, when it is first needed.
pub(super) struct Keyring {
    passphrase: Passphrase,
    kek: OnceCell<LessSafeKey>,
    random: SystemRandom,
}

impl Keyring {
    pub(super) fn new(passphrase: Passphrase) -> Self {
        Self { passphrase, kek: OnceCell::new(), random: SystemRandom::new() }
    }

    /// Whether anybody who reads the database can also read the secrets.
    pub(super) fn is_default(&self) -> bool {
        self.passphrase.text.is_none()
    }

    /// Encrypts a text for the secret of this id and name.
    pub(super) async fn seal(&self, text: &str, id: &str, name: &str) -> Result<Sealed> {
        let kek = self.kek().await?;
        let mut dek = [0; KEY_BYTES];
        self.random.fill(&mut dek).map_err(|_| no_random())?;
        let encrypted_value = self.encrypt(&key(&dek), text.as_bytes(), &aad(id, name))?;
        let wrapped_dek = self.encrypt(kek, &dek, &[])?;
        Ok(Sealed { encrypted_value, wrapped_dek, kek_version: self.passphrase.version.into() })
    }

    /// Decrypts the secret of this id and name.
    pub(super) async fn open(&self, sealed: &Sealed, id: &str, name: &str) -> Result<String> {
        let kek = self.kek().await?;
        let text = decrypt(kek, &sealed.wrapped_dek, &[])
            .and_then(|dek| <[u8; KEY_BYTES]>::try_from(dek.as_slice()).ok())
            .and_then(|dek| decrypt(&key(&dek), &sealed.encrypted_value, &aad(id, name)))
            .and_then(|text| String::from_utf8(text).ok());
        text.ok_or_else(|| Error::Invalid(self.unreadable(sealed, name)))
    }

    async fn kek(&self) -> Result<&LessSafeKey> {
        self.kek.get_or_try_init(|| self.derive()).await
    }

    /// Derives the key on a thread that may compute: it takes some tenths of a second.
    async fn derive(&self) -> Result<LessSafeKey> {
        if self.is_default() {
            tracing::warn!(
                "{PASSPHRASE_VARIABLE} is not set, so the gateway's secrets are encrypted with a passphrase that \
                 everybody knows: whoever reads the database can read them; set it wherever others reach this server"
            );
        }
        let passphrase = self.passphrase.clone();
        let derived = tokio::task::spawn_blocking(move || {
            let mut salt = SALT.to_vec();
            salt.extend(passphrase.version.to_be_bytes());
            let text = passphrase.text.as_deref().unwrap_or(DEFAULT_PASSPHRASE);
            let mut bytes = [0; KEY_BYTES];
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, ROUNDS, &salt, text.as_bytes(), &mut bytes);
            key(&bytes)
        });
        derived.await.map_err(|error| Error::internal("deriving the key of the gateway's secrets failed", error))
    }

    fn encrypt(&self, key: &LessSafeKey, text: &[u8], aad: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| no_random())?;
        let mut body = text.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut body)
            .map_err(|_| Error::internal("encrypting a secret failed", "the text is too long for AES-GCM"))?;
        Ok([nonce.as_slice(), &body].concat())
    }

    fn unreadable(&self, sealed: &Sealed, name: &str) -> String {
        let version = i64::from(self.passphrase.version);
        let advice = if sealed.kek_version != version {
            format!(
                "it was encrypted under version {} of the key, and this server has version {version}; set \
                 {PASSPHRASE_VARIABLE} and {VERSION_VARIABLE} to what they were then, or rotate the keys",
                sealed.kek_version
            )
        } else if self.is_default() {
            format!(
                "{PASSPHRASE_VARIABLE} is not set on this server, and the secret was likely encrypted with one; set \
                 it to what it was then, or give the secret its value again"
            )
        } else {
            format!(
                "{PASSPHRASE_VARIABLE} is another than when it was encrypted, or its row was changed; set the \
                 variable to what it was then, or give the secret its value again"
            )
        };
        format!("Failed to decrypt the secret '{name}': {advice}")
    }
}

fn key(bytes: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).expect("AES-256 takes 32 bytes"))
}

fn aad(id: &str, name: &str) -> Vec<u8> {
    format!("{id}|{name}").into_bytes()
}

fn decrypt(key: &LessSafeKey, sealed: &[u8], aad: &[u8]) -> Option<Vec<u8>> {
    let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let mut body = body.to_vec();
    let text = key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad), &mut body).ok()?;
    Some(text.to_vec())
}

fn no_random() -> Error {
    Error::internal("encrypting a secret failed", "the operating system gave no random numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(passphrase: &'static str, version: &'static str) -> Keyring {
        let env = move |name: &str| {
            Some(match name {
                PASSPHRASE_VARIABLE => passphrase.to_owned(),
                _ => version.to_owned(),
            })
        };
        Keyring::new(Passphrase::read(&env).unwrap())
    }

    #[tokio::test]
    async fn a_secret_opens_for_its_own_id_name_and_passphrase_alone() {
        let (ours, other, later) =
            (keyring("correct horse", "2"), keyring("battery", "2"), keyring("correct horse", "3"));
        let sealed = ours.seal("sk-ü", "s-1", "my key").await.unwrap();
        assert_eq!((sealed.kek_version, sealed.wrapped_dek.len()), (2, 12 + 32 + 16));
        assert_eq!(ours.open(&sealed, "s-1", "my key").await.unwrap(), "sk-ü");
        for (id, name) in [("s-2", "my key"), ("s-1", "your key")] {
            assert!(ours.open(&sealed, id, name).await.is_err(), "{id} {name}");
        }
        assert!(other.open(&sealed, "s-1", "my key").await.unwrap_err().to_string().contains("is another than when"));
        assert!(later.open(&sealed, "s-1", "my key").await.unwrap_err().to_string().contains("under version 2"));
        let cut = Sealed { encrypted_value: sealed.encrypted_value[..5].to_vec(), ..sealed };
        assert!(ours.open(&cut, "s-1", "my key").await.is_err());
    }

    #[tokio::test]
    async fn what_mlflow_sealed_is_opened() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let sealed = Sealed {
            encrypted_value: hex(
                "bce5cdcd1a1294e23dc48ac5987ac7f9b14360c1cf744cd52f56f0dfe31dd79aa3f6941f1e9a06dd2e8fb775130e2698bdd3fa0ba930",
            ),
            wrapped_dek: hex(
                "98b9e28969685dde4a8caefe245b75aaf53cd0371ef7989f2545444e3dc409c357126806aa2e3e0a226328dd8fd7e39510d1c931bcf518b7e5aceb20",
            ),
            kek_version: 2,
        };
        let opened = keyring("correct horse", "2").open(&sealed, "s-1", "my key").await.unwrap();
        assert_eq!(opened, r#"{"api_key": "sk-crossing"}"#);
    }

    #[test]
    fn a_version_that_is_no_number_is_refused() {
        let words = Passphrase::read(&|name| (name == VERSION_VARIABLE).then(|| "two".to_owned())).unwrap_err();
        assert!(words.contains("MLFLOW_CRYPTO_KEK_VERSION is `two`"), "{words}");
    }
}
