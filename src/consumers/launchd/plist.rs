//! The property list of a launchd agent, of which single values are replaced and all else is left as it is
//! (launchd.plist(5); plist(5) for its XML).

use std::ops::Range;

use crate::core::order;

/// Where the values of `EnvironmentVariables` stand in the text, by their names; `None` where the text isn't XML
/// that is understood.
pub(super) fn variables(text: &str) -> Option<Vec<(String, Range<usize>)>> {
    let mut scanner = Scanner { text, at: 0 };
    let mut path: Vec<&str> = Vec::new();
    let (mut section, mut name) = (String::new(), None);
    let mut found = Vec::new();
    loop {
        match scanner.tag()? {
            Tag::End => return path.is_empty().then_some(found),
            Tag::Open("key", inner) if path == ["plist", "dict"] => section = unescape(&text[inner]),
            Tag::Open("key", inner) if path.len() == 3 => name = Some(unescape(&text[inner])),
            Tag::Open("string", inner) if path == ["plist", "dict", "dict"] && section == "EnvironmentVariables" => {
                found.extend(name.take().map(|name| (name, inner)));
            }
            Tag::Open("key" | "string" | "data" | "date" | "integer" | "real", _) | Tag::Empty => name = None,
            Tag::Open(other, _) => path.push(other),
            Tag::Close(closed) => {
                if path.pop() != Some(closed) {
                    return None;
                }
            }
        }
    }
}

/// The text with a value's place filled anew.
pub(super) fn replaced(text: &str, mut values: Vec<(Range<usize>, String)>) -> String {
    order::sort_by_key(&mut values, |(place, _)| place.start);
    let size = values.iter().map(|(_, value)| value.len()).sum::<usize>();
    let mut new = String::with_capacity(text.len() + size);
    let mut at = 0;
    for (place, value) in &values {
        new.push_str(&text[at..place.start]);
        new.push_str(value);
        at = place.end;
    }
    new.push_str(&text[at..]);
    new
}

/// A value as it stands in the text; `None` where XML can't hold it.
pub(super) fn escape(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?;
    // A carriage return would be read back as a newline.
    let fits = |c: char| !c.is_control() || matches!(c, '\t' | '\n');
    text.chars().all(fits).then(|| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&apos;", "'").replace("&amp;", "&")
}

enum Tag<'t> {
    /// With the place of what it encloses, for those that enclose text alone; for others it is empty.
    Open(&'t str, Range<usize>),
    Close(&'t str),
    /// `<true/>`, `<string/>`.
    Empty,
    /// No more of them.
    End,
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    /// The next tag, with the closing one of what encloses text; `None` for nonsense.
    fn tag(&mut self) -> Option<Tag<'t>> {
        loop {
            let Some(open) = self.text[self.at..].find('<') else {
                return Some(Tag::End);
            };
            let rest = &self.text[self.at + open..];
            let skipped = [("<!--", "-->"), ("<?", "?>"), ("<!", ">")].iter().find(|(start, _)| rest.starts_with(start));
            let Some((_, end)) = skipped else {
                self.at += open + 1;
                break;
            };
            self.at += open + rest.find(end)? + end.len();
        }
        let close = self.at + self.text[self.at..].find('>')?;
        let words = &self.text[self.at..close];
        self.at = close + 1;
        if words.ends_with('/') {
            return Some(Tag::Empty);
        }
        if let Some(name) = words.strip_prefix('/') {
            return Some(Tag::Close(name.trim()));
        }
        let name = words.split_whitespace().next()?;
        if !matches!(name, "key" | "string" | "data" | "date" | "integer" | "real") {
            return Some(Tag::Open(name, close..close));
        }
        let closing = format!("</{name}>");
        let end = self.at + self.text[self.at..].find(&closing)?;
        let inner = self.at..end;
        self.at = end + closing.len();
        // Markup within a value isn't what anybody writes here.
        (!self.text[inner.clone()].contains('<')).then_some(Tag::Open(name, inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLIST: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>Label</key><string>KEY</string>
    <!-- <key>EnvironmentVariables</key><dict><key>KEY</key><string>comment</string></dict> -->
    <key>KeepAlive</key><dict><key>KEY</key><true/></dict>
    <key>ProgramArguments</key><array><string>EnvironmentVariables</string></array>
    <key>EnvironmentVariables</key>
    <dict>
        <key>EMPTY</key> <string/>
        <key>A&amp;B</key> <string>1</string>
        <key>KEY</key>
        <string>old &lt;</string>
    </dict>
    <key>Nice</key><integer>1</integer>
</dict>
</plist>
"#;

    #[test]
    fn a_value_is_replaced_and_nothing_else() {
        let found = variables(PLIST).unwrap();
        let named: Vec<(&str, &str)> = found.iter().map(|(name, place)| (name.as_str(), &PLIST[place.clone()])).collect();
        assert_eq!(named, [("A&B", "1"), ("KEY", "old &lt;")]);
        let values = found.into_iter().map(|(name, place)| (place, escape(format!("<{name}>").as_bytes()).unwrap())).collect();
        let new = replaced(PLIST, values);
        assert_eq!(new, PLIST.replace("<string>1<", "<string>&lt;A&amp;B&gt;<").replace("old &lt;", "&lt;KEY&gt;"));
    }

    #[test]
    fn what_is_no_such_list_is_left_alone() {
        for text in ["bplist00\u{1}", "<plist><dict>", "<plist><key>", "<dict></plist>", "<!-- "] {
            assert!(variables(text).is_none_or(|found| found.is_empty()), "{text}");
        }
        assert_eq!(escape(b"a\x1b"), None);
        assert_eq!(escape(b"\xff"), None);
        assert_eq!(escape(b"a\r"), None);
    }
}
