//! Asking consumers whether the key that they hold works, by a completion through them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::environment::Environ;
use super::http::Line;
use super::litellm::LiteLlm;
use super::lookup::Lookup;
use super::prove::{ANSWER, Meaning, Reply, ask};
use super::ready::{Place, Waited};
use super::sys::{self, Held};
use crate::config::{ConsumerConfig, Verify};
use crate::core::{ConsumerProbe, ProbeVerdict};
use crate::salt::Salt;
use crate::worker::job::KeyTarget;

/// Before the second try, where Bedrock couldn't be reached for the first.
const PAUSE: Duration = Duration::from_secs(2);

/// Consumers that may be asked to prove keys, one look at all processes serving many keys.
pub struct Provers {
    consumers: Vec<ConsumerConfig>,
    lookup: Mutex<Lookup>,
}

impl Provers {
    /// These consumers.
    pub fn new(consumers: Vec<ConsumerConfig>) -> Self {
        let lookup = Mutex::new(Lookup::new(consumers.iter().map(|consumer| consumer.matches.as_slice())));
        Self { consumers, lookup }
    }

    /// Asks each consumer that uses a key by its configuration, and has a process that was started with this very one,
    /// for a completion of one token: the first such process. Those that aren't to be asked (`verify`) are left out.
    pub fn ask(&self, key: &KeyTarget, salt: &Salt) -> Vec<ConsumerProbe> {
        let users = self.consumers.iter().filter(|consumer| consumer.uses(&key.name));
        users.filter(|consumer| consumer.verify == Verify::Completion).filter_map(|consumer| self.ask_one(consumer, key, salt)).collect()
    }

    fn ask_one(&self, consumer: &ConsumerConfig, key: &KeyTarget, salt: &Salt) -> Option<ConsumerProbe> {
        let found = self.lookup.lock().unwrap_or_else(PoisonError::into_inner).find(&consumer.matches).ok()?;
        let (process, environ) = found.into_iter().find_map(|process| {
            let environ = process.environ().ok()?;
            let holds = environ.get(key.variable.as_bytes()).is_some_and(|value| salt.fingerprint(value) == key.fingerprint);
            holds.then_some((process, environ))
        })?;
        let (verdict, detail) = through(consumer, &process, &environ, &key.variable);
        Some(ConsumerProbe { consumer: consumer.name.clone(), verdict, detail })
    }
}

fn through(consumer: &ConsumerConfig, process: &Held, environ: &Environ, variable: &str) -> (ProbeVerdict, String) {
    let looked = process.argv().and_then(|argv| Ok((argv, sys::traits(process, environ)?.dir)));
    let Ok((argv, dir)) = looked else {
        return (ProbeVerdict::Unreachable, "its process ended meanwhile".to_owned());
    };
    let line = Line::new(ANSWER);
    let base = match Place::of(process, &argv, consumer.url.as_deref()).wait(process, Duration::ZERO, &line) {
        Waited::Ready(base) => base,
        Waited::Died => return (ProbeVerdict::Unreachable, "its process ended meanwhile".to_owned()),
        Waited::Taken(_) | Waited::TimedOut => {
            let detail = format!("LiteLLM itself doesn't answer (process {}): see its log", process.pid());
            return (ProbeVerdict::Unreachable, detail);
        }
    };
    let litellm = LiteLlm::of(&argv, &dir, environ);
    let Some(model) = litellm.model_with(variable, consumer.model.as_deref()) else {
        return (ProbeVerdict::Unknown, format!("its configuration names no Bedrock model that uses {variable}, so set model"));
    };
    let master_key = litellm.master_key(consumer, environ);
    let mut reply = ask(&line, &base, model, master_key.as_ref());
    if reply.meaning == Meaning::Unreachable && !process.gone_within(PAUSE) {
        reply = ask(&line, &base, model, master_key.as_ref());
    }
    let Reply { meaning, why, .. } = reply;
    match meaning {
        Meaning::Works => (ProbeVerdict::Works, format!("a completion of {model} through it works")),
        Meaning::Rejected => (ProbeVerdict::Rejected, why),
        Meaning::Unreachable => (ProbeVerdict::Unreachable, why),
        Meaning::Denied | Meaning::NoKey | Meaning::Unclear => (ProbeVerdict::Unknown, why),
    }
}
