//! The hypervisor's command line: Xen's syntax, the options that mean something here.
//!
//! Options are separated by blanks and written `name=value`, `name` or `no-name`; the last one
//! of a name wins. What is not known is listed and otherwise ignored. Follows Xen's
//! `docs/misc/xen-command-line`.

use alloc::string::String;
use alloc::vec::Vec;

/// The most options that are looked at.
const MAX_OPTIONS: usize = 256;

/// The parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// As given.
    pub raw: String,
    /// `console=`: where the hypervisor's text goes.
    pub console: ConsoleDevice,
    /// `dtuart=`: path or alias of the UART; `None` when absent or empty.
    pub dtuart: Option<String>,
    /// `conswitch=`: the key that moves the input focus.
    pub conswitch: Conswitch,
    /// `loglvl=`: thresholds of the hypervisor's own messages.
    pub loglvl: LogLevels,
    /// `guest_loglvl=`: thresholds of messages by or about guests.
    pub guest_loglvl: LogLevels,
    /// `console_timestamps=`.
    pub timestamps: Timestamps,
    /// `console_to_ring`: guests' output goes to the console ring too.
    pub console_to_ring: bool,
    /// `maxcpus=`: CPUs to use; `None`: all.
    pub maxcpus: Option<u16>,
    /// `config=strict`: any error in the tree refuses the whole boot.
    pub strict: bool,
    /// `sync_console`: every byte is written before going on.
    pub sync_console: bool,
    /// `vwfi=`.
    pub vwfi: Vwfi,
    /// `bootscrub=`.
    pub bootscrub: BootScrub,
    /// `noreboot`: stay halted after a panic.
    pub noreboot: bool,
    /// Options that are not known, as given; ignored.
    pub unknown: Vec<String>,
    /// Known options whose value is not; ignored, and a note is in the findings.
    pub invalid: Vec<String>,
}

/// Where the hypervisor's text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleDevice {
    /// The UART of the device tree.
    DtUart,
    /// Nowhere.
    None,
}

/// The key that moves the input focus, pressed three times with Ctrl.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conswitch {
    /// A lower-case letter; `None`: the focus cannot be moved.
    pub letter: Option<char>,
    /// Who has the focus when the boot is done.
    pub start: StartFocus,
}

/// Who has the input focus when the boot is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartFocus {
    /// The first domain that may have it.
    Domain,
    /// The hypervisor (`conswitch=` with a trailing `x`).
    Hypervisor,
}

/// Thresholds over levels 0 (error) to 3 (debug): below `lower` always printed, below `upper`
/// as the rate limit allows, from `upper` never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevels {
    /// 0 to 4.
    pub lower: u8,
    /// `lower` to 4.
    pub upper: u8,
}

/// What stands in front of console lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timestamps {
    /// Nothing.
    None,
    /// Date and time.
    Date,
    /// Date and time with milliseconds.
    DateMs,
    /// Seconds since boot.
    Boot,
    /// The raw counter.
    Raw,
}

/// What a guest's WFI and WFE do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vwfi {
    /// Give the CPU to others.
    Trap,
    /// Wait on the CPU itself.
    Native,
}

/// When a guest's RAM is zeroed. That it is not zeroed at all cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootScrub {
    /// All of it before its first instruction.
    On,
    /// When the guest needs it, or when a CPU idles.
    Idle,
}

impl Default for CommandLine {
    fn default() -> Self {
        Self {
            raw: String::new(),
            console: ConsoleDevice::DtUart,
            dtuart: None,
            conswitch: Conswitch {
                letter: Some('a'),
                start: StartFocus::Domain,
            },
            loglvl: LogLevels { lower: 3, upper: 3 },
            guest_loglvl: LogLevels { lower: 0, upper: 2 },
            timestamps: Timestamps::None,
            console_to_ring: false,
            maxcpus: None,
            strict: false,
            sync_console: false,
            vwfi: Vwfi::Trap,
            bootscrub: BootScrub::Idle,
            noreboot: false,
            unknown: Vec::new(),
            invalid: Vec::new(),
        }
    }
}

/// What one option came to.
enum Outcome {
    Taken,
    Invalid,
    Unknown,
}

impl CommandLine {
    /// Parses a command line. Never fails: see [`unknown`](Self::unknown) and
    /// [`invalid`](Self::invalid).
    pub fn parse(raw: &str) -> Self {
        let mut line = Self {
            raw: String::from(raw),
            ..Self::default()
        };
        for option in raw.split_ascii_whitespace().take(MAX_OPTIONS) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option, None),
            };
            match line
                .valued(name, value)
                .or_else(|| line.boolean(name, value))
            {
                Some(Outcome::Taken) => {}
                Some(Outcome::Invalid) => line.invalid.push(String::from(option)),
                Some(Outcome::Unknown) | None => line.unknown.push(String::from(option)),
            }
        }
        line
    }

    fn valued(&mut self, name: &str, value: Option<&str>) -> Option<Outcome> {
        let text = value.unwrap_or("");
        let taken = match name {
            "console" => set(&mut self.console, console(text)),
            "dtuart" => set(
                &mut self.dtuart,
                Some((!text.is_empty()).then(|| text.into())),
            ),
            "conswitch" => set(&mut self.conswitch, conswitch(text)),
            "loglvl" => set(&mut self.loglvl, log_levels(text)),
            "guest_loglvl" => set(&mut self.guest_loglvl, log_levels(text)),
            "console_timestamps" => set(&mut self.timestamps, timestamps(value)),
            "maxcpus" => set(
                &mut self.maxcpus,
                text.parse().ok().filter(|&n| n > 0).map(Some),
            ),
            "config" => set(&mut self.strict, (text == "strict").then_some(true)),
            "vwfi" => set(&mut self.vwfi, vwfi(text)),
            "bootscrub" => set(&mut self.bootscrub, bootscrub(value)),
            "no-bootscrub" => Outcome::Invalid,
            _ => return None,
        };
        Some(taken)
    }

    fn boolean(&mut self, name: &str, value: Option<&str>) -> Option<Outcome> {
        // `noreboot` is an option of its own, not `reboot` turned off.
        let (name, inverted) = match name.strip_prefix("no-") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let field = match name {
            "sync_console" => &mut self.sync_console,
            "console_to_ring" => &mut self.console_to_ring,
            "noreboot" => &mut self.noreboot,
            _ => return Some(Outcome::Unknown),
        };
        Some(set(field, boolean(value).map(|on| on != inverted)))
    }
}

fn set<T>(field: &mut T, value: Option<T>) -> Outcome {
    match value {
        Some(value) => {
            *field = value;
            Outcome::Taken
        }
        None => Outcome::Invalid,
    }
}

fn boolean(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("" | "1" | "on" | "yes" | "true" | "enable") => Some(true),
        Some("0" | "off" | "no" | "false" | "disable") => Some(false),
        Some(_) => None,
    }
}

fn console(list: &str) -> Option<ConsoleDevice> {
    let mut device = None;
    for item in list.split(',') {
        device = Some(match item {
            "dtuart" => ConsoleDevice::DtUart,
            "none" => ConsoleDevice::None,
            _ => return None,
        });
    }
    device
}

fn conswitch(text: &str) -> Option<Conswitch> {
    let mut characters = text.chars();
    let letter = characters.next();
    if letter.is_some_and(|letter| !letter.is_ascii_alphabetic()) {
        return None;
    }
    let start = match characters.as_str() {
        "" => StartFocus::Domain,
        "x" => StartFocus::Hypervisor,
        _ => return None,
    };
    Some(Conswitch {
        letter: letter.map(|letter| letter.to_ascii_lowercase()),
        start,
    })
}

fn log_levels(text: &str) -> Option<LogLevels> {
    let level = |name: &str| match name {
        "none" => Some(0),
        "error" => Some(1),
        "warning" => Some(2),
        "info" => Some(3),
        "debug" | "all" => Some(4),
        _ => None,
    };
    let (lower, upper) = match text.split_once('/') {
        Some((lower, upper)) => (level(lower)?, level(upper)?),
        None => (level(text)?, level(text)?),
    };
    Some(LogLevels {
        lower,
        upper: lower.max(upper),
    })
}

fn timestamps(value: Option<&str>) -> Option<Timestamps> {
    match value {
        Some("none") => Some(Timestamps::None),
        Some("date") => Some(Timestamps::Date),
        Some("datems") => Some(Timestamps::DateMs),
        Some("boot") => Some(Timestamps::Boot),
        Some("raw") => Some(Timestamps::Raw),
        other => boolean(other).map(|on| {
            if on {
                Timestamps::Date
            } else {
                Timestamps::None
            }
        }),
    }
}

fn vwfi(text: &str) -> Option<Vwfi> {
    match text {
        "trap" => Some(Vwfi::Trap),
        "native" => Some(Vwfi::Native),
        _ => None,
    }
}

fn bootscrub(value: Option<&str>) -> Option<BootScrub> {
    match value {
        Some("idle") => Some(BootScrub::Idle),
        other => boolean(other)?.then_some(BootScrub::On),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_xens() {
        let line = CommandLine::parse("");
        assert_eq!(line, CommandLine::default());
        assert_eq!(line.loglvl, LogLevels { lower: 3, upper: 3 });
        assert_eq!(line.guest_loglvl, LogLevels { lower: 0, upper: 2 });
    }

    #[test]
    fn every_option_is_read() {
        let line = CommandLine::parse(
            "console=dtuart dtuart=serial0:115200 conswitch=bx loglvl=warning/all \
             guest_loglvl=debug console_timestamps=boot maxcpus=2 config=strict sync_console \
             vwfi=native noreboot console_to_ring bootscrub=on",
        );
        assert_eq!(line.bootscrub, BootScrub::On);
        assert_eq!(line.dtuart.as_deref(), Some("serial0:115200"));
        let conswitch = Conswitch {
            letter: Some('b'),
            start: StartFocus::Hypervisor,
        };
        assert_eq!(line.conswitch, conswitch);
        assert_eq!(line.loglvl, LogLevels { lower: 2, upper: 4 });
        assert_eq!(line.guest_loglvl, LogLevels { lower: 4, upper: 4 });
        assert_eq!((line.timestamps, line.maxcpus), (Timestamps::Boot, Some(2)));
        assert!(line.strict && line.sync_console && line.noreboot && line.console_to_ring);
        assert_eq!(
            (line.vwfi, line.console),
            (Vwfi::Native, ConsoleDevice::DtUart)
        );
        assert!(line.unknown.is_empty() && line.invalid.is_empty());
    }

    #[test]
    fn unknown_and_invalid_are_listed() {
        let line = CommandLine::parse(
            "dom0_mem=1G loglvl=loud maxcpus=0 console=vga sched=null vwfi= \
             console_timestamps=maybe sync_console=7 conswitch=1 conswitch=ay config=lax",
        );
        assert_eq!(line.unknown, ["dom0_mem=1G", "sched=null"]);
        assert_eq!(line.invalid.len(), 9);
        assert_eq!(line.conswitch.letter, Some('a'));
    }

    #[test]
    fn the_last_one_wins_and_no_turns_off() {
        let line =
            CommandLine::parse("sync_console no-sync_console console=none console_timestamps");
        assert!(!line.sync_console);
        assert_eq!(line.console, ConsoleDevice::None);
        assert_eq!(line.timestamps, Timestamps::Date);
        assert_eq!(CommandLine::parse("conswitch=").conswitch.letter, None);
        assert_eq!(
            CommandLine::parse("console_timestamps=datems").timestamps,
            Timestamps::DateMs
        );
        assert_eq!(
            CommandLine::parse("console_timestamps=raw").timestamps,
            Timestamps::Raw
        );
        assert_eq!(
            CommandLine::parse("console_timestamps=off").timestamps,
            Timestamps::None
        );
        assert_eq!(
            CommandLine::parse("loglvl=info/none").loglvl,
            LogLevels { lower: 3, upper: 3 }
        );
        assert_eq!(
            CommandLine::parse("vwfi=trap loglvl=error").vwfi,
            Vwfi::Trap
        );
    }

    #[test]
    fn ram_is_always_zeroed() {
        let scrub = |raw: &str| CommandLine::parse(raw).bootscrub;
        assert_eq!(scrub("bootscrub"), BootScrub::On);
        assert_eq!(scrub("bootscrub=1 bootscrub=idle"), BootScrub::Idle);
        let off = CommandLine::parse("bootscrub=on bootscrub=off no-bootscrub bootscrub=0");
        assert_eq!(off.bootscrub, BootScrub::On);
        assert_eq!(
            off.invalid,
            ["bootscrub=off", "no-bootscrub", "bootscrub=0"]
        );
    }
}
