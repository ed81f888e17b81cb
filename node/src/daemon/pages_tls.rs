//! TLS for the pages, where other machines may see them: with the operator's certificate, or one of this machine's own,
//! which browsers know again once somebody has compared its fingerprint with what `holloway dashboard` tells.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use futures::FutureExt;
use holloway_config::{StateDir, TlsFiles, read_secret_file, replace_secret_file};
use holloway_dashboard::server::{Clear, Encrypt};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

/// Largest chain of certificates that is read.
const CHAIN_BYTES_MAX: u64 = 256 * 1024;

/// The own certificate and its key, in the state directory.
const OWN_FILE: &str = "dashboard-tls.pem";

/// What the own file says before the certificate: the names that it is for.
const NAMES: &str = "names: ";

/// What a server shows, and what people know it by.
pub(super) struct Acceptor {
    acceptor: TlsAcceptor,
    /// SHA-256 of the certificate, as browsers show it.
    pub(super) fingerprint: String,
}

/// Prepares TLS, by the given files or by a certificate of this machine's own.
///
/// # Errors
/// Where files cannot be read or do not fit together.
pub(super) fn acceptor(
    files: Option<&TlsFiles>,
    state_dir: &StateDir,
    address: &SocketAddr,
    names: &[String],
) -> anyhow::Result<Acceptor> {
    let (chain, key) = match files {
        Some(TlsFiles { certificate, key }) => {
            let chain = read_chain(certificate)?;
            let key = read_secret_file(key)?;
            let key =
                PrivateKeyDer::from_pem_slice(&key).context("there is no key in the file of dashboard.tls_key")?;
            (chain, key)
        }
        None => own(&state_dir.path().join(OWN_FILE), address, names)?,
    };
    let fingerprint = fingerprint(chain.first().context("there is no certificate in the file")?);
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the certificate and its key do not fit")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Acceptor { acceptor: Arc::new(config).into(), fingerprint })
}

/// Begins TLS on connections.
pub(super) fn encrypt(acceptor: Acceptor) -> Encrypt {
    let acceptor = acceptor.acceptor;
    Arc::new(move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move { Ok(Box::new(acceptor.accept(stream).await?) as Box<dyn Clear>) }.boxed()
    })
}

fn read_chain(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    use std::io::Read as _;
    let mut text = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    file.take(CHAIN_BYTES_MAX).read_to_end(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    chain(&text).with_context(|| format!("{} holds no certificates", path.display()))
}

fn chain(text: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>()?)
}

/// The certificate that this machine has made, or a new one where there is none for these names.
fn own(
    path: &Path,
    address: &SocketAddr,
    names: &[String],
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let mut names: Vec<String> = names.iter().map(|name| name.trim_matches(['[', ']']).to_owned()).collect();
    if !address.ip().is_unspecified() {
        names.push(address.ip().to_string());
    }
    names.sort();
    names.dedup();
    let line = format!("{NAMES}{}\n", names.join(" "));
    let kept = if path.exists() { Some(read_secret_file(path)?) } else { None };
    let pem = match kept.filter(|kept| kept.starts_with(line.as_bytes())) {
        Some(pem) => pem,
        None => {
            let pair = rcgen::KeyPair::generate()?;
            let certificate = rcgen::CertificateParams::new(names)?.self_signed(&pair)?;
            let key = Zeroizing::new(pair.serialize_pem());
            let pem = Zeroizing::new([line.as_str(), &certificate.pem(), &key].concat().into_bytes());
            replace_secret_file(path, &pem)?;
            pem
        }
    };
    Ok((chain(&pem)?, PrivateKeyDer::from_pem_slice(&pem)?))
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = Sha256::digest(certificate.as_ref());
    digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}
