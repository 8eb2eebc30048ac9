//! This crate's sources, read as text: constants and `wire!` structures.

/// A source file's text.
pub(crate) struct Source(&'static str);

/// A structure as declared.
pub(crate) struct Structure {
    pub(crate) name: String,
    pub(crate) size: String,
    /// Name and offset.
    pub(crate) fields: Vec<(String, String)>,
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
    "errno",
    "evtchn",
    "feature",
    "grant",
    "hvm",
    "hypercall",
    "memory",
    "sched",
    "shared_info",
    "vcpu",
    "version"
);

impl Source {
    /// Constants and numbered variants, in the module or (with "") in the file but in no module:
    /// `pub const NAME: type = value;`, `NAME = value, ...` and `NAME = value;` of a list.
    pub(crate) fn constants(&self, module: &str) -> Vec<(String, String)> {
        let mut inside = String::new();
        let mut found = Vec::new();
        for line in self.0.lines() {
            if let Some(rest) = line.strip_prefix("pub mod ") {
                inside = rest.trim_end_matches([' ', '{']).into();
            } else if let Some(rest) = line.strip_prefix("pub enum ") {
                inside = rest.trim_end_matches([' ', '{']).into();
            } else if line == "errnos! {" || line == "numbers! {" {
                inside = "list".into();
            } else if line == "wire! {" {
                inside = "structures".into();
            } else if line == "}" {
                inside.clear();
            } else if inside == module {
                found.extend(constant(line.trim()));
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
                && let Some((_, offset)) = rest.strip_suffix(',').and_then(|r| r.split_once(" = "))
                && let Some(structure) = structures.last_mut()
                && offset.bytes().all(|byte| byte.is_ascii_digit())
            {
                structure.fields.push((field.into(), offset.into()));
            }
        }
        structures
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
