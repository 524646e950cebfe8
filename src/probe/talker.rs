//! The worker's side of the process that talks to Bedrock.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::endpoint::Endpoint;
use super::finding::{Finding, Retry};
use super::talk::{Greeting, Question};
use crate::consumers::sys;
use crate::core::ProbeVerdict;
use crate::secret::Secret;
use crate::worker::job::Job;

/// A process that asks one endpoint after keys (see [`super::talk`]), started when it is first needed.
pub(super) struct Talker<'e> {
    endpoint: &'e Endpoint,
    line: Option<Line>,
}

impl<'e> Talker<'e> {
    pub(super) fn to(endpoint: &'e Endpoint) -> Self {
        Self { endpoint, line: None }
    }

    /// Has it ask once, for no longer than `most`.
    pub(super) fn ask(&mut self, key: &Secret, most: Duration) -> Finding {
        let asked = match self.line.take().map_or_else(|| Line::start(&self.endpoint.base), Ok) {
            Ok(line) => self.line.insert(line).ask(key, most),
            Err(error) => Err(error),
        };
        asked.unwrap_or_else(|error| {
            self.line = None;
            Finding::new(ProbeVerdict::Unknown, Retry::Useless, format!("credd could not ask: {error}"))
        })
    }
}

/// What the kernel can't take from a process that talks to Bedrock, in words for people.
pub fn unconfined() -> io::Result<Option<String>> {
    // Nobody is asked.
    Ok(Line::start("https://localhost")?.greeting.lacks.take())
}

struct Line {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    greeting: Greeting,
}

impl Line {
    fn start(base: &str) -> io::Result<Self> {
        let mut command = Command::new(sys::own_program()?);
        command.arg0("credd").arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (Some(mut questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        questions.write_all(&serde_json::to_vec(&Job::Talk { base: base.to_owned() })?)?;
        let mut answers = BufReader::new(answers);
        let greeting = read(&mut answers)?;
        Ok(Self { child, questions, answers, greeting })
    }

    fn ask(&mut self, key: &Secret, most: Duration) -> io::Result<Finding> {
        let mut question = serde_json::to_vec(&Question { most, length: key.expose().len() })?;
        question.push(b'\n');
        self.questions.write_all(&question)?;
        self.questions.write_all(key.expose())?;
        read(&mut self.answers)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read<T: DeserializeOwned>(answers: &mut dyn BufRead) -> io::Result<T> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the process that was to ask has ended"));
    }
    Ok(serde_json::from_slice(line.as_bytes())?)
}
