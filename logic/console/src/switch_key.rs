//! The key that switches the input: Xen's `conswitch=<letter>[x]`.

/// Which control key, typed three times, switches the input, and who has it first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwitchKey {
    /// A lower-case letter; `None`: nothing switches.
    pub(crate) letter: Option<u8>,
    pub(crate) starts_at_hypervisor: bool,
}

/// The option's value is neither empty nor a letter, optionally followed by `x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSwitchKey;

impl SwitchKey {
    /// Ctrl-A; the first domain has the input after boot.
    pub const DEFAULT: Self = Self {
        letter: Some(b'a'),
        starts_at_hypervisor: false,
    };

    /// Reads the value of `conswitch=`: empty for no switching at all, otherwise the letter, with
    /// an `x` behind it if the hypervisor is to keep the input after boot.
    ///
    /// # Errors
    /// [`BadSwitchKey`] for anything else.
    pub fn parse(value: &str) -> Result<Self, BadSwitchKey> {
        let (letter, starts_at_hypervisor) = match value.as_bytes() {
            [] => (None, false),
            [letter] => (Some(letter), false),
            [letter, b'x'] => (Some(letter), true),
            _ => return Err(BadSwitchKey),
        };
        let letter = letter.map(u8::to_ascii_lowercase);
        if letter.is_some_and(|letter| !letter.is_ascii_lowercase()) {
            return Err(BadSwitchKey);
        }
        Ok(Self {
            letter,
            starts_at_hypervisor,
        })
    }

    /// The byte that a terminal sends for the key.
    pub(crate) fn byte(self) -> Option<u8> {
        self.letter.map(|letter| letter & 0x1f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_option_allows() {
        assert_eq!(SwitchKey::parse("a"), Ok(SwitchKey::DEFAULT));
        assert_eq!(SwitchKey::parse("A"), Ok(SwitchKey::DEFAULT));
        let o = SwitchKey::parse("ox").unwrap();
        assert_eq!((o.letter, o.byte()), (Some(b'o'), Some(0x0f)));
        assert!(o.starts_at_hypervisor);
        let x = SwitchKey::parse("x").unwrap();
        assert_eq!(x.byte(), Some(0x18));
        assert!(!x.starts_at_hypervisor);
        assert_eq!(SwitchKey::parse("").unwrap().byte(), None);
        for bad in ["1", "ab", "axx", "é", " ", "@x"] {
            assert_eq!(SwitchKey::parse(bad), Err(BadSwitchKey), "{bad}");
        }
    }
}
