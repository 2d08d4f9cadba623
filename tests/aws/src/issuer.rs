//! Who issues tokens for the users API: a key, and what an OpenID provider publishes of it, in a
//! bucket that everybody may read.
//!
//! Source: OpenID Connect Discovery 1.0, RFC 7517, RFC 7519.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::error::LocalError;

/// Its bucket, which is the last part of its name.
const BUCKET: &str = "sidetone-issuer";
/// What its key is called.
const KEY_ID: &str = "local";

/// An issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issuer {
    /// Its name, below which its key is to be found.
    pub url: String,
    /// What its tokens are for.
    pub audience: String,
    /// Its private key: PKCS #8 in base64.
    key: String,
}

impl Issuer {
    /// Makes one with a key of its own, in a bucket of the local AWS.
    ///
    /// Errors: [`LocalError`] if it cannot be published.
    pub(crate) async fn publish(endpoint: &str, cloud: &Cloud) -> Result<Self, LocalError> {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| no_key())?;
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let public = key.public_key();
        let keys = json!({ "keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID,
            "n": part(public.modulus().big_endian_without_leading_zero()),
            "e": part(public.exponent().big_endian_without_leading_zero()),
        }] });
        let private = key.as_der().map_err(|_| no_key())?;
        let url = format!("{endpoint}/{BUCKET}");
        let configuration = json!({ "issuer": url, "jwks_uri": format!("{url}/keys.json") });
        cloud.make_public_bucket(BUCKET).await?;
        for (name, document) in
            [("keys.json", keys), (".well-known/openid-configuration", configuration)]
        {
            cloud.put_object(BUCKET, name, document.to_string().into_bytes()).await?;
        }
        Ok(Self { url, audience: "sidetone".to_owned(), key: part(private.as_ref()) })
    }

    /// Signs a token that says these claims, `iss` and `aud` among them unless they are given.
    ///
    /// Errors: [`LocalError::Missing`] if the key is none.
    pub fn token(&self, claims: &Value) -> Result<String, LocalError> {
        let mut all = json!({ "iss": self.url, "aud": self.audience });
        for (name, value) in claims.as_object().into_iter().flatten() {
            all[name] = value.clone();
        }
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": KEY_ID });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&all));
        let key = URL_SAFE_NO_PAD.decode(&self.key).map_err(|_| no_key())?;
        let key = RsaKeyPair::from_pkcs8(&key).map_err(|_| no_key())?;
        let mut signature = vec![0; key.public_modulus_len()];
        key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_| no_key())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn no_key() -> LocalError {
    LocalError::missing("the issuer of tokens", "an RSA key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_is_told_and_is_signed() {
        let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = key.as_der().unwrap();
        let issuer = Issuer {
            url: "https://127.0.0.1:1/issuer".to_owned(),
            audience: "ours".to_owned(),
            key: URL_SAFE_NO_PAD.encode(der.as_ref()),
        };
        let token = issuer.token(&json!({ "sub": "grace", "aud": "theirs" })).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let expected =
            json!({ "iss": "https://127.0.0.1:1/issuer", "aud": "theirs", "sub": "grace" });
        assert_eq!(claims, expected);
        let signature = URL_SAFE_NO_PAD.decode(parts[2]).unwrap();
        assert_eq!(signature.len(), 256);
    }
}
