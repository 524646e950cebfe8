//! Who alerts are sent to: HTTP and SMTP on loopback, as much of them as is needed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::support::http::{Message, read_message};

type Inbox<T> = Arc<Mutex<Vec<T>>>;

/// Takes what is posted to it; the first requests are answered with 503. Lives as long as the test.
pub struct Hook {
    pub port: u16,
    /// All requests, those that were refused as well.
    pub inbox: Inbox<Message>,
}

impl Hook {
    pub fn start(refusals: usize) -> Self {
        let (listener, port) = listener();
        let inbox = Inbox::default();
        let taken = inbox.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                if let Ok(Some(message)) = read_message(&mut reader) {
                    let count = {
                        let mut taken = taken.lock().unwrap();
                        taken.push(message);
                        taken.len()
                    };
                    let status = if count > refusals { "200 OK" } else { "503 Service Unavailable" };
                    let mut stream = &stream;
                    let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                }
            }
        });
        Self { port, inbox }
    }

    pub fn count(&self) -> usize {
        self.inbox.lock().unwrap().len()
    }
}

/// Takes mails; the first ones are put off (451). Lives as long as the test.
pub struct MailServer {
    pub port: u16,
    pub mails: Inbox<String>,
    pub refused: Inbox<()>,
}

impl MailServer {
    pub fn start(refusals: usize) -> Self {
        let (listener, port) = listener();
        let server = Self { port, mails: Inbox::default(), refused: Inbox::default() };
        let (mails, refused) = (server.mails.clone(), server.refused.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let refuse = refused.lock().unwrap().len() < refusals;
                if refuse {
                    refused.lock().unwrap().push(());
                }
                let _ = session(&stream, refuse, &mails);
            }
        });
        server
    }
}

fn session(mut stream: &TcpStream, refuse: bool, mails: &Inbox<String>) -> std::io::Result<()> {
    stream.write_all(b"220 test ESMTP\r\n")?;
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while let Some(line) = lines.next() {
        let line = line?;
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "MAIL" if refuse => "451 not now",
            "DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                let mut mail = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                mails.lock().unwrap().push(mail);
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        write!(stream, "{answer}\r\n")?;
    }
    Ok(())
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
