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
    /// Shows what guests stopped for (if that is counted).
    Exits,
    /// Restarts the machine.
    Reboot,
}

/// The keys, in the order in which help lists them, with a line about each.
pub const HELP: [(u8, Key, &str); 5] = [
    (b'E', Key::Exits, "show exits by cause"),
    (b'R', Key::Reboot, "reboot machine"),
    (b'e', Key::Events, "dump event channels"),
    (b'h', Key::Help, "show this message"),
    (b'q', Key::Domains, "dump domains and vCPUs"),
];

/// The command that `byte` stands for, if any.
pub fn key(byte: u8) -> Option<Key> {
    let (_, key, _) = HELP.iter().find(|(letter, ..)| *letter == byte)?;
    Some(*key)
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
        // Ours alone; Xen has nothing there.
        assert_eq!(key(b'E'), Some(Key::Exits));
        // The dangerous key is not next to a slip of the shift key.
        assert_eq!(key(b'r'), None);
        assert_eq!(key(0), None);
    }

    #[test]
    fn help_is_sorted_and_names_each_letter_once() {
        assert!(HELP.is_sorted_by(|a, b| a.0 < b.0));
    }
}
