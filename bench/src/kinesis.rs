//! A stub of Kinesis: a process that accepts every record of every `PutRecords` at once.
//!
//! Its protocol is that of the service, HTTP/1.1 with or without TLS, so that a server under test
//! does all the work it does in production. It runs on the client's core.

use std::convert::Infallible;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::Failure;
use crate::figures::Puts;
use crate::recorder::{Book, Extract};
use crate::server::{one_worker, serve_until_told};

/// What the SDK has to find. The stub checks no signature.
pub(crate) const ENVIRONMENT: [(&str, &str); 4] = [
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "bench"),
    ("AWS_SECRET_ACCESS_KEY", "bench"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
];

const REQUESTS: &str = "requests";
const RECORDS: &str = "records";
const BYTES: &str = "bytes";

/// A record's result, as long as one of the service.
const RESULT: &str = r#"{"SequenceNumber":"49590338271490256608559692538361571095921575989136588898","ShardId":"shardId-000000000000"}"#;

/// Serves until the input ends; with TLS if a certificate is to be written.
pub(crate) fn stub(certificate: Option<&Path>) -> Result<(), Failure> {
    let book = Book::default();
    metrics::set_global_recorder(book.clone()).map_err(|error| error.to_string())?;
    let tls = certificate.map(acceptor).transpose()?;
    one_worker()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::spawn(accept(listener, tls));
        serve_until_told(address, Some(book)).await
    })
}

/// Returns what a stub has counted.
pub(crate) fn puts(extract: &Extract) -> Puts {
    let count = |name| extract.counters.get(name).copied().unwrap_or_default();
    Puts { requests: count(REQUESTS), records: count(RECORDS), bytes: count(BYTES) }
}

fn acceptor(path: &Path) -> Result<TlsAcceptor, Failure> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
    fs::write(path, cert.pem())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let tls = tls.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let Some(tls) = tls else { return serve(stream).await };
            // The server under test reports a handshake that failed.
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream).await;
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(put_records));
    // A connection that breaks is the end of it.
    let _ = connection.await;
}

async fn put_records(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut body = request.into_body();
    let (mut braces, mut bytes) = (0, 0);
    while let Some(Ok(frame)) = body.frame().await {
        if let Some(data) = frame.data_ref() {
            braces += data.iter().filter(|byte| **byte == b'{').count();
            bytes += data.len();
        }
    }
    // One for the request, one for each record; Base64 and names of streams have none.
    let records = braces.saturating_sub(1);
    metrics::counter!(REQUESTS).increment(1);
    metrics::counter!(RECORDS).increment(records as u64);
    metrics::counter!(BYTES).increment(bytes as u64);
    let results = vec![RESULT; records].join(",");
    let body = format!(r#"{{"FailedRecordCount":0,"Records":[{results}]}}"#);
    let response = Response::builder()
        .header("content-type", "application/x-amz-json-1.1")
        .body(Full::new(body.into()))
        .unwrap_or_default();
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn each_record_has_a_result() {
        let body = r#"{"Records":[{"Data":"AAAA","PartitionKey":"a"},{"Data":"BBBB","PartitionKey":"b"}],"StreamName":"bench"}"#;
        let (mut client, server) = duplex(4_096);
        tokio::spawn(serve(server));
        let request = format!(
            "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len(),
        );
        client.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        let (_, json) = response.split_once("\r\n\r\n").unwrap();
        let response: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(response["FailedRecordCount"], 0);
        assert_eq!(response["Records"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn puts_are_those_of_the_counters() {
        let book = Book::default();
        metrics::with_local_recorder(&book, || {
            metrics::counter!(REQUESTS).increment(2);
            metrics::counter!(RECORDS).increment(7);
            metrics::counter!(BYTES).increment(700);
        });
        assert_eq!(puts(&book.extract()), Puts { requests: 2, records: 7, bytes: 700 });
    }
}
