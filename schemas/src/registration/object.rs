//! Reading a JSON object field by field, collecting every complaint with the path of its field.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Complaint, Refusal};

/// More complaints than this are not told: the first ones are enough to see what is wrong.
const MOST_COMPLAINTS: usize = 50;
/// Longest piece of the caller's text that a complaint repeats, in characters.
const LONGEST_QUOTE: usize = 64;

/// Where a value stands, rendered only when something is wrong with it.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(super) fn field(&'p self, name: &'p str) -> Self {
        Self::Field(self, name)
    }

    pub(super) fn item(&'p self, index: usize) -> Self {
        Self::Item(self, index)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(&quote(name)),
            Self::Field(parent, name) => write!(f, "{parent}.{}", quote(name)),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// What is wrong so far.
#[derive(Default)]
pub(super) struct Complaints(Vec<Complaint>);

impl Complaints {
    pub(super) fn add(&mut self, path: Path<'_>, problem: impl Into<String>) {
        self.push(path, None, problem);
    }

    /// Complains of what stands in a text behind so many characters.
    pub(super) fn add_at(&mut self, path: Path<'_>, position: usize, problem: impl Into<String>) {
        self.push(path, Some(position), problem);
    }

    fn push(&mut self, path: Path<'_>, position: Option<usize>, problem: impl Into<String>) {
        if self.0.len() < MOST_COMPLAINTS {
            self.0.push(Complaint {
                position,
                ..Complaint::new(path.to_string(), problem)
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was read, where nothing is complained of.
    pub(super) fn or_else<T>(self, read: Option<T>) -> Result<T, Refusal> {
        read.filter(|_| self.is_empty()).ok_or_else(|| Refusal {
            malformed: false,
            complaints: self.into_vec(),
        })
    }

    pub(super) fn into_vec(self) -> Vec<Complaint> {
        self.0
    }
}

/// An object's fields as they stand in the text, none of them read yet.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Reads the outermost object.
    pub(super) fn root(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Reads a field's value as an object whose fields are all `known`.
    pub(super) fn read(
        raw: &'a RawValue,
        path: Path<'_>,
        known: &[&str],
        complaints: &mut Complaints,
    ) -> Option<Self> {
        let object = Self::open(raw, path, complaints)?;
        object.check_names(path, known, complaints);
        Some(object)
    }

    /// As [`Object::read`], for an object with names of the caller's choice.
    pub(super) fn open(
        raw: &'a RawValue,
        path: Path<'_>,
        complaints: &mut Complaints,
    ) -> Option<Self> {
        if !raw.get().starts_with('{') {
            complaints.add(path, format!("must be an object, is {}", kind(raw)));
            return None;
        }
        match serde_json::from_str(raw.get()) {
            Ok(object) => Some(object),
            Err(error) => {
                complaints.add(path, format!("is not understood: {error}"));
                None
            }
        }
    }

    /// Complains of names that are unknown, with the nearest known one, and of names given twice.
    pub(super) fn check_names(&self, path: Path<'_>, known: &[&str], complaints: &mut Complaints) {
        for (index, (name, _)) in self.0.iter().enumerate() {
            if !known.contains(&name.as_ref()) {
                let hint = match nearest(name, known) {
                    Some(near) => format!("is unknown; did you mean `{near}`?"),
                    None => format!("is unknown; known here are {}", list(known)),
                };
                complaints.add(path.field(name), hint);
            } else if self.0.iter().take(index).any(|(other, _)| other == name) {
                complaints.add(path.field(name), "is given twice");
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, it)| *it)
    }

    /// Takes out those of `names` that are null, and tells which.
    pub(super) fn take_nulls(&mut self, names: &[&'static str]) -> Vec<&'static str> {
        let is_null = |name: &str| self.get(name).is_some_and(|raw| raw.get() == "null");
        let nulls: Vec<&'static str> = names.iter().copied().filter(|it| is_null(it)).collect();
        self.0.retain(|(name, _)| !nulls.contains(&name.as_ref()));
        nulls
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(name, it)| (name.as_ref(), *it))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(Name(name)) = map.next_key()? {
                    if fields.len() == MOST_FIELDS {
                        return Err(M::Error::custom("more fields than any object here has"));
                    }
                    fields.push((name, map.next_value()?));
                }
                Ok(Object(fields))
            }
        }
        from.deserialize_map(Fields)
    }
}

/// Fields of one object; unknown and repeated ones are looked for by comparing, so there is a bound.
const MOST_FIELDS: usize = 256;

/// A name that shares the text's memory unless it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads a list's items.
pub(super) fn items<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Vec<&'a RawValue>> {
    if !raw.get().starts_with('[') {
        complaints.add(path, format!("must be a list, is {}", kind(raw)));
        return None;
    }
    serde_json::from_str(raw.get())
        .map_err(|error| complaints.add(path, format!("is not understood: {error}")))
        .ok()
}

/// Reads text.
pub(super) fn text<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    complaints: &mut Complaints,
) -> Option<Cow<'a, str>> {
    if !raw.get().starts_with('"') {
        complaints.add(path, format!("must be text, is {}", kind(raw)));
        return None;
    }
    serde_json::from_str::<Name<'a>>(raw.get())
        .map_err(|error| complaints.add(path, format!("is not understood: {error}")))
        .ok()
        .map(|name| name.0)
}

pub(super) fn truth(raw: &RawValue, path: Path<'_>, complaints: &mut Complaints) -> Option<bool> {
    let found = serde_json::from_str(raw.get()).ok();
    if found.is_none() {
        complaints.add(path, format!("must be true or false, is {}", kind(raw)));
    }
    found
}

/// Reads a whole number, 0 or more.
pub(super) fn whole(raw: &RawValue, path: Path<'_>, complaints: &mut Complaints) -> Option<u64> {
    let number = serde_json::from_str(raw.get()).ok();
    if number.is_none() {
        let found = if kind(raw) == "a number" {
            raw.get()
        } else {
            kind(raw)
        };
        let found = quote(found);
        complaints.add(
            path,
            format!("must be a whole number, 0 or more, is {found}"),
        );
    }
    number
}

/// Reads one of a few words.
pub(super) fn word<T: Copy>(
    raw: &RawValue,
    path: Path<'_>,
    words: &[(&str, T)],
    complaints: &mut Complaints,
) -> Option<T> {
    let found = text(raw, path, complaints)?;
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == found) {
        return Some(*value);
    }
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let found = quote(&found);
    let hint = match nearest(&found, &names) {
        Some(near) => format!("`{found}` is unknown; did you mean `{near}`?"),
        None => format!("`{found}` is unknown; it is one of {}", list(&names)),
    };
    complaints.add(path, hint);
    None
}

/// What a value is, in words.
pub(super) fn kind(raw: &RawValue) -> &'static str {
    match raw.get().as_bytes().first() {
        Some(b'"') => "text",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null; leave the field out instead",
        _ => "a number",
    }
}

/// The start of the caller's own text, for a complaint.
pub(super) fn quote(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST_QUOTE) {
        Some((cut, _)) => Cow::Owned(format!("{}…", &text[..cut])),
        None => Cow::Borrowed(text),
    }
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// The known name that was probably meant: the same but for case, or a slip or two away.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.chars().count() > 32 {
        return None;
    }
    let lower = name.to_lowercase().replace('-', "_");
    known
        .iter()
        .map(|candidate| (slips(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(slips, candidate)| *slips <= (candidate.len() / 3).clamp(1, 2))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Letters added, left out, replaced or swapped with their neighbour between two words.
fn slips(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let differs = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + differs);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_known_name_is_the_one_probably_meant() {
        let known = ["schedule", "payload", "tags", "expires_after", "id"];
        let cases = [
            ("shcedule", Some("schedule")),
            ("Schedule", Some("schedule")),
            ("expiresAfter", Some("expires_after")),
            ("expires-after", Some("expires_after")),
            ("tag", Some("tags")),
            ("ID", Some("id")),
            ("colour", None),
            ("", None),
        ];
        for (name, near) in cases {
            assert_eq!(nearest(name, &known), near, "{name}");
        }
    }
}
