//! Asks the door on this machine whether it lives; for the container's health check, as the
//! image has no other program.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use sidetone_lambda_start::Environment;

use crate::args::say;

/// How long each step may take; ECS itself gives up after 5 s by default.
const STEP_MAX: Duration = Duration::from_secs(1);

/// What is read of an answer: its first line and some more.
const ANSWER_BYTES_MAX: u64 = 512;

/// Asks, and says what is wrong.
pub(crate) fn run() -> ExitCode {
    let port = match Environment::read().port() {
        Ok(port) => port,
        Err(error) => return say(&mut io::stderr(), &format!("{error}\n"), ExitCode::from(2)),
    };
    match ask(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) {
        Ok(line) if line.starts_with("HTTP/1.1 200 ") => ExitCode::SUCCESS,
        Ok(line) => say(&mut io::stderr(), &format!("the door said {line:?}\n"), ExitCode::FAILURE),
        Err(error) => {
            let text = format!("the door on port {port} does not answer: {error}\n");
            say(&mut io::stderr(), &text, ExitCode::FAILURE)
        }
    }
}

/// Returns the first line of the answer.
fn ask(door: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&door, STEP_MAX)?;
    stream.set_read_timeout(Some(STEP_MAX))?;
    stream.set_write_timeout(Some(STEP_MAX))?;
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {door}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn hears_what_the_door_says() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let door = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 256];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nalive\n").unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        assert_eq!(ask(address).unwrap(), "HTTP/1.1 200 OK");
        assert!(door.join().unwrap().starts_with("GET /healthz HTTP/1.1\r\n"));
        // And nobody is there any more.
        assert!(ask(address).is_err());
    }
}
