//! Source text without its comments and without what stands in strings, so that a rule may be
//! written about and quoted by the code that keeps it.

/// The text with comments and the insides of literals as blanks; lines stay where they are.
pub(super) fn only(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (skipped, keep) = match first {
            '/' if rest.starts_with("//") => (line_end(rest), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '"' => (string(rest), false),
            'r' if !out.ends_with(is_word) => match raw_string(rest) {
                Some(length) => (length, false),
                None => (1, true),
            },
            '\'' => match character(rest) {
                Some(length) => (length, false),
                None => (1, true),
            },
            other => (other.len_utf8(), true),
        };
        let (head, tail) = rest.split_at(skipped);
        if keep {
            out.push_str(head);
        } else {
            out.extend(head.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = tail;
    }
    out
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line_end(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#` and so on; none when this `r` begins something else.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let open = 1 + hashes;
    if !text[open..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let inside = &text[open + 1..];
    Some(
        inside
            .find(&close)
            .map_or(text.len(), |at| open + 1 + at + close.len()),
    )
}

/// `'x'` and `'\n'`; none when it is a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut chars = text.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return text[3..].find('\'').map(|at| at + 4);
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_stays_and_words_about_code_go() {
        let cases = [
            ("a // b\nc", "a\nc"),
            ("a /* b /* c */ d */ e", "a  e"),
            ("a(\"b \\\" c\") d", "a() d"),
            ("a(r#\"b \" c\"#) d", "a() d"),
            ("for r in s", "for r in s"),
            ("bar\"x\"", "bar"),
            ("f::<'a>('\"', 'b', '\\'') g", "f::<'a>(, , ) g"),
            (
                "let s: &'static str = \"//\"; x",
                "let s: &'static str = ; x",
            ),
            ("/// doc with \"quote\nfn f()", "\nfn f()"),
        ];
        for (text, expected) in cases {
            let squeeze = |s: &str| s.split_whitespace().collect::<Vec<_>>().join(" ");
            let got = only(text);
            assert_eq!(
                squeeze(&got).replace("( ", "("),
                squeeze(expected),
                "{text}"
            );
            assert_eq!(got.lines().count(), text.lines().count(), "{text}");
        }
    }
}
