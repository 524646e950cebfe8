//! TOML's document, walked table by table: each value with its place, and a complaint in plain words
//! where it is not what is wanted. serde's derive would have toml's deserialiser built anew for every
//! type: 115 KB of the program.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What is wrong, and where in the text.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In bytes of the text.
    pub(super) at: Range<usize>,
    /// What would be right, too, in one sentence.
    pub(super) message: String,
}

impl Wrong {
    pub(super) fn new(at: Range<usize>, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

pub(super) type Result<T, E = Wrong> = std::result::Result<T, E>;

/// A string with its place.
pub(super) type Text<'t> = Spanned<&'t str>;

type Value<'t> = Spanned<DeValue<'t>>;

/// A table that has no other fields than those that are known.
pub(super) struct Table<'t> {
    /// `None` for a table that isn't in the text.
    fields: Option<&'t DeTable<'t>>,
    known: &'static [&'static str],
    place: Range<usize>,
}

impl<'t> Table<'t> {
    /// One that isn't in the text.
    pub(super) fn absent(known: &'static [&'static str]) -> Self {
        Self { fields: None, known, place: 0..0 }
    }

    /// Refuses the first field that isn't `known`.
    pub(super) fn new(fields: &'t DeTable<'t>, place: Range<usize>, known: &'static [&'static str]) -> Result<Self> {
        let strange = fields.keys().filter(|field| !known.contains(&field.get_ref().as_ref()));
        match strange.min_by_key(|field| field.span().start) {
            Some(field) => Err(unknown("field", field.get_ref(), field.span(), known)),
            None => Ok(Self { fields: Some(fields), known, place }),
        }
    }

    /// Where it is: its heading, or its braces.
    pub(super) fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// A table in this one; [`Table::absent`] if there is none.
    pub(super) fn table(&self, name: &str, known: &'static [&'static str]) -> Result<Table<'t>> {
        match self.get(name) {
            None => Ok(Table::absent(known)),
            Some(value) => element(value, &format!("a table ([{name}])"), known),
        }
    }

    /// A list of tables. They are looked at one after the other, since there may be thousands.
    pub(super) fn tables(&self, name: &str, known: &'static [&'static str]) -> Result<Option<impl Iterator<Item = Result<Table<'t>>>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let list = list(value, &format!("a list of tables ([[{name}]])"))?;
        Ok(Some(list.iter().map(move |value| element(value, "a table", known))))
    }

    /// A string.
    pub(super) fn string(&self, name: &str) -> Result<Option<Text<'t>>> {
        self.get(name).map(string).transpose()
    }

    /// A string; an empty one stands for none.
    pub(super) fn filled(&self, name: &str) -> Result<Option<Text<'t>>> {
        Ok(self.string(name)?.filter(|text| !text.get_ref().is_empty()))
    }

    /// A list of strings.
    pub(super) fn strings(&self, name: &str) -> Result<Option<Spanned<Vec<Text<'t>>>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let texts = list(value, "a list of strings")?.iter().map(string).collect::<Result<_>>()?;
        Ok(Some(Spanned::new(value.span(), texts)))
    }

    /// A list of integers.
    pub(super) fn integers(&self, name: &str) -> Result<Option<Vec<Spanned<i64>>>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        list(value, "a list of integers")?.iter().map(integer).collect::<Result<_>>().map(Some)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&self, name: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| mismatch(value, "true or false"))
    }

    /// One of `choices`, by its word.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<Spanned<T>>> {
        let Some(text) = self.string(name)? else { return Ok(None) };
        match choices.iter().find(|(word, _)| word == text.get_ref()) {
            Some((_, choice)) => Ok(Some(Spanned::new(text.span(), *choice))),
            None => Err(unknown("value", text.get_ref(), text.span(), &choices.iter().map(|(word, _)| *word).collect::<Vec<_>>())),
        }
    }

    fn get(&self, name: &str) -> Option<&'t Value<'t>> {
        debug_assert!(self.known.contains(&name), "{name} is read, and refused as unknown");
        self.fields?.get(name)
    }
}

/// `value` as a table.
fn element<'t>(value: &'t Value<'t>, wanted: &str, known: &'static [&'static str]) -> Result<Table<'t>> {
    match value.get_ref() {
        DeValue::Table(fields) => Table::new(fields, value.span(), known),
        _ => Err(mismatch(value, wanted)),
    }
}

fn list<'t>(value: &'t Value<'t>, wanted: &str) -> Result<&'t [Value<'t>]> {
    match value.get_ref() {
        DeValue::Array(list) => Ok(list),
        _ => Err(mismatch(value, wanted)),
    }
}

fn string<'t>(value: &'t Value<'t>) -> Result<Text<'t>> {
    match value.get_ref() {
        DeValue::String(text) => Ok(Spanned::new(value.span(), text)),
        _ => Err(mismatch(value, "a string")),
    }
}

fn integer(value: &Value<'_>) -> Result<Spanned<i64>> {
    let DeValue::Integer(integer) = value.get_ref() else { return Err(mismatch(value, "an integer")) };
    match i64::from_str_radix(integer.as_str(), integer.radix()) {
        Ok(integer) => Ok(Spanned::new(value.span(), integer)),
        Err(_) => Err(Wrong::new(value.span(), "this integer is beyond 64 bits")),
    }
}

fn mismatch(value: &Value<'_>, wanted: &str) -> Wrong {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Wrong::new(value.span(), format!("expected {wanted}, found {found}"))
}

fn unknown(what: &str, word: &str, at: Range<usize>, known: &[&str]) -> Wrong {
    let word = word.escape_debug();
    let expected = match known {
        [one] => format!("`{one}`"),
        [one, other] => format!("`{one}` or `{other}`"),
        _ => format!("one of `{}`", known.join("`, `")),
    };
    Wrong::new(at, format!("unknown {what} `{word}`, expected {expected}"))
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
