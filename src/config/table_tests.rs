use super::*;

const KNOWN: &[&str] = &["text", "texts", "numbers", "answer", "choice", "inner", "rows"];
const INNER: &[&str] = &["text", "other"];
const ROW: &[&str] = &["text"];
const CHOICES: &[(&str, u8)] = &[("one", 1), ("two", 2), ("three", 3)];

/// All of `text` as it was read, or the complaint with the part of `text` that it is about.
fn read(text: &str) -> Result<String, (String, String)> {
    let told = |wrong: Wrong| (wrong.message, text[wrong.at].to_owned());
    let document = DeTable::parse(text).unwrap();
    let all = || -> Result<String> {
        let table = Table::new(document.get_ref(), document.span(), KNOWN)?;
        let texts = table.strings("texts")?.map(|texts| texts.into_inner().into_iter().map(Spanned::into_inner).collect::<Vec<_>>());
        let numbers = table.integers("numbers")?.map(|numbers| numbers.into_iter().map(Spanned::into_inner).collect::<Vec<_>>());
        let choice = table.choice("choice", CHOICES)?.map(Spanned::into_inner);
        let inner = table.table("inner", INNER)?.filled("text")?.map(Spanned::into_inner);
        let rows = table.tables("rows", ROW)?.map(|rows| rows.map(|row| Ok(row?.place())).collect::<Result<Vec<_>>>()).transpose()?;
        let plain = table.string("text")?.map(Spanned::into_inner);
        Ok(format!("{plain:?} {texts:?} {numbers:?} {:?} {choice:?} {inner:?} {rows:?}", table.boolean("answer")?))
    };
    all().map_err(told)
}

fn complaint(text: &str) -> (String, String) {
    read(text).unwrap_err()
}

#[track_caller]
fn assert_complaint(text: &str, message: &str, part: &str) {
    assert_eq!(complaint(text), (message.to_owned(), part.to_owned()));
}

#[test]
fn values_are_read() {
    assert_eq!(read("").unwrap(), "None None None None None None None");
    let text = "text = \"a\\tb\"\ntexts = ['', \"b\"]\nnumbers = [0x1F, 1_000, -2]\nanswer = false\nchoice = \"two\"\n[inner]\ntext = \"\"\n[[rows]]";
    let rows = text.len() - "[[rows]]".len()..text.len();
    assert_eq!(
        read(text).unwrap(),
        format!("Some(\"a\\tb\") Some([\"\", \"b\"]) Some([31, 1000, -2]) Some(false) Some(2) None Some([{rows:?}])")
    );
    assert_eq!(read("inner = { text = \"x\" }\nrows = []").unwrap(), "None None None None None Some(\"x\") Some([])");
}

#[test]
fn another_type_is_told_where_it_is() {
    assert_complaint("text = 3", "expected a string, found an integer", "3");
    assert_complaint("text = 1979-05-27", "expected a string, found a date or time", "1979-05-27");
    assert_complaint("[text]\nx = 1", "expected a string, found a table", "[text]");
    assert_complaint("texts = \"a\"", "expected a list of strings, found a string", "\"a\"");
    assert_complaint("texts = [\"a\", true]", "expected a string, found true", "true");
    assert_complaint("numbers = 25", "expected a list of integers, found an integer", "25");
    assert_complaint("numbers = [25, 2.5]", "expected an integer, found a float", "2.5");
    assert_complaint("numbers = [0x8000000000000000]", "this integer is beyond 64 bits", "0x8000000000000000");
    assert_complaint("answer = \"yes\"", "expected true or false, found a string", "\"yes\"");
    assert_complaint("choice = false", "expected a string, found false", "false");
    assert_complaint("[[inner]]", "expected a table ([inner]), found a list", "[[inner]]");
    assert_complaint("[rows]", "expected a list of tables ([[rows]]), found a table", "[rows]");
    assert_complaint("rows = [{}, 3]", "expected a table, found an integer", "3");
}

#[test]
fn what_is_not_known_is_told_with_what_is() {
    let known = "`text`, `texts`, `numbers`, `answer`, `choice`, `inner`, `rows`";
    // The first of the text, not of the alphabet.
    assert_complaint("zoo = 1\ntext = \"\"\nape = 2", &format!("unknown field `zoo`, expected one of {known}"), "zoo");
    assert_complaint("inner.texts = 1", "unknown field `texts`, expected `text` or `other`", "texts");
    assert_complaint("[[rows]]\n[[rows]]\n\"a\\u001b\" = 1", "unknown field `a\\u{1b}`, expected `text`", "\"a\\u001b\"");
    assert_complaint("choice = \"four\"", "unknown value `four`, expected one of `one`, `two`, `three`", "\"four\"");
}
