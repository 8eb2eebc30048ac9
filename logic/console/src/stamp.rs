//! Time stamps in front of messages: Xen's `console_timestamps` styles.

use core::fmt;

/// The style of time stamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// None at all.
    #[default]
    None,
    /// `[YYYY-MM-DD HH:MM:SS] `, or as `Boot` until the wall clock is known.
    Date,
    /// `[YYYY-MM-DD HH:MM:SS.mmm] `, or as `Boot` until the wall clock is known.
    DateMs,
    /// Seconds since boot: `[    1.234567] `.
    Boot,
    /// The raw counter: `[00000000deadbeef] `.
    Raw,
}

/// The time of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since boot.
    pub boot_ns: u64,
    /// The system counter.
    pub ticks: u64,
    /// Milliseconds since 1970-01-01 00:00 UTC, once known.
    pub wall_ms: Option<u64>,
}

/// A time stamp, written out only when its line is. The default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// How it looks.
    pub style: Timestamps,
    /// What it says.
    pub now: Now,
}

/// With the space that follows it; nothing for [`Timestamps::None`].
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.style, self.now.wall_ms) {
            (Timestamps::None, _) => Ok(()),
            (Timestamps::Raw, _) => write!(f, "[{:016x}] ", self.now.ticks),
            (Timestamps::Date, Some(ms)) => write!(f, "[{}] ", Date(ms / 1000)),
            (Timestamps::DateMs, Some(ms)) => {
                write!(f, "[{}.{:03}] ", Date(ms / 1000), ms % 1000)
            }
            _ => {
                let us = self.now.boot_ns / 1000;
                write!(f, "[{:5}.{:06}] ", us / 1_000_000, us % 1_000_000)
            }
        }
    }
}

/// Seconds since 1970.
struct Date(u64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / 86_400);
        let (hour, minute, second) = (self.0 / 3600 % 24, self.0 / 60 % 60, self.0 % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
        )
    }
}

/// The Gregorian date of a day counted from 1970-01-01: year, month from 1, day from 1.
fn civil(days: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01: leap days then come last in a year, and all eras of 400 years (146,097
    // days) are alike. 719,468 days lie between; u64 milliseconds cannot overflow the sum.
    let days = days.wrapping_add(719_468);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(style: Timestamps, now: Now) -> String {
        Stamp { style, now }.to_string()
    }

    #[test]
    fn every_style_is_exact() {
        let now = Now {
            boot_ns: 1_234_567_890,
            ticks: 0xdead_beef,
            wall_ms: Some(951_827_696_007),
        };
        assert_eq!(text(Timestamps::None, now), "");
        assert_eq!(text(Timestamps::Boot, now), "[    1.234567] ");
        assert_eq!(text(Timestamps::Raw, now), "[00000000deadbeef] ");
        assert_eq!(text(Timestamps::Date, now), "[2000-02-29 12:34:56] ");
        assert_eq!(text(Timestamps::DateMs, now), "[2000-02-29 12:34:56.007] ");
    }

    #[test]
    fn a_date_before_the_wall_clock_is_known_counts_from_boot() {
        let now = Now {
            boot_ns: 123_456_000_001_000,
            ..Now::default()
        };
        assert_eq!(text(Timestamps::Date, now), "[123456.000001] ");
        assert_eq!(text(Timestamps::DateMs, now), "[123456.000001] ");
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        // 2100 is no leap year.
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
        let mut expected = (1970, 1, 1);
        for day in 0..200_000 {
            assert_eq!(civil(day), expected);
            expected = following(expected);
        }
        // The largest time does not overflow.
        civil(u64::MAX / 1000 / 86_400);
    }

    fn following((year, month, day): (u64, u64, u64)) -> (u64, u64, u64) {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        match (month, day) {
            (12, 31) => (year + 1, 1, 1),
            (_, day) if day == last => (year, month + 1, 1),
            _ => (year, month, day + 1),
        }
    }
}
