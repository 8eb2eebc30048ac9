//! Keys that work while the hypervisor has the input: Xen's letters.

/// A command of whoever sits at the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Lists the keys.
    Help,
    /// Shows domains and their vCPUs.
    Domains,
    /// Shows event channels.
    Events,
    /// Restarts the machine.
    Reboot,
}

/// The keys that [`key`] knows, in the order in which help lists them, with a line about each.
pub const HELP: [(u8, &str); 4] = [
    (b'R', "reboot machine"),
    (b'e', "dump event channels"),
    (b'h', "show this message"),
    (b'q', "dump domains and vCPUs"),
];

/// The command that `byte` stands for, if any.
pub const fn key(byte: u8) -> Option<Key> {
    Some(match byte {
        b'R' => Key::Reboot,
        b'e' => Key::Events,
        b'h' => Key::Help,
        b'q' => Key::Domains,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_xens_letters() {
        assert_eq!(key(b'h'), Some(Key::Help));
        assert_eq!(key(b'q'), Some(Key::Domains));
        assert_eq!(key(b'e'), Some(Key::Events));
        assert_eq!(key(b'R'), Some(Key::Reboot));
        // The dangerous key is not next to a slip of the shift key.
        assert_eq!(key(b'r'), None);
        assert_eq!(key(0), None);
    }

    #[test]
    fn help_names_exactly_the_keys_that_work() {
        assert!(HELP.is_sorted_by(|a, b| a.0 < b.0));
        for byte in 0..=u8::MAX {
            let listed = HELP.iter().any(|(letter, _)| *letter == byte);
            assert_eq!(key(byte).is_some(), listed, "{byte:#x}");
        }
    }
}
