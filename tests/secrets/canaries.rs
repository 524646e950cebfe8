//! Secrets that are nowhere else in the world, and what of them may be recognised.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// So many bytes in a row are a piece of a secret, and no accident.
const PIECE: usize = 12;

/// A secret.
#[derive(Clone)]
pub struct Canary {
    /// What it is, for messages.
    pub name: String,
    /// The whole value.
    pub value: String,
    /// What of it is secret. (A Bedrock key says whose it is as well, which is shown.)
    secrets: Vec<Vec<u8>>,
}

impl Canary {
    /// Random letters and digits.
    pub fn plain(name: &str, before: &str) -> Self {
        let random = random();
        Self { name: name.to_owned(), value: format!("{before}{random}"), secrets: vec![random.into_bytes()] }
    }

    /// A key as Bedrock's are: its user and account, and what is secret.
    pub fn key(name: &str) -> Self {
        let random = random();
        // 42 bytes: what follows begins a group of three of its own.
        let public = format!("BedrockAPIKey-{name:.>8}-at-123456789012000:");
        assert_eq!(public.len(), 42);
        let value = format!("ABSK{}", BASE64_STANDARD.encode(format!("{public}{random}")));
        let coded = BASE64_STANDARD.encode(&random);
        assert!(value.ends_with(&coded));
        Self { name: name.to_owned(), value, secrets: vec![random.into_bytes(), coded.into_bytes()] }
    }

    /// A value that somebody else has made.
    pub fn of(name: &str, value: &str) -> Self {
        // What is before the secret is told by the decoded value.
        let decoded = value.strip_prefix("ABSK").and_then(|coded| BASE64_STANDARD.decode(coded).ok()).unwrap_or_default();
        let at = decoded.iter().position(|byte| *byte == b':').map_or(0, |at| at + 1);
        let coded_at = (4 + at.div_ceil(3) * 4).min(value.len());
        let secrets = [decoded[at..].to_vec(), value.as_bytes()[coded_at..].to_vec()];
        Self { name: name.to_owned(), value: value.to_owned(), secrets: secrets.into_iter().filter(|part| part.len() >= PIECE).collect() }
    }

    /// It and its codings: hexadecimal, Base64 at each of the three places where it can begin, UTF-16.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut forms = Vec::new();
        for secret in &self.secrets {
            let hex = secret.iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            forms.push(("plain", secret.clone()));
            forms.push(("HEX", hex.to_uppercase().into_bytes()));
            forms.push(("hex", hex.into_bytes()));
            forms.push(("UTF-16", secret.iter().flat_map(|byte| [*byte, 0]).collect()));
            for shift in 0..3 {
                let coded = BASE64_STANDARD.encode([&[0; 2][..shift], secret].concat()).into_bytes();
                // Digits that hold a bit of a neighbour's aren't its own.
                forms.push(("Base64", coded[4..coded.len() - 4].to_vec()));
            }
        }
        forms
    }
}

fn random() -> String {
    const LETTERS: &[u8; 64] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789zz";
    let mut bytes = [0; 45];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 64)])).collect()
}

/// Looks for all pieces of many canaries at once.
pub struct Net {
    /// Whether a piece begins with bytes of this hash.
    begins: Vec<bool>,
    pieces: HashMap<[u8; PIECE], String>,
}

impl Net {
    pub fn of<'c>(canaries: impl IntoIterator<Item = &'c Canary>) -> Self {
        let mut net = Self { begins: vec![false; 1 << 16], pieces: HashMap::new() };
        for canary in canaries {
            for (form, bytes) in canary.forms() {
                for piece in bytes.windows(PIECE) {
                    net.begins[hash(piece)] = true;
                    net.pieces.insert(piece.try_into().unwrap(), format!("{} ({form})", canary.name));
                }
            }
        }
        net
    }

    /// What is found of them, and where; each once.
    pub fn caught(&self, bytes: &[u8]) -> Vec<(String, usize)> {
        let mut all: Vec<(String, usize)> = Vec::new();
        for (at, piece) in bytes.windows(PIECE).enumerate() {
            if self.begins[hash(piece)]
                && let Some(name) = self.pieces.get(piece)
                && !all.iter().any(|(known, _)| known == name)
            {
                all.push((name.clone(), at));
            }
        }
        all
    }
}

/// Of the first four bytes.
fn hash(piece: &[u8]) -> usize {
    let first = u32::from_le_bytes([piece[0], piece[1], piece[2], piece[3]]);
    (first.wrapping_mul(0x9E37_79B1) >> 16) as usize
}

#[test]
fn every_form_of_a_canary_is_caught_and_nothing_else() {
    let canaries = [Canary::key("one"), Canary::plain("two", "sk-")];
    let net = Net::of(&canaries);
    for canary in &canaries {
        for (form, bytes) in canary.forms() {
            for from in [0, 3, bytes.len() - PIECE] {
                let around = [&b"noise "[..], &bytes[from..from + PIECE], b" noise"].concat();
                assert!(net.caught(&around).iter().any(|(name, _)| name.starts_with(&canary.name)), "{form} from {from}");
            }
        }
        assert!(!net.caught(canary.value.as_bytes()).is_empty());
    }
    // Coded by others than this test, at each place.
    for before in ["", "a", "ab"] {
        assert!(!net.caught(BASE64_STANDARD.encode(format!("{before}{}", canaries[1].value)).as_bytes()).is_empty(), "{before:?}");
    }
    let public = format!("ABSK{}", BASE64_STANDARD.encode("BedrockAPIKey-.....one-at-123456789012000:"));
    assert_eq!(net.caught(public.as_bytes()), []);
    assert_eq!(net.caught(&[0; 100]), []);
    let of = Canary::of("other", &canaries[0].value);
    assert!(!Net::of([&of]).caught(canaries[0].value.as_bytes()).is_empty());
    assert_eq!(Net::of([&of]).caught(public.as_bytes()), []);
}
