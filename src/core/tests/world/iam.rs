//! IAM, and the workers that talk to it.

use super::*;

/// A credential and the value that it is.
#[derive(Clone, Debug)]
pub struct Issued {
    pub credential: Credential,
    pub value: u8,
}

/// How far a worker that makes a key has come.
#[derive(Clone, Debug)]
enum Making {
    /// It waits for leave to make one.
    Planned { known: Vec<String> },
    /// It has made one and waits for leave to go on.
    Made(MadeKey),
}

/// What IAM has and how it behaves.
pub struct IamWorld {
    /// Files and processes change without the daemon knowing.
    pub at_random: bool,
    /// How long keys live that are made.
    pub lifetime: SignedDuration,
    pub issued: Vec<Issued>,
    /// Nothing can be done there, for this reason.
    pub trouble: Option<Trouble>,
    /// How often it was asked.
    pub asked: usize,
    /// Keys that were ever made there.
    pub made: usize,
    making: Option<Making>,
    /// Workers die with the daemon, so that they undo nothing.
    pub workers_die: bool,
    /// How often a short-term key was minted.
    pub minted: usize,
    /// What minting says, if not that it was done.
    pub mint_trouble: Option<Trouble>,
    /// How long minted keys live.
    pub session: Option<SignedDuration>,
    /// When the session ends that keys are signed in now, however late they are.
    pub session_end: Option<Timestamp>,
    /// When the user has to sign in anew.
    pub sign_in_by: Option<Timestamp>,
    /// Workers that settle a renewal end without a word.
    pub settling_fails: bool,
    /// Nothing can be retired, for this reason.
    pub retire_trouble: Option<Trouble>,
    /// How often a worker was sent to settle or mint.
    pub sent: usize,
}

pub const USER: &str = "BedrockAPIKey-rig";

pub fn refused() -> Trouble {
    Trouble { detail: "IAM says no".into(), fix: "ask an administrator".into(), sign_in: false }
}

impl Default for IamWorld {
    fn default() -> Self {
        Self {
            at_random: false,
            lifetime: DAY * 30,
            issued: Vec::new(),
            trouble: None,
            asked: 0,
            made: 0,
            making: None,
            workers_die: false,
            minted: 0,
            mint_trouble: None,
            session: None,
            session_end: None,
            sign_in_by: None,
            settling_fails: false,
            retire_trouble: None,
            sent: 0,
        }
    }
}

impl IamWorld {
    pub fn status_of(&self, value: u8) -> Option<CredentialStatus> {
        self.issued.iter().find(|issued| issued.value == value).map(|issued| issued.credential.status)
    }
}

impl World {
    /// IAM has made this value at some time, to end at another.
    pub fn issue(&mut self, value: u8, created_at: Timestamp, expires_at: Option<Timestamp>) {
        let credential =
            Credential { id: format!("ACCA{value}"), user: USER.into(), created_at, expires_at, status: CredentialStatus::Active };
        self.iam.issued.push(Issued { credential, value });
    }

    pub(super) fn ask_iam(&mut self, name: KeyName, asked: Fingerprint) {
        self.iam.asked += 1;
        let found = self.iam.issued.iter().find(|issued| print(issued.value) == asked);
        let report = match (&self.iam.trouble, found) {
            (Some(trouble), _) => IamReport::Trouble(trouble.clone()),
            (None, Some(issued)) => IamReport::Found(issued.credential.clone()),
            (None, None) => IamReport::Trouble(refused()),
        };
        self.soon(MOMENT, Happens::Event(Event::IamSaid(name, asked, Some(report))));
    }

    fn held(&self, name: &KeyName) -> Option<u8> {
        let spec = self.settings.keys.iter().find(|spec| spec.name == *name)?;
        self.files.get(&*spec.env_file)?.values.as_ref()?.get(&*spec.variable).copied()
    }

    pub(super) fn plan_renewal(&mut self, name: KeyName, replaced: Fingerprint) {
        let is_held = self.held(&name).map(print) == Some(replaced);
        assert!(is_held || self.iam.at_random, "a renewal of what the file holds");
        if !is_held || self.iam.trouble.is_some() {
            let report = RenewalReport::Undone(refused());
            return self.soon(MOMENT, Happens::Event(Event::RenewalEnded(name, Some(report))));
        }
        let known: Vec<String> = self.iam.issued.iter().map(|issued| issued.credential.id.clone()).collect();
        let old = self.iam.issued.iter().find(|issued| print(issued.value) == replaced).map(|issued| issued.credential.clone());
        self.iam.making = Some(Making::Planned { known: known.clone() });
        self.soon(MOMENT, Happens::Event(Event::RenewalBegins(name, RenewalPlan { user: USER.into(), old, known })));
    }

    pub(super) fn renewal_goes_on(&mut self, name: KeyName) {
        let saved = self.ledger.keys.get(&name).and_then(|record| record.renewal.clone()).expect("a renewal is saved before it goes on");
        match self.iam.making.take() {
            Some(Making::Planned { known }) => {
                assert_eq!((saved.stage, saved.known), (Stage::Making, known));
                if self.iam.issued.len() >= 2 {
                    let report = RenewalReport::Undone(refused());
                    return self.soon(MOMENT, Happens::Event(Event::RenewalEnded(name, Some(report))));
                }
                self.iam.made += 1;
                let value = u8::try_from(101 + (self.iam.made - 1) % 90).unwrap();
                let now = self.now();
                let end = Some(now + self.iam.lifetime);
                self.issue(value, now, end);
                let made = MadeKey { id: format!("ACCA{value}"), user: USER.into(), fingerprint: print(value), expires_at: end };
                self.iam.making = Some(Making::Made(made.clone()));
                self.soon(MOMENT, Happens::Event(Event::RenewalMade(name, made)));
            }
            Some(Making::Made(made)) => {
                assert_eq!(saved.stage, Stage::Made(made.clone()), "an id is saved before anything is done with the key");
                let report = self.write(&name, saved.old_fingerprint, made);
                self.soon(MOMENT, Happens::Event(Event::RenewalEnded(name, Some(report))));
            }
            None => {}
        }
    }

    fn write(&mut self, name: &KeyName, old: Fingerprint, made: MadeKey) -> RenewalReport {
        if self.held(name).map(print) != Some(old) {
            self.iam.issued.retain(|issued| issued.credential.id != made.id);
            return RenewalReport::Undone(refused());
        }
        let spec = self.settings.keys.iter().find(|spec| spec.name == *name).unwrap().clone();
        let value = self.iam.issued.iter().find(|issued| issued.credential.id == made.id).expect("a key that was made").value;
        let file = spec.env_file.to_str().unwrap().to_owned();
        self.set(&file, &spec.variable, value);
        self.hint_later(&file, MOMENT);
        RenewalReport::Written(made)
    }

    /// Leave isn't given: the daemon is gone, or has another opinion.
    pub(super) fn renewal_stops(&mut self) {
        if let Some(Making::Made(made)) = self.iam.making.take()
            && !self.iam.workers_die
        {
            self.iam.issued.retain(|issued| issued.credential.id != made.id);
        }
    }

    pub(super) fn settle_renewal(&mut self, name: KeyName, renewal: Renewal) {
        self.iam.sent += 1;
        if self.iam.settling_fails {
            return self.soon(MOMENT, Happens::Event(Event::RenewalEnded(name, None)));
        }
        let made = match renewal.stage {
            Stage::Making => None,
            Stage::Made(made) | Stage::Written(made) => Some(made),
        };
        let held = self.held(&name).map(print);
        let report = match made {
            Some(made) if held == Some(made.fingerprint) => RenewalReport::Written(made),
            _ if self.iam.trouble.is_some() => RenewalReport::Left(refused()),
            Some(made) => {
                self.iam.issued.retain(|issued| issued.credential.id != made.id);
                RenewalReport::Undone(refused())
            }
            None => {
                self.iam.issued.retain(|issued| renewal.known.contains(&issued.credential.id) || held == Some(print(issued.value)));
                RenewalReport::Undone(refused())
            }
        };
        self.soon(MOMENT, Happens::Event(Event::RenewalEnded(name, Some(report))));
    }

    pub(super) fn retire(&mut self, name: KeyName, retiring: &Retiring) {
        let id = retiring.id.clone();
        for (consumer, processes) in &self.processes {
            let holds = |process: &Process| process.env.values().any(|value| print(*value) == retiring.fingerprint);
            assert!(self.iam.at_random || !processes.iter().any(holds), "{consumer} runs with a key that is retired");
        }
        let is_held = self.held(&name).map(print) == Some(retiring.fingerprint);
        assert!(self.iam.at_random || !is_held, "a key that is retired is in the file");
        let report = if is_held {
            RetireReport::InUse
        } else if let Some(trouble) = self.iam.trouble.as_ref().or(self.iam.retire_trouble.as_ref()) {
            RetireReport::Trouble(trouble.clone())
        } else {
            match retiring.step() {
                RetireStep::Deactivate => {
                    for issued in self.iam.issued.iter_mut().filter(|issued| issued.credential.id == id) {
                        issued.credential.status = CredentialStatus::Inactive;
                        self.rejects.insert(issued.value);
                    }
                }
                RetireStep::Delete => self.iam.issued.retain(|issued| issued.credential.id != id),
            }
            RetireReport::Done
        };
        self.soon(MOMENT, Happens::Event(Event::Retired(name, id, Some(report))));
    }

    pub(super) fn mint(&mut self, name: KeyName, old: Option<Fingerprint>, ends_at: Option<Timestamp>) {
        self.iam.sent += 1;
        let report = if let Some(trouble) = &self.iam.mint_trouble {
            MintReport::Trouble(trouble.clone())
        } else if self.iam.session_end.is_some() && self.iam.session_end <= ends_at {
            MintReport::NotYet
        } else if self.held(&name).map(print) == old {
            self.iam.minted += 1;
            let value = u8::try_from(200 + self.iam.minted % 50).unwrap();
            let now = self.now();
            self.carried = Some((now, now + HOUR * 12));
            let spec = self.settings.keys.iter().find(|spec| spec.name == name).unwrap().clone();
            let file = spec.env_file.to_str().unwrap().to_owned();
            self.set(&file, &spec.variable, value);
            self.hint_later(&file, MOMENT);
            let session_ends_at = self.iam.session.map(|session| now + session).or(self.iam.session_end);
            MintReport::Written { fingerprint: print(value), session_ends_at, sign_in_by: self.iam.sign_in_by }
        } else {
            MintReport::Superseded
        };
        self.soon(MOMENT, Happens::Event(Event::Minted(name, Some(report))));
    }
}
