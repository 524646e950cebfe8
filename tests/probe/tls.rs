//! TLS with a certificate of one's own making, before a plain server.

use std::fs;
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::rig::serve;
use crate::support::http::read_message;

/// A server whose certificate is signed by an authority that nobody knows.
pub struct Tls {
    pub address: SocketAddr,
    /// The authority's certificate as a PEM file.
    pub authority: PathBuf,
}

impl Tls {
    /// For these names, before the server on a port; files go to the directory.
    pub fn before(port: u16, names: &[&str], dir: &Path) -> Self {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let file = dir.join(format!("authority-{port}.pem"));
        fs::write(&file, authority_certificate.pem()).unwrap();

        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
        let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let config = Arc::new(config);
        let address = serve(move |stream| terminate(stream, port, &config));
        Self { address, authority: file }
    }
}

/// Hands one request on and its answer back; a client that doesn't trust us says so by going away.
fn terminate(stream: TcpStream, port: u16, config: &Arc<ServerConfig>) {
    let Ok(connection) = ServerConnection::new(Arc::clone(config)) else { return };
    let mut client = BufReader::new(StreamOwned::new(connection, stream));
    let Ok(Some(request)) = read_message(&mut client) else { return };
    let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut lines = vec![request.start];
    lines.extend(request.headers.into_iter().map(|(name, value)| format!("{name}: {value}")));
    write!(server, "{}\r\n\r\n", lines.join("\r\n")).unwrap();
    let Ok(Some(answer)) = read_message(&mut BufReader::new(server)) else { return };
    let stream = client.get_mut();
    let _ = write!(stream, "{}\r\nContent-Length: {}\r\n\r\n{}", answer.start, answer.body.len(), answer.text());
    stream.conn.send_close_notify();
    let _ = stream.flush();
}
