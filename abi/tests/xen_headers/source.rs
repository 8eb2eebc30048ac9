//! This crate's sources, read as text: constants and `wire!` structures.

/// A source file's text.
pub(crate) struct Source(&'static str);

/// A structure as declared.
pub(crate) struct Structure {
    pub(crate) name: String,
    pub(crate) size: String,
    pub(crate) fields: Vec<Field>,
}

/// A field of a structure.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) offset: String,
    pub(crate) bytes: usize,
}

macro_rules! sources {
    ($($name:literal),*) => {
        impl Source {
            pub(crate) fn of(file: &str) -> Self {
                match file {
                    $($name => Self(include_str!(concat!("../../src/", $name, ".rs"))),)*
                    _ => panic!("no source {file}"),
                }
            }
        }
    };
}
sources!(
    "arm",
    "errno",
    "evtchn",
    "feature",
    "grant",
    "hvm",
    "hypercall",
    "ids",
    "memory",
    "sched",
    "shared_info",
    "smccc",
    "vcpu",
    "version"
);

impl Source {
    /// Constants and numbered variants, in the module or (with "") in the file but in no module:
    /// `pub const NAME: type = value;`, `NAME = value, ...` and `NAME = value;` of a list.
    pub(crate) fn constants(&self, module: &str) -> Vec<(String, String)> {
        let all = self.modules().into_iter();
        all.filter(|(inside, _)| inside == module)
            .filter_map(|(_, line)| constant(&line))
            .collect()
    }

    /// Constants whose value is not a number that this reads, as `module::NAME`; and those in modules
    /// that are not among `known`.
    pub(crate) fn unread(&self, known: &[&str]) -> Vec<String> {
        let declared = |line: &str| {
            let name = line.strip_prefix("pub const ")?.split(':').next()?;
            (!name.contains('(') && !name.starts_with("fn ")).then(|| name.to_owned())
        };
        let all = self.modules().into_iter();
        all.filter(|(inside, line)| {
            inside != "structures" && (constant(line).is_none() || !known.contains(&&**inside))
        })
        .filter_map(|(inside, line)| {
            let name = declared(&line)?;
            Some(if inside.is_empty() {
                name
            } else {
                format!("{inside}::{name}")
            })
        })
        .collect()
    }

    /// Every line within something, and what that is: a module, an enum, `impl NAME`, a list macro's
    /// `list`, `structures`.
    fn modules(&self) -> Vec<(String, String)> {
        let mut inside = String::new();
        let mut found = Vec::new();
        for line in self.0.lines() {
            if let Some(rest) = line.strip_prefix("pub mod ") {
                inside = rest.trim_end_matches([' ', '{']).into();
            } else if let Some(rest) = line.strip_prefix("pub enum ") {
                inside = rest.trim_end_matches([' ', '{']).into();
            } else if let Some(rest) = line.strip_prefix("impl ") {
                inside = rest.trim_end_matches([' ', '{']).into();
            } else if line == "errnos! {" || line == "numbers! {" {
                inside = "list".into();
            } else if line == "wire! {" {
                inside = "structures".into();
            } else if line == "}" {
                inside.clear();
            } else {
                found.push((inside.clone(), line.trim().to_owned()));
            }
        }
        found
    }

    /// The structures of `wire!`.
    pub(crate) fn structures(&self) -> Vec<Structure> {
        let mut structures: Vec<Structure> = Vec::new();
        for line in self
            .0
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            if let Some(rest) = line.strip_prefix("    ")
                && let Some((name, rest)) = rest.split_once(": ")
                && let Some(size) = rest.strip_suffix(" {")
                && size.bytes().all(|byte| byte.is_ascii_digit())
            {
                let (name, size) = (name.into(), size.into());
                structures.push(Structure {
                    name,
                    size,
                    fields: Vec::new(),
                });
            } else if let Some(rest) = line.strip_prefix("        ")
                && let Some((field, rest)) = rest.split_once(": ")
                && let Some((kind, offset)) =
                    rest.strip_suffix(',').and_then(|r| r.split_once(" = "))
                && let Some(structure) = structures.last_mut()
                && offset.bytes().all(|byte| byte.is_ascii_digit())
            {
                structure.fields.push(Field {
                    name: field.into(),
                    offset: offset.into(),
                    bytes: bytes_of(kind),
                });
            }
        }
        structures
    }
}

/// How many bytes a field of this type has.
fn bytes_of(kind: &str) -> usize {
    if let Some((item, count)) = kind
        .strip_prefix('[')
        .and_then(|array| array.strip_suffix(']'))
        .and_then(|array| array.split_once("; "))
    {
        return bytes_of(item) * count.parse::<usize>().unwrap();
    }
    match kind {
        "u8" => 1,
        "u16" | "i16" | "DomId" => 2,
        "u32" | "i32" | "Port" => 4,
        "u64" => 8,
        "CopyEnd" => abi::grant::CopyEnd::SIZE,
        _ => panic!("how large is a {kind}?"),
    }
}

fn constant(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("pub const ").unwrap_or(line);
    let (name, value) = line.split_once(" = ")?;
    let name = name.split(':').next()?;
    let value = value.split([';', ',']).next()?;
    let is_number = value
        .trim_start_matches('-')
        .starts_with(|c: char| c.is_ascii_digit());
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_number && is_name).then(|| (name.into(), value.into()))
}
