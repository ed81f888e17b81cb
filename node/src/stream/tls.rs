use std::sync::Arc;

use anyhow::Context;
use holloway_wire::{IdentityKey, NodeId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, ServerConfig, SignatureScheme, client, server,
};
use webpki::EndEntityCert;
use zeroize::Zeroizing;

/// What stands before the 32 bytes of an Ed25519 key in a `SubjectPublicKeyInfo` (RFC 8410 §4).
const SPKI_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What stands before the seed in a private key of PKCS #8 (RFC 8410 §7).
const PKCS8_HEAD: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// What browsers offer: a stream looks like a page that is fetched.
const ALPN: &[u8] = b"http/1.1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A relay's side: it shows a certificate that it has signed with the key that its node id is.
pub(super) fn server_config(key: &IdentityKey) -> anyhow::Result<Arc<ServerConfig>> {
    let seed = key.to_bytes();
    let pkcs8 = Zeroizing::new([&PKCS8_HEAD[..], &seed[..]].concat());
    let key = PrivatePkcs8KeyDer::from(pkcs8.as_slice());
    let pair = rcgen::KeyPair::try_from(&key).context("the identity key signs no certificate")?;
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&pair)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.clone_key().into())?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Nothing is kept for those who come again: a stream is opened rarely.
    config.session_storage = Arc::new(server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A member's side: it speaks with this relay and nobody else.
pub(super) fn client_config(relay: NodeId) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = provider();
    let pinned = Arc::new(Pinned { relay, provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(pinned)
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes no certificate but one with the relay's own key.
#[derive(Debug)]
struct Pinned {
    relay: NodeId,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = EndEntityCert::try_from(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?
            .subject_public_key_info();
        let pinned = [&SPKI_HEAD[..], self.relay.as_bytes()].concat();
        if shown.as_ref() == pinned {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    async fn meet(key: &IdentityKey, expected: NodeId) -> std::io::Result<[u8; 5]> {
        let (near, far) = duplex(64 * 1024);
        let acceptor = TlsAcceptor::from(server_config(key).expect("a configuration"));
        let answering = tokio::spawn(async move {
            let mut stream = acceptor.accept(far).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await
        });
        let connector = TlsConnector::from(client_config(expected).expect("a configuration"));
        let name = ServerName::try_from("localhost").expect("a name");
        let mut stream = connector.connect(name, near).await?;
        let mut read = [0; 5];
        stream.read_exact(&mut read).await?;
        answering.await.expect("it does not panic")?;
        Ok(read)
    }

    #[tokio::test]
    async fn a_relay_proves_that_it_has_the_key_that_it_is_known_by_and_nobody_else_does() {
        let [relay, other] = [1, 2].map(|seed| IdentityKey::from_bytes(&[seed; 32]));
        assert_eq!(meet(&relay, relay.node_id()).await.expect("a stream"), *b"hello");
        assert!(meet(&other, relay.node_id()).await.is_err());
    }
}
